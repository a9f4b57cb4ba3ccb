"""What a run trains on: the statistics of a data set, a subset, held-out images and wrong labels."""

import pytest
import torch

from mlpcore.data import shapes
from mlpcore.data.datasets import (
    ImageSplit,
    channel_statistics,
    draw_training_set,
)


def small_split(count: int = 2000) -> ImageSplit:
    images, labels = shapes.draw_shapes("train", count)
    return ImageSplit(torch.from_numpy(images), torch.from_numpy(labels), shapes.CLASSES)


class TestStatistics:
    def test_statistics_are_those_of_a_float_copy(self):
        split = small_split(330)
        pixels = split.data.double() / 255
        mean, std = channel_statistics(split)
        assert mean.dtype == std.dtype == torch.float32
        torch.testing.assert_close(mean, pixels.mean(dim=(0, 2, 3)).float())
        torch.testing.assert_close(std, pixels.std(dim=(0, 2, 3), correction=0).float())

    def test_a_channel_of_one_value_has_deviation_zero(self):
        grey = ImageSplit(
            torch.full((4, 1, 8, 8), 51, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64), ("a", "b")
        )
        mean, std = channel_statistics(grey)
        assert mean.tolist() == pytest.approx([0.2])
        assert std.tolist() == [0.0]


class TestTrainingSet:
    def test_the_whole_set_without_noise_is_the_set_itself(self):
        train = small_split()
        drawn = draw_training_set(train, train_size=None, label_noise=0.0, seed=0)
        assert torch.equal(drawn.labels, train.targets)
        assert drawn.indices.tolist() == list(range(2000))
        assert len(drawn.validation_indices) == 0

    def test_a_subset_has_the_labels_of_the_images_its_indices_name(self):
        train = small_split()
        drawn = draw_training_set(train, train_size=100, label_noise=0.0, seed=3)
        assert len(drawn.labels) == len(drawn.indices.unique()) == 100
        assert torch.equal(drawn.labels, train.targets[drawn.indices])

    def test_images_held_out_for_validation_are_never_trained_on(self):
        train = small_split()
        drawn = draw_training_set(train, train_size=None, label_noise=0.0, seed=3, validation_size=500)
        assert len(drawn.indices) == 1500
        assert len(drawn.validation_indices) == 500
        assert not set(drawn.indices.tolist()) & set(drawn.validation_indices.tolist())
        assert torch.equal(drawn.validation_labels, train.targets[drawn.validation_indices])

    def test_a_larger_subset_contains_the_smaller(self):
        train = small_split()
        small, large = (
            set(draw_training_set(train, train_size=size, label_noise=0.0, seed=3).indices.tolist())
            for size in (100, 300)
        )
        assert small < large

    def test_another_seed_draws_other_images_and_the_same_seed_the_same(self):
        train = small_split()
        one, same, other = (draw_training_set(train, train_size=100, label_noise=0.3, seed=seed) for seed in (1, 1, 2))
        assert torch.equal(one.indices, same.indices)
        assert torch.equal(one.labels, same.labels)
        assert not torch.equal(one.indices, other.indices)

    @pytest.mark.parametrize(("label_noise", "wrong"), [(0.2, 337), (0.4, 713), (1.0, 1819)])
    def test_a_share_of_labels_is_drawn_anew_and_one_in_ten_of_those_comes_out_right(self, label_noise, wrong):
        train = small_split()
        drawn = draw_training_set(train, train_size=None, label_noise=label_noise, seed=0)
        changed = int((drawn.labels != train.targets).sum())
        assert changed == wrong
        expected = 2000 * label_noise * 0.9
        assert abs(changed - expected) < 4 * (expected * (1 - label_noise * 0.9)) ** 0.5

    def test_more_noise_keeps_the_labels_that_less_noise_changed(self):
        train = small_split()
        low, high = (
            draw_training_set(train, train_size=None, label_noise=noise, seed=0).labels for noise in (0.2, 0.4)
        )
        changed = low != train.targets
        assert torch.equal(high[changed], low[changed])

    def test_an_image_has_the_same_label_in_a_set_of_any_size(self):
        train = small_split()
        whole = draw_training_set(train, train_size=None, label_noise=0.4, seed=0)
        part = draw_training_set(train, train_size=500, label_noise=0.4, seed=0)
        assert torch.equal(part.labels, whole.labels[part.indices])

    def test_the_set_it_draws_from_is_left_as_it_was(self):
        train = small_split()
        data, targets = train.data.clone(), train.targets.clone()
        draw_training_set(train, train_size=500, label_noise=1.0, seed=0)
        assert torch.equal(train.data, data)
        assert torch.equal(train.targets, targets)

    def test_no_draw_touches_the_global_generator(self):
        before = torch.get_rng_state()
        draw_training_set(small_split(), train_size=500, label_noise=0.5, seed=0)
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize(
        ("train_size", "label_noise", "sentence"),
        [
            (2001, 0.0, "train_size is 2,001: it must be from 1 to 2,000"),
            (0, 0.0, "train_size is 0: it must be from 1 to 2,000"),
            (None, 1.5, "label_noise is 1.5: it must be from 0 to 1"),
            (None, float("nan"), "label_noise is nan: it must be from 0 to 1"),
        ],
    )
    def test_what_is_out_of_range_is_refused_with_the_range(self, train_size, label_noise, sentence):
        with pytest.raises(ValueError, match=sentence):
            draw_training_set(small_split(), train_size=train_size, label_noise=label_noise, seed=0)
