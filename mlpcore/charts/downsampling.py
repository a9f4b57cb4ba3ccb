"""Downsampling of curves: few enough points for a browser, without losing peaks, corners or the last value."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_POINTS = 500  # per trace: what a browser redraws every second without effort


def corners(curve: ArrayLike) -> NDArray[Any]:
    """Return at most MAX_POINTS indices of a curve: its ends, its sharpest corners and an even grid between them."""
    values = np.asarray(curve, float)
    if len(values) <= MAX_POINTS:
        return np.arange(len(values))
    bend = np.abs(np.diff(values, 2))
    bend[bend <= 1e-9 * np.ptp(values)] = 0  # rounding, not a corner
    bent = np.flatnonzero(bend)
    sharpest = bent[np.argsort(bend[bent], kind="stable")[-(MAX_POINTS // 2) :]]
    grid = np.linspace(0, len(values) - 1, MAX_POINTS - MAX_POINTS // 2).astype(int)
    return np.union1d(sharpest + 1, grid)


def peaks(values: NDArray[Any]) -> NDArray[Any]:
    """Return at most MAX_POINTS indices that keep the lowest and highest value of each stretch, and the last.

    Stretches double in length as a run grows, so that the points drawn stay the same from tick to tick.
    """
    if len(values) <= MAX_POINTS:
        return np.arange(len(values))
    stretch = 2
    while 2 * math.ceil(len(values) / stretch) > MAX_POINTS - 2:
        stretch *= 2
    whole = len(values) // stretch * stretch
    rows = values[:whole].reshape(-1, stretch)
    starts = np.arange(0, whole, stretch)
    filled = np.where(np.isnan(rows), np.inf, rows), np.where(np.isnan(rows), -np.inf, rows)
    return np.unique(
        np.concatenate([[0], starts + filled[0].argmin(1), starts + filled[1].argmax(1), [len(values) - 1]])
    )


def evenly(count: int) -> list[int]:
    """Return at most MAX_POINTS of `count` indices at equal distances, and the last; strides double as a run grows."""
    stride = 1
    while math.ceil(count / stride) > MAX_POINTS - 1:
        stride *= 2
    return sorted({*range(0, count, stride), *range(max(count - 1, 0), count)})


def smoothed(values: NDArray[Any], smoothing: float) -> NDArray[Any]:
    """Return the exponential moving average with bias correction: the first value stays as it is."""
    total = weight = 0.0
    out = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        if not math.isnan(value):
            total, weight = total * smoothing + value, weight * smoothing + 1
            out[i] = total / weight
    return out


def finite(values: Sequence[float | None]) -> NDArray[Any]:
    """Turn infinities and None into NaN, which leaves a gap in a curve."""
    array = np.array(values, float)
    array[~np.isfinite(array)] = np.nan
    return array


def rounded(values: Any) -> list[float | None]:
    """Round to five significant digits; None for what is not finite, since JSON has no NaN."""
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in np.asarray(values, float).tolist()]
