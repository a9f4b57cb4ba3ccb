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
LEAST_CONTRAST = 4.0  # of 255, over the pixels and classes of a channel: 1 for Shapes, 24 for CIFAR-10


@dataclass(frozen=True, eq=False)
class DatasetSummary:
    """A data set as one recipe uses it: counts per class, and images uint8 (n, C, H, W)."""

    classes: tuple[str, ...]
    train_counts: list[int]
    test_counts: list[int]
    run_counts: list[int]  # of the run's training images, by true class
    relabelled_counts: list[int]  # of these, the images whose label the noise changed
    mean_images: NDArray[np.uint8]  # one per class; none where all of them are plain grey
    relabelled_images: NDArray[np.uint8]
    relabelled_captions: list[str]  # the true class in brackets, and in a second line the label
    batch_images: NDArray[np.uint8]  # the first mini-batch, normalised as for the network
    batch_captions: list[str]  # likewise where the label is wrong, else the label
    batch_relabelled: list[int]  # the places of these


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
    first = _pick_evenly(relabelled, true[relabelled])
    picked, batch = next(BatchStream(images, drawn.indices, recipe))
    shown = picked[:MAX_BATCH]
    normalised = batch[:MAX_BATCH].view(-1, *train.data.shape[1:])
    return DatasetSummary(
        classes=classes,
        train_counts=_count(train.targets, classes),
        test_counts=_count(images.test.targets, classes),
        run_counts=_count(true, classes),
        relabelled_counts=_count(true[relabelled], classes),
        mean_images=_mean_images(train),
        relabelled_images=train.data[drawn.indices[first]].numpy(),
        relabelled_captions=_caption(true[first], drawn.labels[first], classes),
        batch_images=((normalised / SHOWN_DEVIATIONS + 1) * 127.5).clamp(0, 255).to(torch.uint8).cpu().numpy(),
        batch_captions=_caption(true[shown], drawn.labels[shown], classes),
        batch_relabelled=torch.nonzero(drawn.labels[shown] != true[shown]).flatten().tolist(),
    )


def _count(labels: torch.Tensor, classes: tuple[str, ...]) -> list[int]:
    counts: list[int] = torch.bincount(labels, minlength=len(classes)).tolist()
    return counts


def _caption(true: torch.Tensor, labels: torch.Tensor, classes: tuple[str, ...]) -> list[str]:
    """Write each label, under the true class in brackets where the label is wrong."""
    return [
        classes[label] if label == old else f"({classes[old]})\n{classes[label]}"
        for old, label in zip(true.tolist(), labels.tolist(), strict=True)
    ]


def _pick_evenly(indices: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """Pick up to MAX_RELABELLED of these images, as many of each true class as there are, in the order of classes."""
    by_class = [indices[true == label] for label in range(int(true.max()) + 1 if len(true) else 0)]
    ranked = sorted((rank, label) for label, ones in enumerate(by_class) for rank in range(len(ones)))
    chosen = sorted((label, rank) for rank, label in ranked[:MAX_RELABELLED])
    return torch.tensor([by_class[label][rank] for label, rank in chosen], dtype=torch.int64)


def _mean_images(split: ImageSplit) -> NDArray[np.uint8]:
    """Compute the mean image of each class; none of points, nor if nobody could see a difference between the pixels."""
    if split.data.dtype != torch.uint8:
        return np.empty((0, 1, 1, 1), np.uint8)
    sums = torch.zeros(len(split.classes), *split.data.shape[1:], dtype=torch.int64)
    for images, labels in zip(torch.split(split.data, 1000), torch.split(split.targets, 1000), strict=True):
        sums.index_add_(0, labels, images.to(torch.int64))
    counts = torch.bincount(split.targets, minlength=len(split.classes)).clamp(min=1)
    means = sums // counts.view(-1, 1, 1, 1)
    contrast = means.double().std(dim=(0, 2, 3), correction=0).max()
    return means[: len(means) if contrast >= LEAST_CONTRAST else 0].to(torch.uint8).numpy()
