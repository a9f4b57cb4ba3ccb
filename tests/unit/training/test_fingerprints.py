"""Hashes of what runs share: equal exactly where the weights or the batches are."""

import pytest
import torch

from mlpcore.data.batches import RandomSampler
from mlpcore.recipes.recipe import Adam, NoScheduler, Recipe
from mlpcore.seeds import build_generator
from mlpcore.training.models import build_model
from mlpcore.training.reproducibility import hash_batches, hash_weights

RECIPE = Recipe(hidden_sizes=(8, 4))


def weights(recipe: Recipe) -> str:
    return hash_weights(recipe, in_features=12, num_classes=3)


def batches(recipe: Recipe) -> str:
    return hash_batches(recipe, num_samples=100)


@pytest.mark.parametrize(
    "knobs", [{"optimizer": Adam()}, {"scheduler": NoScheduler()}, {"train_iter": 7}, {"dropout": 0}]
)
def test_recipes_of_one_seed_share_weights_and_batches_whatever_trains_them(knobs: dict) -> None:
    other = Recipe.model_validate(RECIPE.model_dump() | knobs)
    assert weights(other) == weights(RECIPE)
    assert batches(other) == batches(RECIPE)


def test_another_seed_changes_both() -> None:
    other = RECIPE.model_copy(update={"seed": 1})
    assert weights(other) != weights(RECIPE)
    assert batches(other) != batches(RECIPE)


def test_another_network_changes_the_weights_and_another_batch_size_the_batches() -> None:
    wide, small = RECIPE.model_copy(update={"hidden_sizes": (9, 4)}), RECIPE.model_copy(update={"batch_size": 32})
    assert weights(wide) != weights(RECIPE)
    assert batches(wide) == batches(RECIPE)
    assert weights(small) == weights(RECIPE)
    assert batches(small) != batches(RECIPE)


def test_hashes_are_short_and_come_back() -> None:
    assert weights(RECIPE) == weights(RECIPE)
    assert len(weights(RECIPE)) == len(batches(RECIPE)) == 6


def test_equal_hashes_mean_equal_weights_and_batches() -> None:
    other = Recipe.model_validate(RECIPE.model_dump() | {"optimizer": Adam()})
    for mine, its in zip(build_model(RECIPE, 12, 3).parameters(), build_model(other, 12, 3).parameters(), strict=True):
        assert torch.equal(mine, its)
    first, second = (RandomSampler(100, 64, generator=build_generator(r.seed, "batches")) for r in (RECIPE, other))
    for _ in range(5):
        assert torch.equal(next(first), next(second))
