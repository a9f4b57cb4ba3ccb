"""What networks get right: loss and accuracy over batches of images in eval mode, and the likeliest classes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mlpcore.data.batches import DeviceImages
from mlpcore.runs.snapshots import LIKELIEST, UNITS
from mlpcore.training.stacked_mlp import StackedMLP

EVALUATION_BATCH = 500  # images at a time: normalised they are 6 MB and stay in the cache

Batch = tuple[list[tuple[Tensor, slice]], Tensor]  # images and the networks that read them; labels (K, B)


class Measured(NamedTuple):
    """The mean loss and the accuracy of one network; None without images."""

    loss: float | None
    accuracy: float | None


class Tally:
    """The losses and hits of K networks, batch after batch; where it `ranks`, the likeliest classes of each image."""

    def __init__(self, network: StackedMLP, *, ranks: bool = False) -> None:
        self._network = network
        self._ranks = ranks
        self._losses: list[Tensor] = []
        self._hits: Tensor | int = 0  # (K,) after the first batch
        self._rankings: list[tuple[np.ndarray, np.ndarray]] = []
        self._count = 0

    def add(self, inputs: Sequence[tuple[Tensor, slice]], labels: Tensor) -> None:
        """Let the networks classify a batch."""
        logits = self._network.forward(inputs)
        each = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)
        each = each.cpu()  # not every device knows float64
        self._losses.append(torch.stack([own.sum(dtype=torch.float64) for own in each]))
        predicted = logits.argmax(dim=2)
        self._hits = self._hits + (predicted == labels).sum(dim=1)
        if self._ranks:
            self._rankings.append(rank_classes(logits, predicted))
        self._count += labels.shape[1]

    def measure(self) -> list[Measured]:
        """Return what each network has come to."""
        if not self._count:
            return [Measured(None, None)] * len(self._network.weights[0])
        # exactly rounded: how torch orders a sum over the batches depends on how many runs stand beside each other
        totals = [math.fsum(own) for own in torch.stack(self._losses).t().tolist()]
        hits = self._hits.tolist()
        return [Measured(total / self._count, hit / self._count) for total, hit in zip(totals, hits, strict=True)]

    def rank(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the likeliest classes of every image and their probabilities, (K, N, k) each."""
        likeliest, shares = (np.concatenate(parts, axis=1) for parts in zip(*self._rankings, strict=True))
        return likeliest, shares


def cut_test(images: DeviceImages, count: int) -> Iterator[Batch]:
    """Cut the test images into batches that `count` networks read."""
    for part, labels in zip(
        images.test_images.split(EVALUATION_BATCH), images.test_labels.split(EVALUATION_BATCH), strict=True
    ):
        yield [(images.normalise(part), slice(None))], labels.expand(count, -1)


def cut_train(
    images: DeviceImages, indices: Sequence[Tensor], labels: Sequence[Tensor], rows: Mapping[int, slice]
) -> Iterator[Batch]:
    """Cut training images that each network has of its own, with the labels that it has for them.

    rows: networks that share their images, side by side; those of the first one are read for all of them.
    """
    for start in range(0, len(labels[0]), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        inputs = [(images.read_train(indices[own.start][part]), own) for own in rows.values()]
        yield inputs, torch.stack([own[part] for own in labels]).to(images.mean.device)


def rank_classes(logits: Tensor, predicted: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Find the likeliest classes, best first, and their probabilities as float16: (K, B, k) each.

    logits is (K, B, classes), predicted its argmax. For 500 images of CIFAR-10 and one run this takes 0.08 ms, their
    forward pass 28 (one thread); for 16 runs 1.3 and 390.
    """
    top = logits.topk(min(LIKELIEST, logits.shape[2]), dim=2)
    shares, classes = (top.values - logits.logsumexp(dim=2, keepdim=True)).exp(), top.indices
    tied = classes[..., 0] != predicted  # topk takes any of equal logits, argmax the first
    if tied.any():
        classes[tied] = logits[tied].sort(dim=1, descending=True, stable=True).indices[:, : classes.shape[2]]
    smallest = np.min_scalar_type(logits.shape[2] - 1)
    return classes.cpu().numpy().astype(smallest), shares.half().cpu().numpy()


def draw_units(weights: Tensor, shape: torch.Size) -> np.ndarray:
    """Draw the first units of a layer (out, in) that reads images of `shape` (C, H, W), as `Frame` says."""
    shown = weights[:UNITS].detach()
    peaks = shown.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(shown.dtype).tiny)
    return (128 + 127 * shown / peaks).round().to(torch.uint8).view(-1, *shape).cpu().numpy()
