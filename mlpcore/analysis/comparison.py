"""Comparison of runs: groups that differ only in the seed, their mean curves, and a paired test between two recipes."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlpcore.analysis.statistics import PairedTest, paired_t_test
from mlpcore.runs.records import Evaluation, Run

SIGNIFICANCE = 0.05  # the p below which two recipes differ significantly


def find_steps_to(evaluations: Sequence[Evaluation], accuracy: float) -> int | None:
    """Return the step of the first evaluation that reached a test accuracy, None if none did."""
    return next((evaluation.step for evaluation in evaluations if evaluation.test_acc >= accuracy), None)


def weight_norm(evaluation: Evaluation) -> float | None:
    """Return the Euclidean norm of all weight matrices together, None if it was not measured."""
    return math.hypot(*evaluation.weight_norms) if evaluation.weight_norms else None


def group_by_seed(runs: Sequence[Run]) -> list[list[Run]]:
    """Group runs whose recipes differ only in the seed, in the order in which they come.

    A second run of the same recipe and seed is not a second sample: it starts a new group.
    """
    groups: dict[object, list[Run]] = {}
    repeats: Counter[object] = Counter()
    for run in runs:
        key = repeats[run.recipe], run.recipe.model_copy(update={"seed": 0})
        repeats[run.recipe] += 1
        groups.setdefault(key, []).append(run)
    return list(groups.values())


@dataclass(frozen=True)
class MeanCurve:
    """Mean and sample standard deviation of a measure over runs, step by step."""

    steps: list[int]
    means: list[float]
    deviations: list[float]  # 0 with a single run


def average_curves(runs: Sequence[Run], measure: str) -> MeanCurve:
    """Average a measure over runs, at the steps that all of them have."""
    if not runs:
        return MeanCurve([], [], [])
    by_run = [{evaluation.step: getattr(evaluation, measure) for evaluation in run.evaluations} for run in runs]
    steps = sorted(set.intersection(*map(set, by_run)))
    values = np.array([[measured[step] for step in steps] for measured in by_run], float)
    with np.errstate(invalid="ignore"):  # a loss may be infinite
        # losses reach 1e308: neither their sum nor their squares may overflow
        means = (values / len(runs)).sum(axis=0)
        spreads = np.hypot.reduce(values - means, axis=0)
    return MeanCurve(steps, means.tolist(), (spreads / math.sqrt(max(len(runs) - 1, 1))).tolist())


@dataclass(frozen=True)
class RecipeComparison:
    """Test accuracy of one recipe minus that of another, in percentage points, over the seeds that both have."""

    differences: tuple[float, ...]
    test: PairedTest | None  # from two seeds on


def compare_recipes(first: Mapping[int, float], second: Mapping[int, float]) -> RecipeComparison:
    """Compare the second recipe with the first by a paired t-test. first, second: test accuracy by seed."""
    seeds = sorted(first.keys() & second.keys())
    differences = tuple(100 * (second[seed] - first[seed]) for seed in seeds)
    return RecipeComparison(differences, paired_t_test(differences) if len(seeds) > 1 else None)
