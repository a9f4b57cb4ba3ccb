"""What no recipe may be is refused, and each thing that is wrong has its sentence."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from mlpcore.recipes.hyperparameters import Hyperparameters
from mlpcore.recipes.recipe import OPTIMIZERS, SCHEDULERS, SGD, Change, OneCycleLR, Recipe
from mlpcore.recipes.validation import find_problems

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary(max_size=5)
    | st.sampled_from([10**400, -(10**4000), "SGD", "none", "StepLR", Recipe(), SGD(), object()]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=8,
)
MODELS: list[type[Hyperparameters]] = [Recipe, Change, *OPTIMIZERS.values(), *SCHEDULERS.values()]
FIELDS = sorted({"name", *(field for model in MODELS for field in model.model_fields)})


def refused(**knobs: object) -> list[str]:
    """The sentences with which a recipe of these knobs is refused."""
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(knobs)
    return [str(sentence) for _, sentence in find_problems(caught.value)]


def names(**knobs: object) -> list[str]:
    """The fields that are named where a recipe of these knobs is refused."""
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(knobs)
    return [name for name, _ in find_problems(caught.value)]


@pytest.mark.parametrize("value", [0.5, 1e300])
def test_a_fraction_is_no_whole_number(value):
    assert refused(batch_size=value) == [f"batch_size is {value!r}: it must be a whole number from 1 to 100,000."]


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        ({"batch_size": 0}, "batch_size is 0: it must be a whole number from 1 to 100,000."),
        ({"dropout": 0.96}, "dropout is 0.96: it must be a number from 0 to 0.95."),
        ({"seed": True}, "seed is True: it must be a whole number from 0 to 4,294,967,295."),
        (
            {"seed": 10**4000},
            "seed is > 10^30: it must be a whole number from 0 to 4,294,967,295.",
        ),
        ({"optimizer": {"name": "SGD", "lr": 11.0}}, "lr is 11.0: it must be a number from 1e-6 to 10."),
        ({"optimizer": {"name": "SGD", "lr": "3"}}, "lr is 3: it must be a number from 1e-6 to 10."),
        ({"optimizer": {"name": "SGD", "lr": math.nan}}, "lr is nan: it must be a number from 1e-6 to 10."),
        ({"optimizer": {"name": "SGD", "nesterov": 1}}, "nesterov is 1: it must be true or false."),
        (
            {"optimizer": {"name": "SGD", "momentum": 0.0}},
            "nesterov is on while momentum is 0: turn it off, or set momentum above 0.",
        ),
        ({"optimizer": {"name": "Adam", "betas": [0.9]}}, "betas is (0.9,): it must be two numbers from 0 to 0.9999."),
        ({"optimizer": {"name": "Adam", "betas": [0.9, 1]}}, "betas is 1: it must be a number from 0 to 0.9999."),
        (
            {"optimizer": {"name": "Lion"}},
            f"optimizer is Lion: it must be one of {', '.join(OPTIMIZERS)}.",
        ),
        (
            {"scheduler": {"name": "Foo"}},
            f"scheduler is Foo: it must be one of {', '.join(SCHEDULERS)}.",
        ),
        (
            {"optimizer": {"name": "Adam", "momentum": 0.9}},
            "momentum is not a hyperparameter of Adam, which has lr, betas, eps, weight_decay, amsgrad.",
        ),
        ({"learning_rate": 0.1}, "learning_rate is not a hyperparameter of a recipe."),
        ({"activation": "gelu"}, "activation is gelu: it must be one of sigmoid, tanh, relu."),
        ({"hidden_sizes": []}, "hidden_sizes has 0 values: it must have 1 to 6."),
        ({"hidden_sizes": [1] * 7}, "hidden_sizes has 7 values: it must have 1 to 6."),
        ({"hidden_sizes": [8, 0]}, "hidden_sizes is 0: it must be a whole number from 1 to 4,096."),
        (
            {"scheduler": {"name": "MultiStepLR", "milestones": [5, 5]}},
            "milestones is [5, 5]: each milestone must be larger than the one before it.",
        ),
        (
            {"hidden_sizes": [4096, 4096]},
            "hidden_sizes is 4096, 4096: that makes 29,360,128 weights, and a network may have at most 20,000,000.",
        ),
        (
            {"dataset": "../secret"},
            "dataset is ../secret: it must be 1 to 40 letters, digits, spaces, dots, hyphens or underscores.",
        ),
        (
            {"train_iter": 200_000, "eval_every": 39},
            "eval_every is 39: with 200,000 iterations it must be at least 40, because a run has at most 5,000 "
            "evaluations.",
        ),
        (
            {"changes": [{"step": 1}]},
            "changes has a change that sets nothing: it must set lr, momentum or weight_decay.",
        ),
        (
            {"changes": [{"step": 3000, "lr": 0.1}]},
            "changes has a change at step 3,000: the step must be from 0 to 2,999.",
        ),
        (
            {"changes": [{"step": 7, "lr": 0.1}, {"step": 7, "lr": 0.2}]},
            "changes has a change at step 7: the step must be from 8 to 2,999.",
        ),
        (
            {"optimizer": {"name": "Adam"}, "changes": [{"step": 7, "momentum": 0.1}]},
            "changes sets momentum: Adam has no such hyperparameter.",
        ),
        (
            {"changes": [{"step": 7, "momentum": 0.0}]},
            "nesterov is on while momentum is 0: turn it off, or set momentum above 0.",
        ),
        (
            {"scheduler": {"name": "CyclicLR"}, "changes": [{"step": 7, "momentum": 0.5}]},
            "changes sets momentum, which CyclicLR moves itself: leave it out, or start a run with cycle_momentum off.",
        ),
        (
            {"train_iter": 3, "scheduler": {"name": "OneCycleLR"}},
            "train_iter leaves 3 iterations for OneCycleLR, whose rise and fall need more than 1 each: increase "
            "train_iter, or set pct_start closer to 0.5.",
        ),
    ],
)
def test_a_refusal_says_field_value_and_what_is_allowed(knobs, sentence):
    assert refused(**knobs) == [sentence]


def test_every_thing_wrong_is_named_at_once():
    found = names(batch_size=0, seed=-1, optimizer={"name": "SGD", "lr": 0.0}, nonsense=1)
    assert sorted(found) == ["batch_size", "lr", "nonsense", "seed"]


def test_more_changes_than_a_recipe_holds_are_refused():
    changes = [{"step": step, "lr": 0.1} for step in range(1001)]
    assert refused(changes=changes) == ["changes has 1001 values: it must have 0 to 1000."]


@pytest.mark.parametrize("name", ["", ".hidden", "..", "a/b", "a\\b", "a\n", "x" * 41, "https://x", "\ud800"])
def test_a_data_set_is_a_plain_name(name):
    assert names(dataset=name) == ["dataset"]


def read_sentences(validate: Callable[[Any], Recipe], junk: object) -> list[str]:
    """What is said against junk; nothing where it happens to be a recipe."""
    try:
        validate(junk)
    except ValidationError as error:
        return [str(sentence) for _, sentence in find_problems(error)]
    return ["It is a recipe."]


@given(junk=JUNK)
def test_junk_raises_nothing_but_a_validation_error_whose_every_part_has_a_sentence(junk):
    found = read_sentences(Recipe.model_validate, junk)
    assert found
    assert all(0 < len(sentence) < 300 for sentence in found)


@given(knobs=st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), JUNK, max_size=4), data=st.data())
def test_junk_in_the_fields_has_its_sentences_too(knobs, data):
    for part, kinds in (("optimizer", OPTIMIZERS), ("scheduler", SCHEDULERS)):
        if data.draw(st.booleans()):
            inner = data.draw(st.dictionaries(st.sampled_from(FIELDS), JUNK, max_size=3))
            knobs = knobs | {part: inner | {"name": data.draw(st.sampled_from(sorted(kinds)))}}
    found = read_sentences(Recipe.model_validate, knobs)
    assert found
    assert all(0 < len(sentence) < 300 for sentence in found)


@given(text=st.text() | JUNK.map(repr))
def test_a_text_that_is_no_recipe_raises_nothing_but_a_validation_error(text):
    assert all(read_sentences(Recipe.model_validate_json, text))


def test_one_cycle_with_its_smallest_climb_is_taken():
    assert Recipe(train_iter=4, scheduler=OneCycleLR()).train_iter == 4
    assert names(train_iter=103, scheduler={"name": "OneCycleLR", "warmup_iters": 100}) == ["train_iter"]
