"""Which hyperparameters differ between recipes, labels that name them, and whether a comparison is fair."""

from typing import Any

import pytest
from hypothesis import given

from mlpcore.analysis.comparison_wording import describe_differences
from mlpcore.analysis.differences import (
    classify_differences,
    find_differences,
    find_given_name,
    label_recipes,
    name_differences,
)
from mlpcore.recipes.flat import flatten, unflatten
from mlpcore.recipes.presets import COMPARISONS
from mlpcore.recipes.recipe import (
    SGD,
    Adam,
    AdamW,
    Change,
    ExponentialLR,
    MultiStepLR,
    NoScheduler,
    Recipe,
    RMSprop,
    StepLR,
)
from tests.support.recipes import recipes

LECTURE = "SGD, momentum, Nesterov, Adam"


def with_fields(**fields: Any) -> Recipe:
    return Recipe(**{"scheduler": NoScheduler()} | fields)


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
        assert find_differences([with_fields(optimizer=SGD(momentum=0.5)), with_fields(optimizer=Adam(lr=0.01))]) == {
            "optimizer": ["SGD", "Adam"],
            "momentum": [0.5, None],
            "weight_decay": [5e-4, 0.0],
            "nesterov": [True, None],
            "betas": [None, (0.9, 0.999)],
            "eps": [None, 1e-8],
            "amsgrad": [None, False],
        }

    def test_equal_recipes_differ_in_nothing(self) -> None:
        assert find_differences([Recipe(), Recipe()]) == {}
        assert find_differences([]) == {}


class TestLabels:
    @pytest.mark.parametrize(
        ("compared", "labels"),
        [
            ([SGD(lr=0.1), SGD(lr=0.01)], ["lr=0.1", "lr=0.01"]),
            ([Adam(lr=1e-4), Adam(lr=3e-5)], ["lr=1e-4", "lr=3e-5"]),
            (
                [SGD(momentum=0.0, nesterov=False), SGD(nesterov=False), SGD()],
                ["momentum=0", "momentum=0.9", "momentum=0.9 nesterov=on"],
            ),
            ([AdamW(weight_decay=0.0), AdamW(weight_decay=0.5)], ["weight_decay=0", "weight_decay=0.5"]),
            ([Adam(), Adam(betas=(0.5, 0.9))], ["betas=0.9,0.999", "betas=0.5,0.9"]),
            ([Adam(), AdamW(weight_decay=0.0)], ["Adam", "AdamW"]),
            ([SGD(lr=0.1, momentum=0.5), Adam(lr=0.2)], ["SGD lr=0.1 weight_decay=5e-4", "Adam lr=0.2 weight_decay=0"]),
            ([SGD(), SGD()], ["SGD (1)", "SGD (2)"]),
        ],
    )
    def test_optimizers_are_labelled_by_what_differs_and_only_that(self, compared: list, labels: list[str]) -> None:
        assert name_differences([with_fields(optimizer=optimizer) for optimizer in compared]) == labels

    def test_lectures_preset_reads_as_the_lecture_introduces_it(self) -> None:
        assert name_differences(COMPARISONS[LECTURE](Recipe())) == [
            "SGD lr=0.01",
            "SGD lr=0.01 momentum=0.9",
            "SGD lr=0.01 momentum=0.9 nesterov=on",
            "Adam lr=0.001",
        ]

    def test_schedules_are_labelled_by_their_kind_and_by_what_was_set(self) -> None:
        compared = [NoScheduler(), StepLR(gamma=0.5), StepLR(gamma=0.1), MultiStepLR(), ExponentialLR(gamma=0.99)]
        assert name_differences([with_fields(scheduler=scheduler) for scheduler in compared]) == [
            "scheduler=none",
            "StepLR gamma=0.5",
            "StepLR gamma=0.1",
            "MultiStepLR gamma=0.1",
            "ExponentialLR gamma=0.99",
        ]
        assert name_differences([with_fields(), with_fields(scheduler=StepLR())]) == ["scheduler=none", "StepLR"]

    def test_other_knobs_and_changes_are_labelled_too(self) -> None:
        changed = Recipe(changes=(Change(step=500, lr=0.003),))
        assert name_differences([Recipe(), changed]) == ["changes=none", "changes=500:0.003"]
        assert name_differences([Recipe(hidden_sizes=(64, 32)), Recipe()]) == [
            "hidden_sizes=64,32",
            "hidden_sizes=128,64",
        ]

    def test_label_that_would_be_long_is_cut(self) -> None:
        other = Recipe(optimizer=Adam(lr=0.5), batch_size=8, dropout=0.0, label_noise=0.5, activation="tanh")
        assert name_differences([Recipe(), other])[1] == "Adam lr=0.5 weight_decay=0 label_noise=0.5 activation=tanh …"

    @pytest.mark.parametrize("preset", COMPARISONS)
    def test_every_recipe_of_a_preset_has_a_label_of_its_own(self, preset: str) -> None:
        labels = name_differences(COMPARISONS[preset](Recipe()))
        assert len(set(labels)) == len(labels) >= 4
        assert not [label for label in labels if label.endswith(")") or "…" in label]


