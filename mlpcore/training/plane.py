"""Networks over the plane: class probabilities on a grid, and the units of the first layer as small maps."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlpcore.data.batches import DeviceImages
from mlpcore.data.datasets import DrawnImages
from mlpcore.runs.plane import MAP_SIDE, MAX_POINTS, SIDE, Plane
from mlpcore.runs.snapshots import MAX_UNITS
from mlpcore.training.models import ACTIVATIONS
from mlpcore.training.stacked_mlp import Inputs, StackedMLP

GRID_BATCH = 512  # points of the grid at a time: what the hidden layers make of them stays in the cache


def build_grid(images: DeviceImages, side: int) -> Tensor:
    """Build the points of a square grid over the plane, row by row from the lowest y, normalised: (side², 2)."""
    assert images.limit is not None, "only points have a plane"
    along = torch.linspace(-images.limit, images.limit, side)
    y, x = torch.meshgrid(along, along, indexing="ij")
    return images.normalise(torch.stack([x, y], dim=2).view(-1, 2).to(images.mean.device))


def iterate_grid(images: DeviceImages) -> Iterator[tuple[Inputs]]:
    """Iterate over the grid of surfaces in batches that all networks read; over nothing if there is no plane."""
    if images.limit is not None:
        for part in torch.split(build_grid(images, SIDE), GRID_BATCH):
            yield ([(part, slice(None))],)


class SurfaceAccumulator:
    """Collects the class probabilities of K networks over the batches of a grid."""

    def __init__(self, network: StackedMLP) -> None:
        self._network = network
        self._shares: list[Tensor] = []  # uint8 (K, B, classes) each

    def add_batch(self, inputs: Inputs) -> None:
        """Classify a batch with every network."""
        shares = self._network.forward(inputs).softmax(dim=2)
        self._shares.append((255 * shares).round().to(torch.uint8).cpu())

    def compute(self) -> list[NDArray[np.uint8]] | None:
        """Return the probabilities of each network, uint8 (classes, SIDE, SIDE); None if there was no grid."""
        if not self._shares:
            return None
        shares = torch.cat(self._shares, dim=1).permute(0, 2, 1).numpy()
        return [np.ascontiguousarray(own).reshape(-1, SIDE, SIDE) for own in shares]


def compute_surfaces(network: StackedMLP, images: DeviceImages) -> list[NDArray[np.uint8]]:
    """Compute the class probabilities of K networks over the plane; none of images."""
    accumulator = SurfaceAccumulator(network)
    for batch in iterate_grid(images):
        accumulator.add_batch(*batch)
    return accumulator.compute() or []


def map_units(weights: Tensor, biases: Tensor, activation: str, grid: Tensor) -> NDArray[np.uint8]:
    """Map what the first units of a layer answer over the plane, uint8 (units, 1, MAP_SIDE, MAP_SIDE), 128 for 0.

    Each unit is scaled by itself, so its answer furthest from 0 becomes 1 or 255. As in an image, the highest y is the
    first row.
    """
    with torch.inference_mode():
        answers = ACTIVATIONS[activation](grid @ weights[:MAX_UNITS].t() + biases[:MAX_UNITS]).t()
        peaks = answers.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(answers.dtype).tiny)
        scaled = (128 + 127 * answers / peaks).round().to(torch.uint8)
        maps: NDArray[np.uint8] = scaled.view(-1, 1, MAP_SIDE, MAP_SIDE).flip(2).cpu().numpy()
    return maps


def show_points(images: DeviceImages, drawn: DrawnImages) -> Plane:
    """Return the points that a run learns from and is tested on, without surfaces."""
    assert images.limit is not None, "only points have a plane"
    indices, labels = drawn.indices[:MAX_POINTS], drawn.labels[:MAX_POINTS]
    return Plane(
        limit=images.limit,
        train=images.train.data[indices].numpy(),
        train_labels=labels.numpy().astype(np.uint8),
        is_wrong=(labels != images.train.targets[indices]).numpy(),
        test=images.test.data[:MAX_POINTS].numpy(),
        test_labels=images.test.targets[:MAX_POINTS].numpy().astype(np.uint8),
    )
