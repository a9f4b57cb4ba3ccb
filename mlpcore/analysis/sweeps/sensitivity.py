"""How sensitive an optimizer is to its learning rate: its best rate, and the range of rates that are nearly as good."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlpcore.analysis.comparison import RecipeComparison, compare_recipes
from mlpcore.analysis.statistics import STANDARD_ERRORS, standard_error
from mlpcore.analysis.sweeps.edges import Edge

NEAR = 0.01  # of accuracy: what is within it of the best counts as good, unless the images cannot tell it apart


@dataclass(frozen=True)
class RateResult:
    """What was measured at one learning rate.

    accuracies: validation accuracy (0 to 1) by seed, None for a run that came to nothing.
    trial: the number of the trial.
    steps: the mean step at which the seeds reached an accuracy that was asked for; None if one did not.
    """

    lr: float
    accuracies: tuple[float | None, ...]
    trial: int = 0
    steps: float | None = None

    @property
    def mean(self) -> float | None:
        """The mean accuracy over the seeds, None if a run came to nothing."""
        known = [accuracy for accuracy in self.accuracies if accuracy is not None]
        return statistics.fmean(known) if known and len(known) == len(self.accuracies) else None


@dataclass(frozen=True)
class RateRange:
    """The learning rates around the best that are nearly as good, interpolated between those that were tried.

    Attributes:
        best: The rate with the highest accuracy.
        low: The lower end of the range.
        high: Its upper end.
        tolerance: How much accuracy (0 to 1) below the best counts as good.
        edges: The ends of the grid that the range reaches: it may be wider.
        best_edge: The end of the grid that the best lies on, if any.
    """

    best: RateResult
    low: float
    high: float
    tolerance: float
    edges: tuple[Edge, ...] = ()
    best_edge: Edge | None = None

    @property
    def decades(self) -> float:
        """Its width: 1 if the upper end is ten times the lower."""
        return math.log10(self.high / self.low)


def find_tolerance(images: int) -> float:
    """Return the accuracy below the best that counts as good: NEAR, or two standard errors of so many images."""
    return max(NEAR, STANDARD_ERRORS * standard_error(images))


def find_good_rates(results: Sequence[RateResult], *, images: int) -> RateRange | None:
    """Find the best learning rate and the range around it that is nearly as good; None if no run came to anything.

    results: at different rates. images: how many the accuracies were measured on.
    """
    ordered = sorted(results, key=lambda one: one.lr)
    means = [one.mean or 0.0 for one in ordered]  # a rate that diverges is as good as an accuracy of 0
    if not any(means):
        return None
    place, tolerance = means.index(max(means)), find_tolerance(images)
    floor = means[place] - tolerance
    first = last = place
    while first > 0 and means[first - 1] >= floor:
        first -= 1
    while last < len(means) - 1 and means[last + 1] >= floor:
        last += 1
    rates = [one.lr for one in ordered]
    low = rates[0] if first == 0 else _cross(rates, means, first, first - 1, floor)
    high = rates[-1] if last == len(means) - 1 else _cross(rates, means, last, last + 1, floor)
    edges = (*([Edge.LOW] if first == 0 else []), *([Edge.HIGH] if last == len(means) - 1 else []))
    best_edge = Edge.LOW if place == 0 else Edge.HIGH if place == len(means) - 1 else None
    return RateRange(ordered[place], low, high, tolerance, edges, best_edge)


def _cross(rates: Sequence[float], means: Sequence[float], inside: int, outside: int, floor: float) -> float:
    """Return the rate at which the line between two results reaches `floor`, on a log axis."""
    share = (means[inside] - floor) / (means[inside] - means[outside])
    inner, outer = math.log(rates[inside]), math.log(rates[outside])
    return math.exp(inner + share * (outer - inner))


@dataclass(frozen=True)
class Winner:
    """The row with the highest mean test accuracy (0 to 1) at its best rate, and how the others compare with it.

    others: by label, each minus the winner.
    """

    label: str
    accuracy: float
    seeds: int
    others: Mapping[str, RecipeComparison]


def find_winner(accuracies: Mapping[str, Mapping[int, float]]) -> Winner | None:
    """Compare rows, each at its own best rate; None if fewer than two have anything to compare.

    accuracies: test accuracy (0 to 1) by seed, for each row; the seeds had no part in the choice of the rate.
    """
    means = {label: statistics.fmean(own.values()) for label, own in accuracies.items() if own}
    if len(means) < 2:
        return None
    best = max(means, key=means.__getitem__)
    others = [label for label in means if label != best]
    compared = compare_recipes(accuracies[best], [accuracies[label] for label in others])
    return Winner(best, means[best], len(accuracies[best]), dict(zip(others, compared, strict=True)))
