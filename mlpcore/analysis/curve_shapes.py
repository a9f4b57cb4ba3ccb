"""Shapes of a test curve (rising, flat, falling, at chance), and the rule that tells which one a run has."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mlpcore.analysis.statistics import detectable_difference

MARGIN = 0.02  # of accuracy at least; smaller changes do not make a shape
ABOVE_CHANCE = 0.03  # of accuracy at least: the best of many evaluations lies a little above the expectation of one
BEST_OF_MANY = 4.0  # standard errors above chance; the best of 30 evaluations of guessing is seldom higher
MOST_OF_THE_WAY = 0.75  # from chance to 1: however few the test images, a higher accuracy is not chance


class Shape(StrEnum):
    """What test accuracy does over a run."""

    RISES = "rises"
    FLATTENS = "flattens"
    FALLS = "falls"
    CHANCE = "chance"


@dataclass(frozen=True)
class ClassifiedCurve:
    """The shape of a test curve and the accuracies (0 to 1) that decide it."""

    shape: Shape
    best: float
    end: float
    halfway: float
    chance: float
    margin: float  # between accuracies
    above_chance: float


def classify_curve(accuracies: Sequence[float], *, classes: int, test_images: int) -> ClassifiedCurve:
    """Name the shape of a test curve. Takes at least one accuracy, evenly spaced in steps.

    It stays at chance if it never comes ABOVE_CHANCE over one in `classes`; else it falls if it ends MARGIN or more
    below its best; else it rises if it ends MARGIN or more above its value halfway; else it is flat. Both are larger if
    the sampling error of the test images is.
    """
    chance = 1 / classes
    margin = max(MARGIN, detectable_difference(test_images))
    error = math.sqrt(chance * (1 - chance) / max(test_images, 1))
    above_chance = min(max(ABOVE_CHANCE, BEST_OF_MANY * error), MOST_OF_THE_WAY * (1 - chance))
    best, end, halfway = max(accuracies), accuracies[-1], accuracies[(len(accuracies) - 1) // 2]
    if best < chance + above_chance:
        shape = Shape.CHANCE
    elif round(best - end, 9) >= margin:
        shape = Shape.FALLS
    else:
        shape = Shape.RISES if round(end - halfway, 9) >= margin else Shape.FLATTENS
    return ClassifiedCurve(shape, best, end, halfway, chance, margin, above_chance)
