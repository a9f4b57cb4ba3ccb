"""What differs between recipes, in words, and whether their results do."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from scipy import stats

from mlpcore.analysis.comparison import (
    average,
    count_changed,
    find_differences,
    find_steps_to,
    group_by_seed,
    judge,
    name_differences,
    size_of_weights,
)
from mlpcore.recipes.flat import flatten, unflatten
from mlpcore.recipes.presets import PRESETS
from mlpcore.recipes.recipe import (
    SGD,
    Adam,
    AdamW,
    Change,
    Constant,
    ExponentialLR,
    MultiStepLR,
    Recipe,
    RMSprop,
    StepLR,
)
from mlpcore.runs.records import Evaluation, Run, RunStatus
from tests.support.recipes import recipes

LECTURE = "SGD, momentum, Nesterov, Adam"


def evaluation(step: int, *, test_acc: float = 0.5, **values: object) -> Evaluation:
    return replace(Evaluation(step, 2.0, 1.9, 0.4, 2.1, test_acc, 0.01, step / 100), **values)


def run(run_id: str, recipe: Recipe | None = None, *evaluations: Evaluation) -> Run:
    return Run(run_id, run_id, recipe or Recipe(), RunStatus.FINISHED, 0.0, evaluations=evaluations)


def with_knobs(**knobs: object) -> Recipe:
    return Recipe(**{"scheduler": Constant()} | knobs)


class TestFlat:
    @given(recipes())
    def test_recipe_comes_back_from_its_knobs_side_by_side(self, recipe: Recipe) -> None:
        assert unflatten(flatten(recipe)) == recipe

    def test_knobs_that_the_new_optimizer_lacks_are_left_out(self) -> None:
        assert unflatten(flatten(Recipe(optimizer=SGD(lr=0.02))) | {"optimizer": "Adam"}).optimizer == Adam(
            lr=0.02, weight_decay=5e-4
        )

    def test_none_stands_for_the_default(self) -> None:
        assert unflatten({"optimizer": "SGD", "lr": None, "batch_size": None}) == Recipe()

    def test_unknown_optimizer_is_refused(self) -> None:
        with pytest.raises(ValueError, match="Lion"):
            unflatten({"optimizer": "Lion"})


class TestDifferences:
    def test_only_what_differs_is_named_with_none_where_there_is_no_such_knob(self) -> None:
        assert find_differences([with_knobs(optimizer=SGD(momentum=0.5)), with_knobs(optimizer=Adam(lr=0.01))]) == {
            "optimizer": ["SGD", "Adam"],
            "momentum": [0.5, None],
            "weight_decay": [5e-4, 0.0],
            "nesterov": [True, None],
            "betas": [None, (0.9, 0.999)],
            "eps": [None, 1e-8],
        }

    def test_equal_recipes_differ_in_nothing(self) -> None:
        assert find_differences([Recipe(), Recipe()]) == {}
        assert find_differences([]) == {}


class TestLabels:
    @pytest.mark.parametrize(
        ("compared", "labels"),
        [
            ([SGD(lr=0.1), SGD(lr=0.01)], ["lr=0.1", "lr=0.01"]),
            ([Adam(lr=1e-4), Adam(lr=3e-5)], ["lr=0.0001", "lr=3e-5"]),
            (
                [SGD(momentum=0.0, nesterov=False), SGD(nesterov=False), SGD()],
                ["momentum=0", "momentum=0.9", "momentum=0.9 nesterov=on"],
            ),
            ([AdamW(weight_decay=0.0), AdamW(weight_decay=0.5)], ["weight_decay=0", "weight_decay=0.5"]),
            ([Adam(), Adam(betas=(0.5, 0.9))], ["betas=0.9,0.999", "betas=0.5,0.9"]),
            ([Adam(), AdamW(weight_decay=0.0)], ["Adam", "AdamW"]),
            ([SGD(), SGD()], ["SGD (1)", "SGD (2)"]),
        ],
    )
    def test_optimizers_are_labelled_by_what_differs_and_only_that(self, compared: list, labels: list[str]) -> None:
        assert name_differences([with_knobs(optimizer=optimizer) for optimizer in compared]) == labels

    def test_lectures_preset_reads_as_the_lecture_introduces_it(self) -> None:
        assert name_differences(PRESETS[LECTURE](Recipe())) == [
            "SGD lr=0.01",
            "SGD lr=0.01 momentum=0.9",
            "SGD lr=0.01 momentum=0.9 nesterov=on",
            "Adam lr=0.001",
        ]

    def test_schedules_are_labelled_by_their_kind_and_by_what_was_set(self) -> None:
        compared = [Constant(), StepLR(gamma=0.5), StepLR(gamma=0.1), MultiStepLR(), ExponentialLR(gamma=0.99)]
        assert name_differences([with_knobs(scheduler=scheduler) for scheduler in compared]) == [
            "scheduler=none",
            "StepLR gamma=0.5",
            "StepLR gamma=0.1",
            "MultiStepLR gamma=0.1",
            "ExponentialLR gamma=0.99",
        ]
        assert name_differences([with_knobs(), with_knobs(scheduler=StepLR())]) == ["scheduler=none", "StepLR"]

    def test_other_knobs_and_changes_are_labelled_too(self) -> None:
        changed = Recipe(changes=(Change(step=500, lr=0.003),))
        assert name_differences([Recipe(), changed]) == ["changes=", "changes=500:0.003"]
        assert name_differences([Recipe(hidden_sizes=(64, 32)), Recipe()]) == [
            "hidden_sizes=64,32",
            "hidden_sizes=128,64",
        ]

    def test_label_that_would_be_long_is_cut(self) -> None:
        other = Recipe(optimizer=Adam(lr=0.5), batch_size=8, dropout=0.0, label_noise=0.5, activation="tanh")
        assert name_differences([Recipe(), other])[1] == "Adam lr=0.5 weight_decay=0 label_noise=0.5 activation=tanh …"

    @pytest.mark.parametrize("preset", PRESETS)
    def test_every_recipe_of_a_preset_has_a_label_of_its_own(self, preset: str) -> None:
        labels = name_differences(PRESETS[preset](Recipe()))
        assert len(set(labels)) == len(labels) >= 4
        assert not [label for label in labels if label.endswith(")") or "…" in label]


class TestCounting:
    @pytest.mark.parametrize(
        ("compared", "sentence"),
        [
            ([Recipe(), Recipe()], "Nothing differs."),
            ([Recipe(), Recipe(seed=1)], "Nothing differs but the seed."),
            ([Recipe(), Recipe(batch_size=32)], "One thing differs: batch_size."),
            (
                [with_knobs(optimizer=SGD()), with_knobs(optimizer=Adam())],
                "One thing differs: optimizer, and with it the default of lr, weight_decay.",
            ),
            (
                [with_knobs(optimizer=RMSprop()), with_knobs(optimizer=Adam())],
                "One thing differs: optimizer.",
            ),
            (
                [Recipe(scheduler=StepLR()), Recipe(scheduler=MultiStepLR())],
                "One thing differs: scheduler, and with it the default of gamma.",
            ),
            (
                [with_knobs(optimizer=SGD(lr=0.1)), with_knobs(optimizer=Adam())],
                "2 things differ: optimizer, lr. Only two rows that differ in one of them make a fair pair.",
            ),
            (
                [Recipe(), Recipe(batch_size=32, dropout=0.0)],
                "2 things differ: dropout, batch_size. Only two rows that differ in one of them make a fair pair.",
            ),
            (
                [Recipe(), Recipe(batch_size=32), Recipe(batch_size=32, dropout=0.0)],
                "Each row differs from the one before in one thing: batch_size, dropout.",
            ),
        ],
    )
    def test_one_thing_or_several(self, compared: list[Recipe], sentence: str) -> None:
        assert str(count_changed(compared)) == sentence

    def test_lectures_preset_changes_one_thing_a_row(self) -> None:
        sentence = (
            "Each row differs from the one before in one thing: momentum, nesterov, optimizer; "
            "the default of lr changes with optimizer."
        )
        assert str(count_changed(PRESETS[LECTURE](Recipe()))) == sentence


class TestFigures:
    def test_steps_to_an_accuracy_are_those_of_the_first_point_that_reached_it(self) -> None:
        points = [evaluation(100, test_acc=0.3), evaluation(200, test_acc=0.45), evaluation(300, test_acc=0.4)]
        assert find_steps_to(points, 0.45) == 200
        assert find_steps_to(points, 0.46) is None
        assert find_steps_to([], 0.1) is None

    def test_size_of_the_weights_is_the_norm_of_all_layers_together(self) -> None:
        assert size_of_weights(evaluation(1, weight_norms=(3.0, 4.0))) == 5.0
        assert size_of_weights(evaluation(1)) is None

    def test_runs_that_differ_in_their_seed_are_one_group(self) -> None:
        runs = [run(f"{lr}/{seed}", Recipe(optimizer=SGD(lr=lr), seed=seed)) for lr in (0.1, 0.2) for seed in (0, 1)]
        assert [[one.id for one in group] for group in group_by_seed(runs).values()] == [
            ["0.1/0", "0.1/1"],
            ["0.2/0", "0.2/1"],
        ]

    def test_second_run_of_one_recipe_and_seed_is_no_second_sample(self) -> None:
        runs = [run("a"), run("b", Recipe(seed=1)), run("again"), run("again b", Recipe(seed=1))]
        assert [[one.id for one in group] for group in group_by_seed(runs).values()] == [
            ["a", "b"],
            ["again", "again b"],
        ]

    def test_band_is_mean_and_deviation_at_the_steps_that_all_have(self) -> None:
        short = run("a", None, evaluation(10, test_acc=0.2))
        long = run("b", None, evaluation(10, test_acc=0.4), evaluation(20, test_acc=0.5))
        band = average([short, long], "test_acc")
        assert (band.steps, band.means) == ([10], [pytest.approx(0.3)])
        assert band.deviations == [pytest.approx(0.1 * math.sqrt(2))]
        assert average([long], "test_acc").deviations == [0.0, 0.0]
        assert average([], "test_acc").steps == []

    def test_losses_at_the_edge_of_what_numbers_hold_are_averaged(self) -> None:
        runs = [run(name, None, evaluation(10, train_loss=1.6e308)) for name in ("a", "b")]
        assert average(runs, "train_loss").means == [1.6e308]
        assert average([runs[0], run("c", None, evaluation(10))], "train_loss").means == [pytest.approx(0.8e308)]


class TestVerdict:
    NAMES = ("SGD", "Adam")

    def test_small_difference_is_not_distinguishable(self) -> None:
        first, second = {0: 0.50, 1: 0.51, 2: 0.52}, {0: 0.515, 1: 0.515, 2: 0.541}
        p = stats.ttest_1samp([1.5, 0.5, 2.1], 0).pvalue  # a paired test is one of the differences
        assert f"{p:.2g}" == "0.099"
        assert str(judge(first, second, names=self.NAMES)) == (
            "Adam over SGD: +1.4 ± 0.8 points, 3 seeds: not distinguishable (p = 0.099)."
        )

    def test_steady_difference_is_one(self) -> None:
        first, second = {0: 0.50, 1: 0.51, 2: 0.52}, {0: 0.48, 1: 0.488, 2: 0.501}
        p = stats.ttest_1samp([-2.0, -2.2, -1.9], 0).pvalue
        assert str(judge(first, second, names=self.NAMES)) == (
            f"Adam over SGD: -2.0 ± 0.2 points, 3 seeds: a difference (p = {p:.2g})."
        )

    def test_one_seed_gets_no_judgement(self) -> None:
        assert str(judge({0: 0.5}, {0: 0.6}, names=self.NAMES)) == "Adam over SGD: +10.0 points, one seed."

    def test_only_seeds_that_both_have_are_paired(self) -> None:
        sentence = judge({0: 0.5, 1: 0.9}, {0: 0.6, 2: 0.1}, names=self.NAMES)
        assert str(sentence) == "Adam over SGD: +10.0 points, one seed."
        assert str(judge({0: 0.5}, {1: 0.5}, names=self.NAMES)) == "Adam over SGD: no seed is finished in both."

    def test_the_same_difference_in_each_seed_needs_no_test(self) -> None:
        first, second = {0: 0.1, 1: 0.2, 2: 0.3}, {0: 0.2, 1: 0.3, 2: 0.4}  # equal but for rounding
        assert str(judge(first, second, names=self.NAMES)) == "Adam over SGD: +10.0 points in each of 3 seeds."
        assert str(judge(first, first, names=self.NAMES)) == "Adam over SGD: +0.0 points in each of 3 seeds."
