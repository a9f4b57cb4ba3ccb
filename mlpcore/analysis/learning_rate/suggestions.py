"""What a learning-rate test suggests: three rules that each read a rate off the loss, seed by seed."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from mlpcore.analysis.learning_rate.lr_test import FIRST, LrTest
from mlpcore.recipes.recipe import SGD
from mlpcore.recipes.validation import find_limits

SMOOTHING = 3.0  # mini-batches: the standard deviation of the window; in a test of 100 a fifth of a decade
CEILING = 1.5  # times the first losses: a loss that has exploded counts as no more, or the window would carry it back
LEAST_FALL = 1.5  # times the noise of one mini-batch: what falls less has not fallen
DIVISOR = 10  # of the rate with the lowest loss, where steps are as large as they may be
VALLEY_SHARE = 2 / 3  # of the valley, from its start
DIGITS = (1, 2, 3, 5, 7)  # that a rate is rounded to, as on the slider


class Rule(StrEnum):
    """How a rate is read off the loss."""

    STEEPEST = "steepest fall"
    MINIMUM = "minimum / 10"
    VALLEY = "valley"


@dataclass(frozen=True)
class LrSuggestion:
    """The learning rate that a rule reads off the loss of each seed; None where it finds none."""

    rule: Rule
    by_seed: tuple[float | None, ...]

    @property
    def found(self) -> list[float]:
        """The rates that were found, ascending."""
        return sorted(rate for rate in self.by_seed if rate is not None)

    @property
    def rate(self) -> float | None:
        """The median over the seeds; None if the rule found nothing with half of them."""
        if 2 * len(self.found) <= len(self.by_seed):
            return None
        return math.exp(statistics.median(math.log(rate) for rate in self.found))

    @property
    def rounded(self) -> float | None:
        """The rate to try: the nearest 1, 2, 3, 5 or 7 × 10^k, since the seeds agree on no more digits."""
        return None if self.rate is None else round_rate(self.rate)


def suggest_rates(test: LrTest) -> list[LrSuggestion]:
    """Read a rate off each seed's loss by each rule."""
    curves = [_Curve(test.rates, losses) for losses in test.losses]
    readings = {
        Rule.STEEPEST: _Curve.find_steepest,
        Rule.MINIMUM: _Curve.find_minimum,
        Rule.VALLEY: _Curve.find_valley,
    }
    return [LrSuggestion(rule, tuple(map(read, curves))) for rule, read in readings.items()]


def smooth_losses(losses: Sequence[float]) -> NDArray[np.float64]:
    """Smooth the losses of successive mini-batches by a window that looks as far ahead as back, so that nothing shifts.

    A running mean looks back only, and would move every rule to rates that are too high.
    """
    values = np.asarray(losses, float)
    if not len(values):
        return values
    values = np.minimum(values, CEILING * values[:FIRST].mean())
    places = np.arange(len(values))
    weights = np.exp(-0.5 * ((places[:, None] - places) / SMOOTHING) ** 2)
    smoothed: NDArray[np.float64] = weights @ values / weights.sum(axis=1)
    return smoothed


def round_rate(rate: float) -> float:
    """Round a learning rate to the nearest digit × 10^k on a log scale, within what lr may be."""
    low, high = find_limits(SGD, "lr")
    ladder = [float(f"{digit}e{power}") for power in range(-7, 2) for digit in DIGITS]
    return min((rung for rung in ladder if low <= rung <= high), key=lambda rung: abs(math.log(rung / rate)))


class _Curve:
    """The loss of one seed, smoothed, and where it is lowest."""

    def __init__(self, rates: Sequence[float], losses: Sequence[float]) -> None:
        self.rates = rates
        self.smoothed = smooth_losses(losses)
        self.lowest = int(self.smoothed.argmin()) if len(losses) else 0
        before = losses[: self.lowest + 1]  # what explodes later is noisier
        self.has_fallen = self.lowest > FIRST and self._fall(losses) > LEAST_FALL * _measure_noise(before)

    def find_steepest(self) -> float | None:
        """Find where the loss falls most per decade of the rate."""
        if not self.has_fallen:
            return None
        slopes = np.gradient(self.smoothed, np.log10(self.rates[: len(self.smoothed)]))
        return self.rates[int(slopes[: self.lowest + 1].argmin())]

    def find_minimum(self) -> float | None:
        """Find a tenth of the rate at which the loss is lowest."""
        return max(self.rates[self.lowest] / DIVISOR, self.rates[0]) if self.has_fallen else None

    def find_valley(self) -> float | None:
        """Find the longest stretch over which the loss only falls, and the rate two thirds along it."""
        if not self.has_fallen:
            return None
        start, length, begun = 0, 0, 0
        for place in range(1, len(self.smoothed)):
            if self.smoothed[place] >= self.smoothed[place - 1]:
                begun = place
            elif place - begun > length:
                start, length = begun, place - begun
        return self.rates[start + round(VALLEY_SHARE * length)]

    def _fall(self, losses: Sequence[float]) -> float:
        return statistics.fmean(losses[:FIRST]) - float(self.smoothed[self.lowest])


def _measure_noise(losses: Sequence[float]) -> float:
    """Measure the standard deviation of one mini-batch's loss, whatever the curve does: from neighbours' differences.

    The median of their sizes is that of a normal distribution's, 0.6745, times √2: few large ones do not matter.
    """
    return float(np.median(np.abs(np.diff(losses)))) / (0.6745 * math.sqrt(2))
