"""The loss surface around the paths of runs: what is computed of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_RUNS = 4  # in one plane
MAX_MOMENTS = 40  # evaluations of a run on its path; of more, these are spread evenly


@dataclass(frozen=True)
class WeightPath:
    """The path of a run's weights, projected onto a plane: the step and the place of each moment, the start first."""

    steps: tuple[int, ...]
    xs: tuple[float, ...]
    ys: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class LossSurface:
    """The loss over a plane through the weights of networks, with the paths of the runs that it was laid through.

    The plane's directions are the two in which the weights move most, both of length 1: distances in the plane are
    Euclidean distances of weights.

    Attributes:
        xs: Places along the first direction, ascending; 0 is the end of the path, or the mean of all ends.
        ys: Places along the second.
        losses: The loss at each place, (ys, xs), in nats; infinite where it overflows.
        paths: One per run.
        explained: The share of the weights' variance along each direction.
        images: How many training images the loss is the mean of.
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    losses: NDArray[np.float64]
    paths: tuple[WeightPath, ...]
    explained: tuple[float, float]
    images: int
