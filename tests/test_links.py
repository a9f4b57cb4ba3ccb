"""A link carries a recipe whole, and no link, whatever is in it, breaks a page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipes import recipes

from mlpcore.links import LISTS, from_query, to_query
from mlpcore.recipe import SGD, Adam, Change, MultiStepLR, OneCycleLR, Recipe, StepLR

KEYS = st.sampled_from(
    [
        *LISTS,
        "dataset",
        "optimizer",
        "scheduler",
        "lr",
        "changes",
        "gamma",
        "name",
        "train_iter",
        "eval_every",
        "momentum",
        "nesterov",
        "seed",
        "T_max",
        "pct_start",
        "warmup_iters",
        "device",
    ]
)
VALUES = st.sampled_from(
    [
        *["", "nan", "NaN", "Infinity", "-1", "0", "1", "2", "1e999", "true", "null", "3", '"3"', "[]", "[[1]]", "{}"],
        *["1,", "5,5", "0.9,0.99", "SGD", "Adam", "OneCycleLR", "StepLR", "none", "\ud800", "../.."],
        *["9" * 4000, "9" * 5000, "[" * 100_000, "[" * 900 + "]" * 900],
        *['[{"step":1}]', '[{"step":1,"lr":99}]', '[{"step":1,"lr":0.5}]'],
    ]
)


def sentences(query: dict[str, str], default: Recipe | None = None) -> tuple[Recipe, list[str]]:
    recipe, refused = from_query(query, default or Recipe())
    return recipe, [str(sentence) for sentence in refused]


@given(recipe=recipes(), default=recipes())
def test_a_recipe_survives_a_link_unchanged_whatever_the_default(recipe, default):
    assert from_query(to_query(recipe), default) == (recipe, [])


def test_a_link_names_what_differs_from_the_defaults_and_nothing_else():
    assert to_query(Recipe()) == {"dataset": "Shapes", "optimizer": "SGD", "scheduler": "StepLR"}
    recipe = Recipe(
        hidden_sizes=(32,),
        optimizer=Adam(lr=3e-4, betas=(0.8, 0.99)),
        scheduler=MultiStepLR(milestones=(5, 9), warmup_iters=2),
        changes=(Change(step=4, lr=0.1),),
    )
    assert to_query(recipe) == {
        "dataset": "Shapes",
        "optimizer": "Adam",
        "scheduler": "MultiStepLR",
        "hidden_sizes": "32",
        "lr": "0.0003",
        "betas": "0.8,0.99",
        "milestones": "5,9",
        "warmup_iters": "2",
        "changes": '[{"step":4,"lr":0.1}]',
    }


def test_an_empty_link_is_the_default_data_set_optimizer_and_scheduler():
    default = Recipe(dataset="CIFAR10", optimizer=Adam(), scheduler=OneCycleLR())
    assert sentences({}, default) == (default, [])


def test_a_name_that_is_no_knob_is_passed_over():
    assert sentences({"utm_source": "mail", "name": "x", "SGD": "1"}) == (Recipe(), [])


def test_a_wrong_value_is_named_and_the_rest_of_the_link_is_kept():
    recipe, refused = sentences({"lr": "11", "batch_size": "ten", "seed": "5", "step_size": "70"})
    assert recipe == Recipe(seed=5, scheduler=StepLR(step_size=70))
    assert sorted(refused) == [
        "batch_size is ten: it must be a whole number from 1 to 100,000.",
        "lr is 11: it must be a number from 1e-6 to 10.",
    ]


def test_an_unknown_optimizer_is_named_and_its_knobs_go_to_the_default_one():
    recipe, refused = sentences({"optimizer": "Muon", "lr": "0.5"})
    assert recipe == Recipe(optimizer=SGD(lr=0.5))
    assert refused == ["optimizer is Muon: it must be one of SGD, Adam, AdamW, RMSprop, Adagrad."]


def test_a_wrong_change_is_named_and_the_rest_of_the_link_is_kept():
    recipe, refused = sentences({"changes": '[{"step":1,"lr":99}]', "lr": "0.5", "seed": "3"})
    assert recipe == Recipe(seed=3, optimizer=SGD(lr=0.5))
    assert refused == ["lr is 99: it must be a number from 1e-6 to 10."]


def test_a_knob_that_does_not_fit_a_default_takes_only_its_optimizers_knobs_along():
    recipe, refused = sentences({"momentum": "0", "seed": "3"})
    assert recipe == Recipe(seed=3)
    assert refused == ["nesterov is on while momentum is 0: it needs a momentum above 0."]


@pytest.mark.parametrize("depth", [10, 300, 600, 900, 950, 990, 2_000, 100_000])
@pytest.mark.parametrize("knob", ["lr", "hidden_sizes", "changes", "milestones"])
def test_a_list_nested_without_end_is_refused_like_any_other(knob, depth):
    recipe, refused = sentences({"scheduler": "MultiStepLR", knob: "[" * depth + "]" * depth, "seed": "3"})
    assert recipe == Recipe(scheduler=MultiStepLR(), seed=3)
    assert len(refused) == 1
    assert len(refused[0]) < 150


@given(query=st.dictionaries(KEYS | st.text(max_size=6), VALUES | st.text(max_size=10), max_size=8))
def test_no_link_raises_and_every_recipe_read_from_one_is_valid(query):
    recipe, refused = from_query(query, Recipe())
    assert Recipe.model_validate(recipe.model_dump()) == recipe
    assert all(0 < len(str(sentence)) < 300 for sentence in refused)
