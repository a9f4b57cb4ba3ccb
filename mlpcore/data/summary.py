"""Summarise a data set and the part of it that a run trains on."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mlpcore.data.batches import BatchStream, DeviceImages
from mlpcore.data.datasets import ImageSplit, draw_training_set
from mlpcore.recipes.recipe import Recipe

MAX_RELABELLED = 36  # images with a wrong label that are shown
MAX_BATCH = 72  # images of the mini-batch that are shown
SHOWN_DEVIATIONS = 2.0  # a normalised pixel is black so many standard deviations below the mean, and white above it


@dataclass(frozen=True, eq=False)
class DatasetSummary:
    """A data set as one recipe uses it: counts per class, and images uint8 (n, C, H, W)."""

    classes: tuple[str, ...]
    train_counts: list[int]
    test_counts: list[int]
    run_counts: list[int]  # of the run's training images, by true class
    relabelled_counts: list[int]  # of these, the images whose label the noise changed
    mean_images: NDArray[np.uint8]  # one per class
    relabelled_images: NDArray[np.uint8]
    relabelled_captions: list[str]  # the true class, and in a second line the one of the label
    batch_images: NDArray[np.uint8]  # the first mini-batch, normalised as for the network
    batch_captions: list[str]


def summarise_dataset(images: DeviceImages, recipe: Recipe) -> DatasetSummary:
    """Summarise a data set as a recipe uses it; raise ValueError if the recipe does not fit it."""
    train, classes = images.train, images.train.classes
    drawn = draw_training_set(
        train,
        train_size=recipe.train_size,
        label_noise=recipe.label_noise,
        seed=recipe.seed,
        validation_size=recipe.validation_size,
    )
    true = train.targets[drawn.indices]
    relabelled = torch.nonzero(drawn.labels != true).flatten()
    first = relabelled[:MAX_RELABELLED]
    picked, batch = next(BatchStream(images, drawn.indices, recipe))
    normalised = batch[:MAX_BATCH].view(-1, *train.data.shape[1:])
    return DatasetSummary(
        classes=classes,
        train_counts=_count(train.targets, classes),
        test_counts=_count(images.test.targets, classes),
        run_counts=_count(true, classes),
        relabelled_counts=_count(true[relabelled], classes),
        mean_images=_mean_images(train),
        relabelled_images=train.data[drawn.indices[first]].numpy(),
        relabelled_captions=[
            f"{classes[old]}\n{classes[new]}"
            for old, new in zip(true[first].tolist(), drawn.labels[first].tolist(), strict=True)
        ],
        batch_images=((normalised / SHOWN_DEVIATIONS + 1) * 127.5).clamp(0, 255).to(torch.uint8).cpu().numpy(),
        batch_captions=[classes[label] for label in drawn.labels[picked][:MAX_BATCH].tolist()],
    )


def _count(labels: torch.Tensor, classes: tuple[str, ...]) -> list[int]:
    counts: list[int] = torch.bincount(labels, minlength=len(classes)).tolist()
    return counts


def _mean_images(split: ImageSplit) -> NDArray[np.uint8]:
    """Compute the mean image of each class."""
    sums = torch.zeros(len(split.classes), *split.data.shape[1:], dtype=torch.int64)
    for images, labels in zip(torch.split(split.data, 1000), torch.split(split.targets, 1000), strict=True):
        sums.index_add_(0, labels, images.to(torch.int64))
    counts = torch.bincount(split.targets, minlength=len(split.classes)).clamp(min=1)
    return (sums // counts.view(-1, 1, 1, 1)).to(torch.uint8).numpy()
