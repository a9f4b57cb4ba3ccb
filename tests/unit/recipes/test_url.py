"""A link carries a recipe whole, and no link, whatever is in it, breaks a page."""

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings, strategies as st

from mlpcore.recipes.recipe import (
    OPTIMIZERS,
    SGD,
    Adam,
    AdamW,
    Change,
    MultiStepLR,
    OneCycleLR,
    Recipe,
    RMSprop,
    StepLR,
)
from mlpcore.recipes.url import Plan, drop_unknown_datasets, from_query, plan_from_query, plan_to_query, to_query
from tests.support.app_tests import Open, shown
from tests.support.present import present
from tests.support.recipes import recipes

KEYS = st.sampled_from(
    [
        "hidden_sizes",
        "betas",
        "milestones",
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
    recipe, refused = sentences({"optimizer": "Lion", "lr": "0.5"})
    assert recipe == Recipe(optimizer=SGD(lr=0.5))
    assert refused == [f"optimizer is Lion: it must be one of {', '.join(OPTIMIZERS)}."]


def test_a_wrong_change_is_named_and_the_rest_of_the_link_is_kept():
    recipe, refused = sentences({"changes": '[{"step":1,"lr":99}]', "lr": "0.5", "seed": "3"})
    assert recipe == Recipe(seed=3, optimizer=SGD(lr=0.5))
    assert refused == ["lr is 99: it must be a number from 1e-6 to 10."]


def test_a_knob_that_does_not_fit_a_default_takes_only_its_optimizers_knobs_along():
    recipe, refused = sentences({"momentum": "0", "seed": "3"})
    assert recipe == Recipe(seed=3)
    assert refused == ["nesterov is on while momentum is 0: turn it off, or set momentum above 0."]


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


class TestComparison:
    def test_a_link_says_of_each_row_only_what_differs_from_the_first(self):
        plain: dict[str, Any] = {"weight_decay": 0.0, "nesterov": False}
        rows = (
            Recipe(optimizer=SGD(momentum=0.0, **plain)),
            Recipe(optimizer=SGD(lr=0.1, **plain)),
            Recipe(optimizer=Adam(), hidden_sizes=(8, 4)),
            Recipe(optimizer=SGD(momentum=0.0, **plain)),
        )
        assert plan_to_query(Plan(rows, seeds=3, hold_out=True)) == {
            "dataset": "Shapes",
            "optimizer": "SGD",
            "scheduler": "StepLR",
            "momentum": "0.0",
            "weight_decay": "0.0",
            "nesterov": "false",
            "2.momentum": "0.9",
            "2.lr": "0.1",
            "3.optimizer": "Adam",
            "3.hidden_sizes": "8,4",
            "rows": "4",
            "seeds": "3",
            "hold_out": "true",
        }

    @settings(deadline=None)  # the first example imports, the others are quick
    @given(rows=st.lists(recipes(), min_size=1, max_size=3), seeds=st.integers(1, 5), hold_out=st.booleans())
    def test_a_comparison_survives_a_link_unchanged(self, rows, seeds, hold_out):
        plan = Plan(tuple(row.model_copy(update={"changes": ()}) for row in rows), seeds, hold_out)
        assert plan_from_query(plan_to_query(plan), Recipe()) == (plan, [])

    def test_sixteen_rows_survive_a_link_and_it_stays_short(self):
        rates = [10.0**-power for power in (0, 1, 2, 3)]
        rows = tuple(Recipe(optimizer=kind(lr=lr), seed=5) for kind in (SGD, Adam, AdamW, RMSprop) for lr in rates)
        query = plan_to_query(Plan(rows))
        assert plan_from_query(query, Recipe()) == (Plan(rows), [])
        assert len(urlencode(query)) < 700

    def test_names_of_rows_survive_a_link_and_a_wrong_one_is_named_with_its_row(self):
        plan = Plan((Recipe(), Recipe(seed=1), Recipe(seed=2)), names=("", "my best", ""))
        assert plan_to_query(plan)["names"] == ",my best,"
        assert plan_from_query(plan_to_query(plan), Recipe()) == (plan, [])
        found, refused = plan_from_query({"rows": "2", "names": "fast,<b>,third"}, Recipe())
        assert present(found).names == ("fast", "")
        assert [(row, str(sentence)) for row, sentence in refused] == [
            (2, "name is <b>: it must be 1 to 40 letters, digits, spaces, dots, hyphens or underscores.")
        ]

    def test_edits_of_a_run_are_left_behind(self):
        edited = Recipe(changes=(Change(step=4, lr=0.1),))
        assert plan_from_query(plan_to_query(Plan((edited, edited))), Recipe()) == (Plan((Recipe(), Recipe())), [])

    def test_what_says_nothing_of_recipes_is_no_comparison(self):
        assert plan_from_query({"runs": "0123", "utm_source": "mail"}, Recipe()) == (None, [])

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ({"2.lr": "abc"}, [(2, "lr is abc: it must be a number from 1e-6 to 10.")]),
            ({"lr": "1e400"}, [(0, "lr is inf: it must be a number from 1e-6 to 10.")]),
            ({"3.__class__": "x"}, [(3, "__class__ is not a hyperparameter of a recipe.")]),
            ({"17.lr": "0.1"}, [(0, "17.lr: rows are numbered from 1 to 16.")]),
            ({"0.lr": "0.1"}, [(0, "0.lr: rows are numbered from 1 to 16.")]),
            ({"rows": "17"}, [(0, "rows is 17: it must be a whole number from 1 to 16.")]),
            ({"rows": "many"}, [(0, "rows is many: it must be a whole number from 1 to 16.")]),
            ({"seeds": "0"}, [(0, "seeds is 0: it must be a whole number from 1 to 5.")]),
            ({"hold_out": "yes"}, [(0, "hold_out is yes: it must be true or false.")]),
        ],
    )
    def test_what_is_wrong_is_named_with_its_row_and_the_rest_is_kept(self, query, said):
        found, refused = plan_from_query({"seed": "7", "2.batch_size": "32"} | query, Recipe())
        assert [(number, str(sentence)) for number, sentence in refused] == said
        plan = present(found)
        assert plan.recipes[:2] == (Recipe(seed=7), Recipe(seed=7, batch_size=32))
        assert (plan.seeds, plan.hold_out) == (1, False)

    @given(
        query=st.dictionaries(
            st.tuples(st.sampled_from(["", "1.", "2.", "16.", "17.", "٣.", "9999999999."]), KEYS).map("".join)
            | st.sampled_from(["rows", "seeds", "hold_out", "names"])
            | st.text(max_size=6),
            VALUES | st.text(max_size=10),
            max_size=8,
        )
    )
    def test_no_link_raises_and_every_recipe_read_from_one_is_valid(self, query):
        plan, refused = plan_from_query(query, Recipe())
        for recipe in plan.recipes if plan else ():
            assert Recipe.model_validate(recipe.model_dump()) == recipe
        assert all(0 < len(str(sentence)) < 300 for _number, sentence in refused)


