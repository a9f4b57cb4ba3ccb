"""How far an accuracy may be off because there are only so many test images: the one place of that arithmetic."""

import math

from mlpcore.data.catalog import TEST_IMAGES

SURE = 2.0  # standard errors, from which on a difference is called one


def standard_error(images: int = TEST_IMAGES) -> float:
    """The standard error of an accuracy, between 0 and 1, measured on test images: that near a half, the largest."""
    return 0.5 / math.sqrt(max(images, 1))


def telling_difference(images: int = TEST_IMAGES) -> float:
    """The difference of two accuracies from which on it is more than the noise of the test images.

    SURE standard errors of a difference of two accuracies, taken as independent. Runs that are tested on the same
    images vary less, so this errs on the side of caution; that another seed gives another run is not in it.
    """
    return SURE * math.sqrt(2) * standard_error(images)
