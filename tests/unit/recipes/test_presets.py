"""Comparisons to choose from: their definitions depend on nothing but what all rows share."""

import pytest

from mlpcore.recipes.presets import COMPARISONS, SHARED, build_comparison, find_comparison
from mlpcore.recipes.recipe import SGD, Recipe

KNOBS = Recipe(
    dataset="Tiny",
    train_iter=600,
    batch_size=32,
    eval_every=50,
    optimizer=SGD(lr=0.7),
    hidden_sizes=(8,),
    dropout=0.1,
    label_noise=0.5,
    seed=4,
)


@pytest.mark.parametrize("title", COMPARISONS)
def test_comparison_is_the_same_whatever_the_knobs_are(title: str) -> None:
    shared = Recipe(dataset="Tiny", train_iter=600, batch_size=32, eval_every=50)
    assert build_comparison(title, KNOBS) == build_comparison(title, shared)
    for recipe in build_comparison(title, KNOBS):
        assert {name: getattr(recipe, name) for name in SHARED} == {name: getattr(KNOBS, name) for name in SHARED}
        assert (recipe.hidden_sizes, recipe.label_noise, recipe.seed) == ((128, 64), 0.0, 0)


@pytest.mark.parametrize("title", COMPARISONS)
def test_comparison_is_known_by_its_recipes(title: str) -> None:
    recipes = build_comparison(title, KNOBS)
    assert find_comparison(recipes) == title
    assert find_comparison([*recipes[:-1], recipes[-1].model_copy(update={"dropout": 0.25})]) is None
    assert find_comparison(recipes[1:]) is None
    assert find_comparison([]) is None
