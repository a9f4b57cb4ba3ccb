"""A learning-rate test: what it trains, and the losses it measures."""

from dataclasses import dataclass

from mlpcore.messages import SentenceError
from mlpcore.recipes.messages import LR_IS_NOT_TESTED
from mlpcore.recipes.recipe import NoScheduler, Recipe
from mlpcore.recipes.validation import find_limits

ITERATIONS = 100
SEEDS = 5
FIRST = 20  # losses, up to a rate of 2e-5, where next to nothing is learned: a fall starts from their mean


@dataclass(frozen=True)
class LrTest:
    """The loss of each mini-batch while the learning rate grows, for networks that differ only in the seed.

    rates: the learning rate at each mini-batch, ascending. losses: by seed; a seed whose loss exploded has fewer.
    """

    rates: tuple[float, ...]
    losses: tuple[tuple[float, ...], ...]


def build_test(recipe: Recipe) -> Recipe:
    """Return what a test of a recipe trains: the same but for the rate, the schedule and the length.

    Recipes with the same test have the same result. Raises SentenceError if the optimizer does not read a rate that
    grows.
    """
    if recipe.optimizer.reads_lr_once:
        raise SentenceError(LR_IS_NOT_TESTED, field="lr", optimizer=recipe.optimizer.name)
    low, _high = find_limits(type(recipe.optimizer), "lr")
    return recipe.replace(
        train_iter=ITERATIONS,
        eval_every=ITERATIONS,
        optimizer=recipe.optimizer.replace(lr=low),
        scheduler=NoScheduler(),
        changes=(),
    )
