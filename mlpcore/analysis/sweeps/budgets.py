"""Equal budgets: how soon each recipe reaches a target when all may tune the same number of trials.

A workload is a data set with a target accuracy. A recipe tunes on it in several studies; each study is a few trials
drawn from the same space. A study counts by its fastest trial, a recipe by the median of its studies.
"""

import math
import statistics
from collections.abc import Mapping, Sequence

MISSED = math.inf  # the steps of a trial, a study or a recipe that did not reach the target


def score_study(steps: Sequence[float | None]) -> float:
    """Return the steps of a study's fastest trial; MISSED if none reached the target.

    steps: of each trial, None if it did not reach the target.
    """
    return min((one for one in steps if one is not None), default=MISSED)


def score_recipe(studies: Sequence[Sequence[float | None]]) -> float:
    """Return the median over the studies of a recipe on one workload; of an even number, the mean of the middle two."""
    return statistics.median([score_study(steps) for steps in studies])


def draw_profile(scores: Mapping[str, Mapping[str, float]]) -> dict[str, list[tuple[float, float]]]:
    """Return each recipe's performance profile: the share of workloads that it solved within a factor of the fastest.

    Args:
        scores: Steps by workload, for each recipe.

    Returns:
        Points (factor, share) by recipe, with factors ascending from 1; the share holds from its factor on.
    """
    workloads = dict.fromkeys(workload for own in scores.values() for workload in own)
    fastest = {workload: min(own[workload] for own in scores.values() if workload in own) for workload in workloads}
    profiles = {}
    for recipe, own in scores.items():
        factors = sorted(
            own[workload] / fastest[workload] for workload in workloads if own.get(workload, MISSED) < MISSED
        )
        points = [(1.0, 0.0)] if not factors or factors[0] > 1 else []
        for place, factor in enumerate(factors, start=1):
            if points and points[-1][0] == factor:
                points.pop()
            points.append((factor, place / len(workloads)))
        profiles[recipe] = points
    return profiles
