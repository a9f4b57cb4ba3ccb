"""The check of suggested learning rates: short runs on the same images, judged by images that were held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlpcore.analysis.statistics import detectable_difference
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import NoScheduler, Recipe
from mlpcore.recipes.validation import find_misfit

ITERATIONS = 500  # of each run
EVALUATE_EVERY = 100


@dataclass(frozen=True)
class RateWinner:
    """The rate with the highest accuracy (0 to 1) on the held-out images, and how it compares with the next best.

    lead: the difference to the next best, None if no other rate came to anything. margin: the smallest difference that
    the sampling error of so many images leaves standing.
    """

    lr: float
    accuracy: float
    lead: float | None
    margin: float
    images: int

    @property
    def is_clear(self) -> bool:
        """Whether it is ahead by more than chance."""
        return self.lead is None or self.lead >= self.margin


def build_check(
    recipe: Recipe, rates: Sequence[float], *, datasets: Sequence[str], images: int, held_out: int
) -> list[Recipe]:
    """Build the recipes that check learning rates: each trains for ITERATIONS at a constant rate.

    Args:
        recipe: What the rates are for.
        rates: The learning rates.
        datasets: The data sets that are here.
        images: The number of training images of its data set.
        held_out: How many of them to hold out, if the recipe holds out none and does not need them.

    Raises:
        SentenceError: This machine cannot train them.
    """
    spare = images - (recipe.train_size or 0)
    shared = recipe.replace(
        train_iter=ITERATIONS,
        eval_every=EVALUATE_EVERY,
        scheduler=NoScheduler(),
        changes=(),
        validation_size=recipe.validation_size or max(min(held_out, spare), 1),
    )
    if misfit := find_misfit(shared, datasets, images):
        raise SentenceError(misfit.template, **misfit.values)
    return [shared.replace(optimizer=shared.optimizer.replace(lr=rate)) for rate in rates]


def find_best_rate(accuracies: Mapping[float, float | None], *, images: int) -> RateWinner | None:
    """Find the learning rate that won; None if no run came to anything.

    accuracies: on `images` held-out images (0 to 1) by learning rate, None for a run that came to nothing.
    """
    known = {lr: accuracy for lr, accuracy in accuracies.items() if accuracy is not None}
    if not known:
        return None
    best = max(known, key=known.__getitem__)
    others = [accuracy for lr, accuracy in known.items() if lr != best]
    lead = known[best] - max(others) if others else None
    return RateWinner(best, known[best], lead, detectable_difference(images), images)
