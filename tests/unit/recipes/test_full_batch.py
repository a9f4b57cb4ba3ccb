"""Rprop needs all training examples in each batch, and reads its rate once: what it cannot have is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from mlpcore.recipes.optimizers import Rprop
from mlpcore.recipes.recipe import SGD, Recipe
from mlpcore.recipes.url import from_query, to_query
from mlpcore.recipes.validation import find_problems


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        (
            {"optimizer": {"name": "Rprop"}},
            "optimizer is Rprop, which needs all training examples in each batch: train_size and batch_size must "
            "be the same number from 1 to 100,000, but train_size is empty and batch_size 64.",
        ),
        (
            {"optimizer": {"name": "Rprop"}, "train_size": 5_000},
            "optimizer is Rprop, which needs all training examples in each batch: train_size and batch_size must "
            "be the same number from 1 to 100,000, but they are 5,000 and 64.",
        ),
        (
            {"optimizer": {"name": "Rprop", "etas": [1, 1.2]}, "train_size": 64},
            "etas is 1, 1.2: the first must be from 0.01 to below 1, the second above 1 and at most 10.",
        ),
        (
            {"optimizer": {"name": "Rprop", "etas": [0.5, 11.0]}, "train_size": 64},
            "etas is 11.0: it must be a number from 0.01 to 10.",
        ),
        (
            {"optimizer": {"name": "Rprop", "step_sizes": [0.1, 0.01]}, "train_size": 64},
            "step_sizes is 0.1, 0.01: the second must not be smaller than the first.",
        ),
        (
            {"optimizer": {"name": "Rprop"}, "train_size": 64, "changes": [{"step": 5, "lr": 0.1}]},
            "changes sets lr, which Rprop reads at its first iteration only: start a run with the lr you want.",
        ),
    ],
)
def test_what_does_not_fit_is_named(knobs: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(knobs)
    assert [str(said) for _, said in find_problems(caught.value)] == [sentence]


@pytest.mark.parametrize("size", [1, 50_000, 100_000])
def test_a_full_batch_of_any_size_is_taken_and_its_link_names_both_numbers(size: int) -> None:
    recipe = Recipe(optimizer=Rprop(), train_size=size, batch_size=size)
    query = to_query(recipe)
    assert (query["train_size"], query["batch_size"]) == (str(size), str(size))
    assert from_query(query, Recipe()) == (recipe, [])


def test_a_link_without_a_full_batch_keeps_the_rest_and_names_the_optimizer() -> None:
    recipe, refused = from_query({"optimizer": "Rprop", "lr": "0.02", "train_size": "50"}, Recipe())
    assert recipe == Recipe(optimizer=SGD(lr=0.02), train_size=50)
    assert [str(sentence)[:41] for sentence in refused] == ["optimizer is Rprop, which needs all train"]
