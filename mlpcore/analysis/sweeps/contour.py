"""The accuracy between the trials of a search over two hyperparameters, where trials surround it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST_PLACES = 10  # of trials: between fewer, what is interpolated says nothing
CELLS = 48  # along each side


@dataclass(frozen=True)
class Contour:
    """Accuracies (0 to 1) on a grid: `accuracies[j][i]` lies at `across[i]`, `up[j]`; None outside the trials."""

    across: list[float]
    up: list[float]
    accuracies: list[list[float | None]]


def interpolate(places: Sequence[tuple[float, float]], accuracies: Sequence[float]) -> Contour | None:
    """Interpolate linearly between trials; those at the same place count by their mean.

    Args:
        places: Where the trials lie, across and up.
        accuracies: What they reached (0 to 1).

    Returns:
        The contour within the trials' convex hull; None from fewer than FEWEST_PLACES places, and if all lie on a line.
    """
    groups: dict[tuple[float, float], list[float]] = {}
    for place, accuracy in zip(places, accuracies, strict=True):
        groups.setdefault(place, []).append(accuracy)
    points = np.array(list(groups)).reshape(-1, 2)
    if len(points) < FEWEST_PLACES or not np.all(size := np.ptp(points, axis=0)):
        return None
    from scipy.interpolate import LinearNDInterpolator  # 0.3 s
    from scipy.spatial import QhullError

    low = points.min(axis=0)
    side = np.linspace(0.0, 1.0, CELLS)
    try:
        surface = LinearNDInterpolator((points - low) / size, list(map(statistics.fmean, groups.values())))
    except QhullError:  # all on one line
        return None
    found = surface(*np.meshgrid(side, side))
    across, up = (start + length * side for start, length in zip(low, size, strict=True))
    cells = [[None if np.isnan(one) else one for one in row] for row in found.round(4).tolist()]
    return Contour(across.tolist(), up.tolist(), cells)
