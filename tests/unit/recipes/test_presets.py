"""Comparisons to choose from: their definitions depend on nothing but what all rows share."""

import pytest

from mlpcore.recipes.flat import flatten
from mlpcore.recipes.presets import COMPARISONS, SHARED, build_comparison, compare_schedules, find_comparison
from mlpcore.recipes.recipe import SGD, Recipe, StepLR

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


def keep_shared(recipe: Recipe) -> dict[str, object]:
    return {name: value for name, value in flatten(recipe).items() if name in SHARED}


@pytest.mark.parametrize("title", COMPARISONS)
def test_comparison_is_the_same_whatever_the_knobs_are(title: str) -> None:
    shared = Recipe(dataset="Tiny", train_iter=600, batch_size=32, eval_every=50)
    assert build_comparison(title, KNOBS) == build_comparison(title, shared)
    for recipe in build_comparison(title, KNOBS):
        assert keep_shared(recipe) == keep_shared(KNOBS) == keep_shared(shared)
        assert (recipe.hidden_sizes, recipe.label_noise, recipe.seed) == ((128, 64), 0.0, 0)


@pytest.mark.parametrize("title", COMPARISONS)
def test_comparison_is_known_by_its_recipes(title: str) -> None:
    recipes = build_comparison(title, KNOBS)
    assert find_comparison(recipes) == title
    assert find_comparison([*recipes[:-1], recipes[-1].model_copy(update={"dropout": 0.25})]) is None
    assert find_comparison(recipes[1:]) is None
    assert find_comparison([]) is None


@pytest.mark.parametrize(("train_iter", "sizes"), [(3000, [1000, 1000, 500]), (200, [67, 67, 34]), (1, [1, 1, 1])])
def test_schedules_do_not_drop_in_the_last_iterations(train_iter: int, sizes: list[int]) -> None:
    schedulers = [one.scheduler for one in compare_schedules(Recipe(train_iter=train_iter))]
    assert [one.step_size for one in schedulers if isinstance(one, StepLR)] == sizes
