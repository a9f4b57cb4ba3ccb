"""What there is to see of a data set and of the part of it that a run trains on."""

from dataclasses import dataclass

import numpy as np
import torch

from mlpcore.data.batches import BatchStream, DeviceImages
from mlpcore.data.datasets import ImageSplit, draw_training_set
from mlpcore.recipes.recipe import Recipe

SHOWN_CHANGED = 36  # images with a wrong label
SHOWN_BATCH = 72  # of a mini-batch
SHOWN_DEVIATIONS = 2.0  # a normalised pixel is shown from black, this far below the mean, to white, as far above it


@dataclass(frozen=True, eq=False)
class DatasetSummary:
    """A data set as one recipe uses it; images are uint8 (n, C, H, W)."""

    classes: tuple[str, ...]
    train_counts: list[int]  # a class
    test_counts: list[int]
    drawn_counts: list[int]  # of the run's training images, by true class
    changed_counts: list[int]  # of these, whose label noise changed
    mean_images: np.ndarray  # a class
    changed_images: np.ndarray
    changed_captions: list[str]  # the true class, and in a second line the one they are labelled with
    batch_images: np.ndarray  # the first mini-batch, as the network sees it
    batch_captions: list[str]


def summarise_dataset(images: DeviceImages, recipe: Recipe) -> DatasetSummary:
    """Collect what the pages show. Raises ValueError where the recipe does not fit the images."""
    train = images.train
    classes = train.classes
    drawn = draw_training_set(
        train,
        train_size=recipe.train_size,
        label_noise=recipe.label_noise,
        seed=recipe.seed,
        validation_size=recipe.validation_size,
    )
    true = train.targets[drawn.indices]
    changed = torch.nonzero(drawn.labels != true).flatten()
    first = changed[:SHOWN_CHANGED]
    picked, batch = next(BatchStream(images, drawn.indices, recipe))
    names = [classes[label] for label in drawn.labels[picked][:SHOWN_BATCH].tolist()]
    return DatasetSummary(
        classes=classes,
        train_counts=_count(train.targets, classes),
        test_counts=_count(images.test.targets, classes),
        drawn_counts=_count(true, classes),
        changed_counts=_count(true[changed], classes),
        mean_images=_average(train),
        changed_images=train.data[drawn.indices[first]].numpy(),
        changed_captions=[
            f"{classes[old]}\n{classes[new]}"
            for old, new in zip(true[first].tolist(), drawn.labels[first].tolist(), strict=True)
        ],
        batch_images=_as_pixels(batch[:SHOWN_BATCH].view(-1, *train.data.shape[1:])),
        batch_captions=names,
    )


def _count(labels: torch.Tensor, classes: tuple[str, ...]) -> list[int]:
    return torch.bincount(labels, minlength=len(classes)).tolist()


def _average(split: ImageSplit) -> np.ndarray:
    """The mean image of each class."""
    sums = torch.zeros(len(split.classes), *split.data.shape[1:], dtype=torch.int64)
    for images, labels in zip(split.data.split(1000), split.targets.split(1000), strict=True):
        sums.index_add_(0, labels, images.to(torch.int64))
    counts = torch.bincount(split.targets, minlength=len(split.classes)).clamp(min=1)
    return (sums // counts.view(-1, 1, 1, 1)).to(torch.uint8).numpy()


def _as_pixels(normalised: torch.Tensor) -> np.ndarray:
    scaled = (normalised / SHOWN_DEVIATIONS + 1) * 127.5
    return scaled.clamp(0, 255).to(torch.uint8).cpu().numpy()
