"""Predict first: the shapes that a test curve can take, and which one it took, by a rule that can be said."""

from collections.abc import Sequence
from enum import StrEnum

from mlpcore.messages import Sentence

MARGIN = 0.02  # of accuracy: four standard errors of 10,000 test images
ABOVE_CHANCE = 0.03  # a best of many points lies a little above what is expected of one


class Shape(StrEnum):
    """What test accuracy does over a run."""

    RISES = "rises"
    FLATTENS = "flattens"
    FALLS = "falls"
    CHANCE = "chance"


def find_shape(accuracies: Sequence[float], *, classes: int) -> tuple[Shape, Sentence]:
    """Name the shape of a test curve, and the reason in numbers. Takes at least one accuracy, evenly spaced in steps.

    At chance where it never comes ABOVE_CHANCE over one in `classes`; else falling where it ends MARGIN or more below
    its best; else rising where it ends MARGIN or more above its value half way; else flat.
    """
    best, end, half = max(accuracies), accuracies[-1], accuracies[(len(accuracies) - 1) // 2]
    values = {"best": best, "end": end, "half": half, "chance": 1 / classes}
    if best < 1 / classes + ABOVE_CHANCE:
        return Shape.CHANCE, Sentence("Its best, {best:.1%}, is less than 3 points above chance, {chance:.1%}.", values)
    if round(best - end, 9) >= MARGIN:
        return Shape.FALLS, Sentence("It ends at {end:.1%}, 2 points or more below its best, {best:.1%}.", values)
    if round(end - half, 9) >= MARGIN:
        return Shape.RISES, Sentence(
            "It ends at {end:.1%}, 2 points or more above where it was half way, {half:.1%}.", values
        )
    return Shape.FLATTENS, Sentence("It was at {half:.1%} half way and ends at {end:.1%}, within 2 points.", values)
