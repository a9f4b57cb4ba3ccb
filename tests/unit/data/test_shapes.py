import hashlib

import numpy as np
import pytest

from mlpcore.data.shapes import CLASSES, draw_shapes


def test_every_machine_draws_the_same_bytes():
    images, _ = draw_shapes("train", 500)
    digest = hashlib.sha256(images.tobytes()).hexdigest()
    # When a drawing is meant to change, raise shapes.DRAWING_VERSION as well, or disks keep the old one.
    assert digest[:16] == "622fa1a78bf2b19d"


def test_a_short_draw_is_the_beginning_of_a_long_one():
    short, long = draw_shapes("test", 30)[0], draw_shapes("test", 300)[0]
    assert np.array_equal(short, long[:30])


def test_images_are_bytes_in_torch_order_and_labels_come_in_turn():
    images, labels = draw_shapes("train", 25)
    assert (images.shape, images.dtype) == ((25, 3, 32, 32), np.uint8)
    assert labels.dtype == np.int64
    assert labels.tolist() == [*range(10), *range(10), *range(5)]
    assert len(CLASSES) == 10


def test_no_image_stands_twice_in_train_and_test():
    drawn = np.concatenate([draw_shapes("train", 2000)[0], draw_shapes("test", 2000)[0]])
    assert len({image.tobytes() for image in drawn}) == 4000


def test_colours_say_nothing_about_the_class():
    images, labels = draw_shapes("train", 5000)
    means = np.array([images[labels == label].mean(axis=(0, 2, 3)) for label in range(10)])
    assert np.abs(means - means.mean(axis=0)).max() < 8  # of 255; one mean of 500 images varies by about 2.5


def test_progress_rises_to_one():
    told: list[float] = []
    draw_shapes("test", 1000, progress=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    ("split", "count", "sentence"),
    [
        ("train", 0, "count is 0: the train split of Shapes has 1 to 50000 pictures"),
        ("test", 10_001, "count is 10001: the test split of Shapes has 1 to 10000 pictures"),
        ("validation", 10, "split is 'validation': expected train or test"),
    ],
)
def test_what_is_not_there_is_refused_by_name(split, count, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        draw_shapes(split, count)
