"""What a network makes of the plane: its class probabilities over a grid, and the points that it learns and is tested.

For two classes and 24 surfaces this takes 200 kB in memory and on disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

SIDE = 64  # of the grid
MAP_SIDE = 16  # of the map of a unit
MAX_SURFACES = 24
MAX_POINTS = 400  # of each split that are kept, to be drawn


@dataclass(frozen=True, eq=False)
class Surface:
    """How probable each class is over the plane at one evaluation: uint8 (classes, SIDE, SIDE), 255 for certain.

    Rows go from the lowest y to the highest, columns from the lowest x to the highest.
    """

    number: int  # 0 before training, then the number of the evaluation
    step: int
    shares: np.ndarray


@dataclass(frozen=True, eq=False)
class Plane:
    """The part of the plane from -limit to limit in both directions: points, and surfaces until the newest evaluation.

    train, test: float32 (n, 2), the first MAX_POINTS of the run's. train_labels are those that it trains with, is_wrong
    marks those that label noise changed.
    """

    limit: float
    train: np.ndarray
    train_labels: np.ndarray
    is_wrong: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    surfaces: tuple[Surface, ...] = ()

    def has_fitting_arrays(self, classes: int) -> bool:
        """Return whether the arrays, which may come from a damaged file, fit each other."""
        points = ((self.train, self.train_labels), (self.test, self.test_labels), (self.train, self.is_wrong))
        return bool(
            np.isfinite(self.limit)
            and self.limit > 0
            and self.surfaces
            and all(one.shares.shape == (classes, SIDE, SIDE) and one.shares.dtype == np.uint8 for one in self.surfaces)
            and all(xy.shape == (len(of), 2) and of.ndim == 1 and np.isfinite(xy).all() for xy, of in points)
            and all(len(of) == 0 or of.max() < classes for of in (self.train_labels, self.test_labels))
        )


def write_plane(plane: Plane) -> dict[str, np.ndarray]:
    """Write a plane as the arrays of a file; their names are for ever."""
    return {
        "plane_limit": np.array(plane.limit),
        "plane_train": plane.train,
        "plane_train_labels": plane.train_labels,
        "plane_is_wrong": plane.is_wrong,
        "plane_test": plane.test,
        "plane_test_labels": plane.test_labels,
        "surface_numbers": np.array([surface.number for surface in plane.surfaces]),
        "surface_steps": np.array([surface.step for surface in plane.surfaces]),
        "surfaces": np.stack([surface.shares for surface in plane.surfaces]),
    }


def read_plane(kept: Mapping[str, np.ndarray]) -> Plane | None:
    """Read a plane from the arrays of a file; None if it holds none, as of a run on images."""
    if "surfaces" not in kept:
        return None
    surfaces = zip(kept["surface_numbers"].tolist(), kept["surface_steps"].tolist(), kept["surfaces"], strict=True)
    return Plane(
        limit=float(kept["plane_limit"]),
        train=kept["plane_train"],
        train_labels=kept["plane_train_labels"],
        is_wrong=kept["plane_is_wrong"],
        test=kept["plane_test"],
        test_labels=kept["plane_test_labels"],
        surfaces=tuple(Surface(number, step, shares) for number, step, shares in surfaces),
    )
