"""Shapes of a test curve (rising, flat, falling, at chance), and the rule that tells which one a run has."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MARGIN = 0.02  # of accuracy: four standard errors of 10,000 test images
ABOVE_CHANCE = 0.03  # of accuracy: the best of many evaluations lies a little above the expectation of one


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


def classify_curve(accuracies: Sequence[float], *, classes: int) -> ClassifiedCurve:
    """Name the shape of a test curve. Takes at least one accuracy, evenly spaced in steps.

    It stays at chance if it never comes ABOVE_CHANCE over one in `classes`; else it falls if it ends MARGIN or more
    below its best; else it rises if it ends MARGIN or more above its value halfway; else it is flat.
    """
    best, end, halfway = max(accuracies), accuracies[-1], accuracies[(len(accuracies) - 1) // 2]
    if best < 1 / classes + ABOVE_CHANCE:
        shape = Shape.CHANCE
    elif round(best - end, 9) >= MARGIN:
        shape = Shape.FALLS
    else:
        shape = Shape.RISES if round(end - halfway, 9) >= MARGIN else Shape.FLATTENS
    return ClassifiedCurve(shape, best, end, halfway, 1 / classes, MARGIN, ABOVE_CHANCE)
