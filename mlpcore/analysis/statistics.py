"""Statistics of accuracies: sampling error on a finite test set, the paired t-test over seeds, Holm's correction."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

STANDARD_ERRORS = 2.0  # a 95 % interval is about so many wide on either side
ROUNDING = 1e-9  # differences that vary by less are equal but for floating-point rounding


def standard_error(images: int) -> float:
    """Return the standard error of an accuracy (0 to 1) on so many images; at accuracy 1/2, where it is largest."""
    return 0.5 / math.sqrt(max(images, 1))


def detectable_difference(images: int) -> float:
    """Return the smallest difference of two accuracies (0 to 1) that the sampling error of the images leaves standing.

    The two accuracies are taken as independent. Runs that are tested on the same images vary less, so this is
    conservative. It says nothing about how much another seed would change the result.
    """
    return STANDARD_ERRORS * math.sqrt(2) * standard_error(images)


@dataclass(frozen=True)
class PairedTest:
    """A paired t-test: mean and sample standard deviation of the differences, and the two-sided p.

    p is None if all differences are equal, as on a coarse test set: without any spread there is no t statistic.
    """

    mean: float
    deviation: float
    p: float | None


def paired_t_test(differences: Sequence[float]) -> PairedTest:
    """Test whether paired differences have mean 0. Needs at least two differences, in any unit."""
    mean, deviation = statistics.fmean(differences), statistics.stdev(differences)
    if deviation < ROUNDING:
        return PairedTest(mean, deviation, None)
    from scipy import stats  # takes 0.5 s to import: only when there is something to test

    return PairedTest(mean, deviation, float(stats.ttest_1samp(differences, 0.0).pvalue))


def adjust_holm(tests: Sequence[PairedTest]) -> list[float | None]:
    """Return the p of several tests, adjusted by Holm's method: a false positive among all of them stays as rare.

    A test without a p keeps None, but counts as one of the tests.
    """
    ordered = sorted((1.0 if test.p is None else test.p, place) for place, test in enumerate(tests))
    adjusted: list[float | None] = [None] * len(tests)
    largest = 0.0
    for rank, (p, place) in enumerate(ordered):
        largest = max(largest, min((len(tests) - rank) * p, 1.0))
        adjusted[place] = None if tests[place].p is None else largest
    return adjusted