def test_data_sets_that_are_not_there_are_named_and_left_out():
    query = {"dataset": "Gone", "2.dataset": "Tiny", "3.dataset": "../..", "lr": "0.1"}
    kept, refused = drop_unknown_datasets(query, ["Tiny", "Shapes"])
    assert kept == {"2.dataset": "Tiny", "lr": "0.1"}
    assert [(name, str(sentence)) for name, sentence in refused] == [
        ("dataset", "dataset is Gone: this machine has Tiny, Shapes."),
        ("3.dataset", "dataset is ../..: this machine has Tiny, Shapes."),
    ]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"optimizer": "Adam", "betas": "0.9"}, "betas is (0.9,): it must be two numbers from 0 to 0.9999."),
        ({"optimizer": "Adam", "betas": ""}, "betas is (): it must be two numbers from 0 to 0.9999."),
        ({"optimizer": "Adam", "betas": "x"}, "betas is x: it must be two numbers from 0 to 0.9999."),
        ({"hidden_sizes": "8;4"}, "hidden_sizes is 8;4: it must be 1 to 6 whole numbers from 1 to 4,096."),
        ({"changes": "5"}, "changes is 5: each change must have a step, and lr, momentum or weight_decay."),
        (
            {"changes": '[{"lr":0.1}]'},
            "changes is {'lr': 0.1}: each change must have a step, and lr, momentum or weight_decay.",
        ),
        ({"lr": "NaN"}, "lr is nan: it must be a number from 1e-6 to 10."),
        ({"lr": "1e400"}, "lr is inf: it must be a number from 1e-6 to 10."),
    ],
)
def test_what_a_list_must_be_is_said_in_our_own_words(query, sentence):
    recipe, refused = sentences(query | {"seed": "3"})
    assert (recipe.seed, refused) == (3, [sentence])


@given(query=st.dictionaries(KEYS, VALUES, min_size=1, max_size=8))
def test_pydantics_own_words_reach_nobody(query):
    for sentence in sentences(query)[1]:
        assert not any(word in sentence for word in ("Input", "valid ", "Field required", "Tuple", "should"))


def test_comparisons_link_sets_rows_seeds_and_hold_out_and_names_what_is_wrong(open_page: Open):
    query = {"dataset": "Tiny", "train_iter": "20", "2.lr": "0.1", "3.optimizer": "Lion", "seeds": "2"}
    page = open_page("compare.py", **query, hold_out="true", rows="3")
    assert [row["lr"] for row in page.session_state["compare.rows"]] == [0.01, 0.1, 0.01]
    assert page.number_input(key="compare.seeds").value == 2
    assert page.toggle(key="compare.hold_out").value
    sentence = f"⚠ Row 3: optimizer is Lion: it must be one of {', '.join(OPTIMIZERS)}."
    assert sentence in [element.value for element in page.text]
    address = dict(page.query_params)
    assert address == {"scheduler": "StepLR", "optimizer": "SGD", "rows": "3", "hold_out": "true"} | {
        name: query[name] for name in ("dataset", "train_iter", "2.lr", "seeds")
    }
    again = open_page("compare.py", **address)
    assert again.session_state["compare.rows"] == page.session_state["compare.rows"]


def test_comparisons_address_names_its_runs_and_its_rows_once_they_are_others(open_page: Open):
    page = open_page("compare.py", dataset="Tiny", train_iter="20", eval_every="10", **{"2.lr": "0.1"})
    shown(page.button(key="compare.start").click().run())
    runs = ",".join(page.session_state["compare.runs"])
    assert dict(page.query_params) == {"runs": runs}
    page.session_state["compare.setup"] = True
    shown(page.run())
    shown(page.button_group(key="compare.preset").set_value("Weight decay").run())
    assert (page.query_params["runs"], page.query_params["rows"]) == (runs, "5")
