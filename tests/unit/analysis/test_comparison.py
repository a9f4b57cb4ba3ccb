"""Whether the results of recipes differ: groups of seeds, mean curves and the paired test."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mlpcore.analysis.comparison import (
    ComparisonVerdict,
    average_curves,
    compare_recipes,
    find_best,
    find_steps_to,
    group_by_seed,
    is_validated,
    select_evaluation,
    weight_norm,
)
from mlpcore.analysis.comparison_wording import describe_best, describe_comparison
from mlpcore.recipes.recipe import SGD, Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from tests.support.present import present


def evaluation(step: int, *, test_acc: float = 0.5, **values: Any) -> Evaluation:
    return replace(Evaluation(step, 2.0, 1.9, 0.4, 2.1, test_acc, 0.01, step / 100), **values)


def run(run_id: str, recipe: Recipe | None = None, *evaluations: Evaluation) -> Run:
    return Run(run_id, run_id, recipe or Recipe(), RunStatus.FINISHED, 0.0, evaluations=evaluations)


class TestSelection:
    HISTORY = (evaluation(10, val_acc=0.2), evaluation(20, val_acc=0.5), evaluation(30, val_acc=0.4))

    @pytest.mark.parametrize(("held_out", "step"), [(0, 30), (499, 30), (500, 20), (5_000, 20)])
    def test_held_out_images_choose_the_step_if_there_are_500_of_them(self, held_out: int, step: int) -> None:
        one = run("a", Recipe(validation_size=held_out), *self.HISTORY)
        assert present(select_evaluation(one)).step == step
        assert is_validated(one) == (step == 20)

    def test_test_images_have_no_part_in_the_choice(self) -> None:
        first = run("a", Recipe(validation_size=500), *self.HISTORY)
        history = [replace(one, test_acc=one.step / 100) for one in self.HISTORY]
        second = run("b", Recipe(validation_size=500), *history)
        assert present(select_evaluation(second)).step == present(select_evaluation(first)).step


class TestFigures:
    def test_steps_to_an_accuracy_are_those_of_the_first_evaluation_that_reached_it(self) -> None:
        points = [evaluation(100, test_acc=0.3), evaluation(200, test_acc=0.45), evaluation(300, test_acc=0.4)]
        assert find_steps_to(points, 0.45) == 200
        assert find_steps_to(points, 0.46) is None
        assert find_steps_to([], 0.1) is None

    def test_size_of_the_weights_is_the_norm_of_all_layers_together(self) -> None:
        assert weight_norm(evaluation(1, weight_norms=(3.0, 4.0))) == 5.0
        assert weight_norm(evaluation(1)) is None

    def test_runs_that_differ_in_their_seed_are_one_group(self) -> None:
        runs = [run(f"{lr}/{seed}", Recipe(optimizer=SGD(lr=lr), seed=seed)) for lr in (0.1, 0.2) for seed in (0, 1)]
        assert [[one.id for one in group] for group in group_by_seed(runs)] == [
            ["0.1/0", "0.1/1"],
            ["0.2/0", "0.2/1"],
        ]

    def test_second_run_of_one_recipe_and_seed_is_no_second_sample(self) -> None:
        runs = [run("a"), run("b", Recipe(seed=1)), run("again"), run("again b", Recipe(seed=1))]
        assert [[one.id for one in group] for group in group_by_seed(runs)] == [
            ["a", "b"],
            ["again", "again b"],
        ]

    def test_band_is_mean_and_deviation_at_the_steps_that_all_have(self) -> None:
        short = run("a", None, evaluation(10, test_acc=0.2))
        long = run("b", None, evaluation(10, test_acc=0.4), evaluation(20, test_acc=0.5))
        band = average_curves([short, long], "test_acc")
        assert (band.steps, band.means) == ([10], [pytest.approx(0.3)])
        assert band.deviations == [pytest.approx(0.1 * math.sqrt(2))]
        assert average_curves([long], "test_acc").deviations == [0.0, 0.0]
        assert average_curves([], "test_acc").steps == []

    def test_losses_at_the_edge_of_what_numbers_hold_are_averaged(self) -> None:
        runs = [run(name, None, evaluation(10, train_loss=1.6e308)) for name in ("a", "b")]
        assert average_curves(runs, "train_loss").means == [1.6e308]
        assert average_curves([runs[0], run("c", None, evaluation(10))], "train_loss").means == [pytest.approx(0.8e308)]


class TestBest:
    LABELS = ("SGD", "Adam", "AdamW", "RMSprop")

    def said(self, *accuracies: float | None, images: int = 10_000, is_over: bool = True) -> list[str]:
        best = present(find_best(accuracies, images=images))
        return [str(one) for one in describe_best(best, self.LABELS, validated=False, is_over=is_over)]

    def test_highest_accuracy_is_named_with_those_that_the_test_images_do_not_set_apart_from_it(self) -> None:
        # two accuracies on 10,000 images differ by chance by up to 2 * sqrt(2) * 0.5 / 100 = 1.4 percentage points
        assert self.said(0.40, 0.42, 0.407, None) == [
            "Best: Adam, 42.0% on 10,000 test examples, at the last step.",
            "AdamW is within the sampling error of 10,000 examples (1.4 pp) of it.",
        ]
        assert self.said(0.40, 0.42) == ["Best: Adam, 42.0% on 10,000 test examples, at the last step."]

    def test_margin_grows_as_images_become_fewer(self) -> None:
        assert self.said(0.40, 0.42, 0.41, images=500, is_over=False) == [
            "Best so far: Adam, 42.0% on 500 test examples.",
            "2 rows are within the sampling error of 500 examples (6.3 pp) of it.",
        ]

    def test_held_out_images_that_rank_are_named(self) -> None:
        best = present(find_best([0.5, 0.6], images=5_000))
        (said,) = describe_best(best, self.LABELS, validated=True, is_over=True)
        assert str(said) == "Best: Adam, 60.0% on 5,000 held-out examples."

    @pytest.mark.parametrize("accuracies", [[], [0.5], [None, 0.5], [None, None]])
    def test_one_recipe_alone_is_not_the_best_of_anything(self, accuracies: list[float | None]) -> None:
        assert find_best(accuracies, images=10_000) is None


class TestVerdict:
    def said(self, first: dict[int, float], second: dict[int, float]) -> str:
        (compared,) = compare_recipes(first, [second])
        return str(describe_comparison(compared, reference="SGD", other="Adam"))

    def test_small_difference_is_not_distinguishable(self) -> None:
        first, second = {0: 0.50, 1: 0.51, 2: 0.52}, {0: 0.515, 1: 0.515, 2: 0.541}
        p = stats.ttest_1samp([1.5, 0.5, 2.1], 0).pvalue  # a paired test is one of the differences
        assert f"{p:.2g}" == "0.099"
        assert self.said(first, second) == (
            "Adam minus SGD: +1.4 ± 0.8 percentage points over 3 seeds. The difference is not significant (p = 0.099)."
        )

    def test_steady_difference_is_one(self) -> None:
        first, second = {0: 0.50, 1: 0.51, 2: 0.52}, {0: 0.48, 1: 0.488, 2: 0.501}
        p = stats.ttest_1samp([-2.0, -2.2, -1.9], 0).pvalue
        assert self.said(first, second) == (
            f"Adam minus SGD: -2.0 ± 0.2 percentage points over 3 seeds. The difference is significant (p = {p:.2g})."
        )

    @pytest.mark.parametrize(("seeds", "said"), [(1, "(seeds: 1)"), (2, "(seeds: 2)")])
    def test_fewer_than_three_seeds_get_their_difference_and_what_would_decide_it(self, seeds: int, said: str) -> None:
        first, second = {0: 0.5, 1: 0.5}, {0: 0.6, 1: 0.6004}
        (compared,) = compare_recipes(first, [dict(list(second.items())[:seeds])])
        assert (compared.verdict, compared.p) == (ComparisonVerdict.TOO_FEW_SEEDS, None)
        sentence = str(describe_comparison(compared, reference="SGD", other="Adam"))
        assert sentence == (
            f"Adam minus SGD: +10.0 percentage points {said}. No verdict yet: with 3 seeds or more, a paired "
            "t-test can decide."
        )

    def test_only_seeds_that_both_have_are_paired(self) -> None:
        (compared,) = compare_recipes({0: 0.5, 1: 0.9}, [{0: 0.6, 2: 0.1}])
        assert (compared.seeds, compared.mean) == (1, pytest.approx(10.0))
        assert self.said({0: 0.5}, {1: 0.5}) == "Adam minus SGD: no seed has finished with both."

    @pytest.mark.parametrize("gain", [0.1, 0.0])
    def test_the_same_difference_but_for_rounding_with_each_seed_has_no_p_and_no_verdict(self, gain: float) -> None:
        first = {0: 0.1, 1: 0.2, 2: 0.3}
        (compared,) = compare_recipes(first, [{seed: value + gain for seed, value in first.items()}])
        assert (compared.verdict, compared.p) == (ComparisonVerdict.NO_SPREAD, None)
        assert str(describe_comparison(compared, reference="SGD", other="Adam")) == (
            f"Adam minus SGD: {100 * gain:+.1f} percentage points with each of 3 seeds. No verdict: a t-test needs "
            "differences that vary. More seeds or more test examples can decide."
        )

    def test_comparisons_that_are_shown_together_are_corrected_together(self) -> None:
        first = {0: 0.50, 1: 0.51, 2: 0.52}
        second = {0: 0.48, 1: 0.482, 2: 0.505}
        (alone,) = compare_recipes(first, [second])
        others = [second, {0: 0.51, 1: 0.50, 2: 0.53}, {0: 0.49, 1: 0.52, 2: 0.52}, {0: 0.6}]
        together = compare_recipes(first, others)
        assert alone.verdict is ComparisonVerdict.SIGNIFICANT
        assert together[0].verdict is ComparisonVerdict.NOT_SIGNIFICANT
        assert together[0].p == pytest.approx(3 * present(alone.p))  # the fourth has too few seeds for a test
        assert "with Holm's correction for 3 comparisons" in str(
            describe_comparison(together[0], reference="SGD", other="Adam")
        )

    def test_of_fifteen_equal_recipes_hardly_any_is_called_different(self) -> None:
        rng = np.random.default_rng(0)
        wrong = 0
        for _ in range(300):
            draws = [dict(enumerate(rng.normal(0.5, 0.01, 5))) for _ in range(16)]
            compared = compare_recipes(draws[0], draws[1:])
            wrong += any(one.verdict is ComparisonVerdict.SIGNIFICANT for one in compared)
        assert wrong < 0.06 * 300  # without a correction: every third or so
