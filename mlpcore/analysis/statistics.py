"""Statistics of accuracies: sampling error on a finite test set, and the paired t-test over seeds."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from mlpcore.data.catalog import TEST_IMAGES

STANDARD_ERRORS = 2.0  # a 95 % interval is about so many wide on either side
ROUNDING = 1e-9  # differences that vary by less are equal but for floating-point rounding


def standard_error(images: int = TEST_IMAGES) -> float:
    """Return the standard error of an accuracy (0 to 1) on so many images; at accuracy 1/2, where it is largest."""
    return 0.5 / math.sqrt(max(images, 1))


def detectable_difference(images: int = TEST_IMAGES) -> float:
    """Return the smallest difference of two accuracies (0 to 1) that the sampling error of the images leaves standing.

    The two accuracies are taken as independent. Runs that are tested on the same images vary less, so this is
    conservative. It says nothing about how much another seed would change the result.
    """
    return STANDARD_ERRORS * math.sqrt(2) * standard_error(images)


@dataclass(frozen=True)
class PairedTest:
    """A paired t-test: mean and sample standard deviation of the differences, and the two-sided p."""

    mean: float
    deviation: float
    p: float


def paired_t_test(differences: Sequence[float]) -> PairedTest:
    """Test whether paired differences have mean 0. Needs at least two differences, in any unit."""
    mean, deviation = statistics.fmean(differences), statistics.stdev(differences)
    if deviation < ROUNDING:
        return PairedTest(mean, deviation, 0.0 if abs(mean) > ROUNDING else 1.0)
    from scipy import stats  # takes 0.5 s to import: only when there is something to test

    return PairedTest(mean, deviation, float(stats.ttest_1samp(differences, 0.0).pvalue))
