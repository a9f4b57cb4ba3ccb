"""The edges of a search: whether the best value of a hyperparameter lies where the search could not look beyond."""

import math
from dataclasses import dataclass
from enum import StrEnum

# Of a range at each end: what lies within it lies at the edge. Trials are noisy, so even where accuracy rises to the
# very end the best seldom lies there; a tenth of four decades is nearly a step of the grid of learning rates.
EDGE_SHARE = 0.1


class Edge(StrEnum):
    """The end of what was tried that a best value lies at."""

    LOW = "lowest"
    HIGH = "highest"


@dataclass(frozen=True)
class EdgeBest:
    """A best trial at an edge.

    Attributes:
        name: The hyperparameter.
        value: What the best trial has.
        low: The least value that could be tried.
        high: The greatest.
        edge: Which of them it lies at.
        optimizer: The optimizer of which it is the best trial; empty where all trials have the same.
    """

    name: str
    value: float
    low: float
    high: float
    edge: Edge
    optimizer: str = ""


def find_edge(value: float, low: float, high: float, *, is_log: bool = False, share: float = EDGE_SHARE) -> Edge | None:
    """Return the end of a range that a value lies at, None if it lies at neither.

    Args:
        is_log: Whether the range is logarithmic: equal ratios are then equally long.
        share: How much of the range (0 to 1) counts as its end; with 0, only the end itself.
    """
    value, low, high = (math.log(number) if is_log else number for number in (value, low, high))
    place = (value - low) / (high - low)
    return Edge.LOW if place <= share else Edge.HIGH if place >= 1 - share else None
