"""The check of suggested learning rates: what it trains, and which rate it says won."""

import pytest

from mlpcore.analysis.learning_rate.check import build_check, find_best_rate
from mlpcore.analysis.learning_rate.lr_wording import describe_winner
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Adam, NoScheduler, OneCycleLR, Recipe
from tests.support.present import present

BASE = Recipe(optimizer=Adam(betas=(0.8, 0.99)), train_iter=3000, scheduler=OneCycleLR(), seed=4)


def check(recipe: Recipe) -> list[Recipe]:
    return build_check(recipe, (1e-3, 0.01), datasets=["Shapes"], images=50_000, held_out=5_000)


def test_each_rate_trains_500_iterations_at_a_constant_rate_with_images_held_out():
    recipes = check(BASE)
    assert [recipe.optimizer for recipe in recipes] == [
        Adam(betas=(0.8, 0.99), lr=1e-3),
        Adam(betas=(0.8, 0.99), lr=0.01),
    ]
    assert {(r.train_iter, r.scheduler, r.validation_size, r.seed) for r in recipes} == {(500, NoScheduler(), 5000, 4)}


def test_images_that_the_recipe_holds_out_are_kept():
    assert check(BASE.replace(validation_size=800))[0].validation_size == 800


def test_images_that_the_recipe_trains_on_are_left_to_it():
    assert check(BASE.replace(train_size=48_000))[0].validation_size == 2_000


def test_recipe_without_a_spare_image_is_refused():
    with pytest.raises(SentenceError, match="train_size is 50,000"):
        check(BASE.replace(train_size=50_000))


def test_data_set_that_is_not_here_is_refused():
    with pytest.raises(SentenceError, match="dataset is CIFAR10"):
        check(BASE.replace(dataset="CIFAR10"))


def test_winner_is_clear_when_ahead_by_more_than_the_sampling_error():
    winner = present(find_best_rate({0.01: 0.40, 0.02: 0.45, 1.0: None}, images=5_000))
    assert (winner.lr, winner.is_clear) == (0.02, True)
    assert winner.margin == pytest.approx(0.02)  # 2 · √2 · 0.5 / √5000
    assert str(describe_winner(winner)) == (
        "0.02 won: 45.0% of 5,000 held-out examples after 500 iterations, 5.0 percentage points ahead of the next. "
        "With so many examples, less than 2.0 may be chance."
    )


def test_winner_is_not_clear_within_the_sampling_error():
    winner = present(find_best_rate({0.01: 0.44, 0.02: 0.45}, images=5_000))
    assert str(describe_winner(winner)) == (
        "0.02 is highest: 45.0% of 5,000 held-out examples after 500 iterations. But it is only 1.0 percentage points "
        "ahead of the next, and with so many examples less than 2.0 may be chance."
    )


def test_a_single_rate_wins_alone():
    assert str(describe_winner(find_best_rate({0.02: 0.45, 1.0: None}, images=5_000))) == (
        "0.02 won: 45.0% of 5,000 held-out examples after 500 iterations. No other rate came to an end."
    )


def test_nobody_wins_where_all_runs_diverged():
    assert find_best_rate({0.02: None}, images=5_000) is None
    assert str(describe_winner(None)).startswith("None of the suggestions trained")
