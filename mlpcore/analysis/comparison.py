"""Comparison of runs: groups that differ only in the seed, their mean curves, and paired tests against a reference."""

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mlpcore.analysis.statistics import adjust_holm, detectable_difference, paired_t_test
from mlpcore.runs.records import Evaluation, Run

SIGNIFICANCE = 0.05  # the p below which two recipes differ significantly
MIN_SEEDS = 3  # with two, a t-test has one degree of freedom
MIN_VALIDATION = 500  # held-out images; fewer have a standard error of more than 2 percentage points


def is_validated(run: Run) -> bool:
    """Return whether a run holds out enough images to choose its best step by them."""
    return run.recipe.validation_size >= MIN_VALIDATION


def select_evaluation(run: Run) -> Evaluation | None:
    """Return the evaluation to rank a run by: at the step that the held-out images choose, else the latest.

    The test images have no part in the choice.
    """
    return run.chosen if is_validated(run) else run.latest


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


class ComparisonVerdict(StrEnum):
    """Whether two recipes differ, as far as their seeds tell."""

    NO_PAIRS = "no seed has finished with both"
    TOO_FEW_SEEDS = "too few seeds"
    NO_SPREAD = "the same difference with each seed"
    SIGNIFICANT = "significant"
    NOT_SIGNIFICANT = "not significant"


@dataclass(frozen=True)
class RecipeComparison:
    """Test accuracy of a recipe minus that of the reference, in percentage points, over the seeds that both have.

    p: of a paired t-test, adjusted by Holm's method for all `tests` that were made together; None without a test.
    deviation: sample standard deviation of the differences, 0 with one seed.
    """

    verdict: ComparisonVerdict
    seeds: int = 0
    mean: float = 0.0
    deviation: float = 0.0
    p: float | None = None
    tests: int = 0


def compare_recipes(reference: Mapping[int, float], others: Sequence[Mapping[int, float]]) -> list[RecipeComparison]:
    """Compare recipes with a reference by paired t-tests over the seeds, with Holm's correction over all of them.

    reference, others: test accuracy (0 to 1) by seed. With fewer than MIN_SEEDS seeds there is no test.
    """
    paired = [
        [100 * (other[seed] - reference[seed]) for seed in sorted(reference.keys() & other.keys())] for other in others
    ]
    tests = {
        place: paired_t_test(differences) for place, differences in enumerate(paired) if len(differences) >= MIN_SEEDS
    }
    adjusted = dict(zip(tests, adjust_holm(list(tests.values())), strict=True))
    compared = []
    for place, differences in enumerate(paired):
        seeds, test, p = len(differences), tests.get(place), adjusted.get(place)
        if not seeds:
            compared.append(RecipeComparison(ComparisonVerdict.NO_PAIRS))
        elif test is None:
            mean = statistics.fmean(differences)
            compared.append(RecipeComparison(ComparisonVerdict.TOO_FEW_SEEDS, seeds, mean))
        elif p is None:
            compared.append(RecipeComparison(ComparisonVerdict.NO_SPREAD, seeds, test.mean))
        else:
            is_significant = p < SIGNIFICANCE
            verdict = ComparisonVerdict.SIGNIFICANT if is_significant else ComparisonVerdict.NOT_SIGNIFICANT
            compared.append(RecipeComparison(verdict, seeds, test.mean, test.deviation, p, len(tests)))
    return compared


@dataclass(frozen=True)
class BestRecipe:
    """The recipe with the highest accuracy, and those that the sampling error of the images does not set apart from it.

    accuracy, margin: 0 to 1.
    """

    place: int
    accuracy: float
    near: tuple[int, ...]
    margin: float
    images: int


def find_best(accuracies: Sequence[float | None], *, images: int) -> BestRecipe | None:
    """Find the recipe with the highest accuracy; None if fewer than two have one: there is nothing to rank.

    images: how many the accuracies were measured on. This ranks, it is no verdict: another seed may rank otherwise.
    """
    known = {place: accuracy for place, accuracy in enumerate(accuracies) if accuracy is not None}
    if len(known) < 2:
        return None
    place = max(known, key=known.__getitem__)
    margin = detectable_difference(images)
    near = tuple(other for other, accuracy in known.items() if other != place and known[place] - accuracy < margin)
    return BestRecipe(place, known[place], near, margin, images)
