"""Which evaluations of a run a view looks at, where all of them would be too many."""

from collections.abc import Sequence

import numpy as np


def choose_moments(steps: Sequence[int], most: int) -> list[int]:
    """Choose at most so many of these ascending steps, evenly spread, with the first and the last."""
    places = np.linspace(0, len(steps) - 1, min(most, len(steps))).round().astype(int)
    return [steps[place] for place in places.tolist()]