class TestGivenNames:
    @pytest.mark.parametrize(
        "name",
        [
            "SGD lr 0.01 momentum 0.9 nesterov on seed 2",
            "Adam lr 0.001",
            "SGD 5e-4",
            "scheduler none",
            "hidden_sizes 64 32",
            "um 0.9 weight_decay 0.0005 seed 0 Shapes",  # the last 40 characters of a longer one
            "lab more data seed 1",
        ],
    )
    def test_name_that_only_says_what_the_recipe_says_was_given_by_nobody(self, name: str) -> None:
        assert find_given_name(name, Recipe()) == ""

    @pytest.mark.parametrize(("name", "given"), [("my best", "my best"), ("fast Adam seed 2", "fast Adam")])
    def test_name_that_a_person_gave_is_theirs_without_the_seed(self, name: str, given: str) -> None:
        assert find_given_name(name, Recipe()) == given

    def test_given_names_stand_before_what_differs_and_twins_are_numbered(self) -> None:
        rates = [Recipe(optimizer=SGD(lr=lr)) for lr in (0.1, 0.2, 0.3)]
        assert label_recipes(rates, ["", "mine", ""]) == ["lr=0.1", "mine", "lr=0.3"]
        assert label_recipes(rates, ["mine", "mine", ""]) == ["mine (1)", "mine (2)", "lr=0.3"]


class TestCounting:
    @pytest.mark.parametrize(
        ("compared", "sentence"),
        [
            ([Recipe(), Recipe()], "Nothing differs."),
            ([Recipe(), Recipe(seed=1)], "Only the seed differs."),
            ([Recipe(), Recipe(batch_size=32)], "One thing differs: batch_size."),
            (
                [with_fields(optimizer=SGD()), with_fields(optimizer=Adam())],
                "One thing differs: optimizer, and with it the default of lr, weight_decay.",
            ),
            (
                [with_fields(optimizer=RMSprop()), with_fields(optimizer=Adam())],
                "One thing differs: optimizer.",
            ),
            (
                [Recipe(scheduler=StepLR()), Recipe(scheduler=MultiStepLR())],
                "One thing differs: scheduler, and with it the default of gamma.",
            ),
            (
                [with_fields(optimizer=SGD(lr=0.1)), with_fields(optimizer=Adam())],
                "2 things differ: optimizer, lr. A fair comparison is between rows that differ in one.",
            ),
            (
                [Recipe(), Recipe(batch_size=32, dropout=0.0)],
                "2 things differ: dropout, batch_size. A fair comparison is between rows that differ in one.",
            ),
            (
                [Recipe(), Recipe(batch_size=32), Recipe(batch_size=32, dropout=0.0)],
                "Each row differs from the one before in one thing: batch_size, dropout.",
            ),
        ],
    )
    def test_one_thing_or_several(self, compared: list[Recipe], sentence: str) -> None:
        assert str(describe_differences(classify_differences(compared))) == sentence

    def test_lectures_preset_changes_one_thing_a_row(self) -> None:
        sentence = (
            "Each row differs from the one before in one thing: momentum, nesterov, optimizer. "
            "The default of lr changes with optimizer."
        )
        assert str(describe_differences(classify_differences(COMPARISONS[LECTURE](Recipe())))) == sentence


def test_what_the_average_of_a_recipe_does_not_read_is_no_difference():
    forgetting = Recipe(average="EMA", ema_decay=0.9)
    assert find_differences([Recipe(ema_decay=0.5), Recipe(swa_start=0.9)]) == {}
    assert find_differences([forgetting, Recipe()]) == {"average": ["EMA", "none"], "ema_decay": [0.9, None]}
    assert name_differences([forgetting, Recipe()]) == ["average=EMA", "average=none"]
    assert name_differences([forgetting, Recipe(average="EMA")]) == ["ema_decay=0.9", "ema_decay=0.999"]
