"""What the Images page shows of a data set: examples of wrong labels, the mini-batch, and mean images."""

import numpy as np
import torch

from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.datasets import ImageSplit
from mlpcore.data.summary import MAX_RELABELLED, summarise_dataset
from mlpcore.recipes.recipe import Recipe

CLASSES = ("bird", "cat", "dog")
RANDOM = Recipe(dataset="Drawn", label_noise=1.0, batch_size=30)


def build_images(*, tint: int = 0, each: int = 200) -> DeviceImages:
    """Build images of noise, `tint` brighter from class to class; the classes come one after another."""
    pixels = np.random.default_rng(0).integers(0, 200, (3 * each, 3, 4, 4), dtype=np.uint8)
    labels = np.repeat(np.arange(3), each)
    pixels += (tint * labels).astype(np.uint8)[:, None, None, None]
    split = ImageSplit(torch.from_numpy(pixels), torch.from_numpy(labels), CLASSES)
    return place_images(split, split, torch.device("cpu"))


def test_examples_of_wrong_labels_come_from_every_class_alike() -> None:
    summary = summarise_dataset(build_images(), RANDOM)
    true = [caption.partition("\n")[0] for caption in summary.relabelled_captions]
    assert [true.count(f"({name})") for name in CLASSES] == [MAX_RELABELLED // 3] * 3


def test_few_wrong_labels_are_all_shown() -> None:
    summary = summarise_dataset(build_images(each=10), RANDOM)
    assert len(summary.relabelled_images) == sum(summary.relabelled_counts) > 0


def test_wrong_labels_are_marked_in_the_mini_batch_and_no_others() -> None:
    summary = summarise_dataset(build_images(), RANDOM)
    with_true_class = [place for place, caption in enumerate(summary.batch_captions) if caption.startswith("(")]
    assert summary.batch_relabelled == with_true_class
    assert 10 <= len(with_true_class) <= 29  # two thirds of 30, give or take four standard deviations
    assert summarise_dataset(build_images(), RANDOM.replace(label_noise=0.0)).batch_relabelled == []


def test_mean_images_are_there_where_they_differ() -> None:
    assert len(summarise_dataset(build_images(tint=20), RANDOM).mean_images) == 3
    assert len(summarise_dataset(build_images(each=1000), RANDOM).mean_images) == 0
