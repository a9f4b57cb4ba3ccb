"""Axes with round ranges and ticks that stay the same while a run goes on, as plain Plotly JSON."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlpcore.numbers import short_number

SPIKE = 3.0  # times the median: a loss above it does not stretch the axis, or all other curves would be flat
ROOM = 0.15  # of an interval, left above the highest accuracy, so that no curve runs along the frame
INTERVALS = 5  # of every linear axis, so that left and right ticks share their grid lines


def axis(title: str = "", *, color: str | None = None, **rest: Any) -> dict[str, Any]:
    """Build an axis in the colours of the page's theme, or in the colour of the one trace it belongs to."""
    paint = {"color": color} if color else {}
    built = {"title": {"text": title, "standoff": 6, "font": paint}, "tickfont": paint}
    return built | {"zeroline": False, "automargin": False, "separatethousands": True} | rest


def loss_axis(losses: NDArray[Any], *, log: bool) -> dict[str, Any]:
    """Build the scale of a loss: five round intervals from 0, or on a log scale from at most 1 to at least 3.

    Spikes leave the linear scale at its top.
    """
    if not log:
        known = losses[np.isfinite(losses)]
        middle = float(np.percentile(known, 50, method="lower")) if len(known) else 0.0
        usual = known[known <= max(2.5, SPIKE * middle)]
        return {"range": five_steps(usual, default=2.5), "nticks": INTERVALS + 1}
    positive = losses[losses > 0]
    ticks = _log_ticks(min([1.0, *positive]), max([2.5, *positive]), most=8, digits=(1, 1.5, 2, 3, 5, 7))
    return {"type": "log", "range": [math.log10(ticks[0]), math.log10(ticks[-1])], **_ticks(ticks)}


def rate_axis(
    curves: Sequence[ArrayLike], *, log: bool, most: int = 4, color: str | None = None, title: str = ""
) -> dict[str, Any]:
    """Build the axis of a learning rate with two round ticks or more, and without zoom: a strip has no room for it."""
    rates = np.concatenate([np.asarray(curve, float) for curve in curves])
    positive = rates[np.isfinite(rates) & (rates > 0)]
    top = float(positive.max()) if len(positive) else 1.0
    if log:
        # the last hundredth of a cosine to 0 spans more decades than all the rest: it may leave the axis
        bottom = float(np.percentile(positive, 1)) if len(positive) else top / 10
        ticks = _log_ticks(bottom, top, most=most)
        low, high = math.log10(min(ticks[0], bottom)), math.log10(max(ticks[-1], top))
    else:
        step = _round_up(top / 2 if most > 3 else top)
        ticks = [step * i for i in range(math.ceil(top / step - 1e-9) + 1)]
        low, high = 0.0, ticks[-1]
    room = 0.04 * (high - low)  # so that a rate at either end is not drawn on the frame
    scale = {"type": "log"} if log else {}
    return axis(title, color=color, fixedrange=True, range=[low - room, high + room], **scale, **_ticks(ticks))


def five_steps(values: NDArray[Any], *, default: float, may_rise: bool = False) -> list[float]:
    """Return a range of five round intervals from 0, or from higher up if `may_rise`; never shorter than `default`.

    may_rise: for accuracies, which also get some room above the highest.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return [0.0, default]
    step, low, high = default / INTERVALS, float(values.min()), float(values.max())
    while True:
        top = min(high + ROOM * step, max(high, 1.0)) if may_rise else high
        start = max(0, math.ceil(top / step) - INTERVALS)
        if start == 0 or (may_rise and start * step <= low):
            return [round(start * step, 9), round((start + INTERVALS) * step, 9)]
        step = _round_up(step * 1.5)


def snug_range(
    values: NDArray[Any], *, least: float, default: tuple[float, float], most: float = math.inf
) -> tuple[float, float]:
    """Return the narrowest range of round ends around the values, so that a path fills its panel."""
    values = values[np.isfinite(values)]
    if not len(values):
        return default
    low, high = float(values.min()), float(values.max())
    step = _round_up(max((high - low) / INTERVALS, least))
    start, stop = math.floor(low / step), math.ceil(high / step)
    if start == stop:  # one round value: leave room above it, or below it if `most` is reached
        start, stop = (start, stop + 1) if (stop + 1) * step <= most else (start - 1, stop)
    return round(start * step, 9), min(most, round(stop * step, 9))


def _log_ticks(low: float, high: float, *, most: int, digits: Sequence[float] = (1, 2, 5)) -> list[float]:
    """List round ticks from at or below `low` to at or above `high`: `digits` in a narrow range, decades in a wide one.

    Never fewer than two.
    """
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    ladder = [float(f"{digit}e{power}") for power in range(first, last + 1) for digit in digits]
    start = max(i for i, tick in enumerate(ladder) if tick <= low * (1 + 1e-9))
    stop = min(i for i, tick in enumerate(ladder) if tick >= high * (1 - 1e-9))
    ladder = ladder[start : stop + 1]
    if len(ladder) == 1:
        ladder = [ladder[0] / 10, ladder[0], ladder[0] * 10]
    if len(ladder) <= most:
        return ladder
    decades = [float(f"1e{power}") for power in range(first, last + 1)]
    if len(decades) == 2:
        return [ladder[0], ladder[len(ladder) // 2], ladder[-1]]
    stride = math.ceil((len(decades) - 1) / (most - 1))
    return decades[::-1][::stride][::-1]


def _ticks(values: Sequence[float]) -> dict[str, Any]:
    return {"tickmode": "array", "tickvals": list(values), "ticktext": [short_number(value) for value in values]}


def _round_up(value: float) -> float:
    """Find the smallest of 1, 2, 5 × 10^k at or above a positive value."""
    power = math.floor(math.log10(value) + 1e-9)
    return next(float(f"{digit}e{power}") for digit in (1, 2, 5, 10) if digit * 10.0**power >= value * (1 - 1e-9))
