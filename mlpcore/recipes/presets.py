"""Comparisons to choose from: the lecture's optimizers, its schedules and its claims.

Each is defined here alone, whatever the playground's knobs are; only what all of its rows share is chosen beside it.
"""

from collections.abc import Callable, Mapping, Sequence

from mlpcore.recipes import messages
from mlpcore.recipes.flat import flatten, unflatten
from mlpcore.recipes.points import POINT_NAMES
from mlpcore.recipes.recipe import SGD, Adam, AdamW, CosineAnnealingLR, MultiStepLR, NoScheduler, Recipe, StepLR

# what the visitor chooses for all rows of a comparison
SHARED = ("dataset", *POINT_NAMES, "train_iter", "batch_size", "eval_every")
LEARNING_RATES = (1e-4, 1e-3, 1e-2, 0.1, 1.0)


def compare_optimizers(base: Recipe) -> list[Recipe]:
    """Compare the optimizers in the lecture's order, each with the lecture's learning rate, without a scheduler."""
    plain = base.replace(scheduler=NoScheduler())
    return [
        plain.replace(optimizer=SGD(lr=0.01, momentum=0.0, weight_decay=0.0, nesterov=False)),
        plain.replace(optimizer=SGD(lr=0.01, momentum=0.9, weight_decay=0.0, nesterov=False)),
        plain.replace(optimizer=SGD(lr=0.01, momentum=0.9, weight_decay=0.0, nesterov=True)),
        plain.replace(optimizer=Adam(lr=0.001)),
    ]


def compare_rates(base: Recipe) -> list[Recipe]:
    """Compare SGD and Adam at five learning rates: is Adam less sensitive to the rate?"""
    plain = base.replace(scheduler=NoScheduler())
    sgd = [plain.replace(optimizer=SGD(lr=lr, momentum=0.0, weight_decay=0.0, nesterov=False)) for lr in LEARNING_RATES]
    return sgd + [plain.replace(optimizer=Adam(lr=lr)) for lr in LEARNING_RATES]


def compare_schedules(base: Recipe) -> list[Recipe]:
    """Compare the lecture's three schedulers, and none, with the same optimizer."""
    steps = base.train_iter
    return [
        base.replace(scheduler=NoScheduler()),
        base.replace(scheduler=StepLR(step_size=-(-steps // 3), gamma=0.5)),
        base.replace(scheduler=StepLR(step_size=-(-steps // 3), gamma=0.1)),
        base.replace(scheduler=StepLR(step_size=-(-steps // 6), gamma=0.5)),
        base.replace(scheduler=MultiStepLR(milestones=(max(steps // 2, 1), max(steps * 5 // 6, 2)), gamma=0.1)),
        base.replace(scheduler=CosineAnnealingLR(T_max=steps)),
    ]


def compare_decays(base: Recipe) -> list[Recipe]:
    """Compare five weight decays: how large do the weights become?"""
    return [
        base.replace(optimizer=AdamW(lr=0.001, weight_decay=decay), dropout=0.0) for decay in (0.0, 0.01, 0.1, 0.5, 1.0)
    ]


COMPARISONS: Mapping[str, Callable[[Recipe], list[Recipe]]] = {
    messages.COMPARE_OPTIMIZERS: compare_optimizers,
    messages.COMPARE_RATES: compare_rates,
    messages.COMPARE_SCHEDULES: compare_schedules,
    messages.COMPARE_DECAYS: compare_decays,
}


def build_comparison(title: str, like: Recipe) -> list[Recipe]:
    """Build the recipes of a comparison, with what all rows share from `like` and the defaults for all else."""
    shared = {name: value for name, value in flatten(like).items() if name in SHARED}
    return COMPARISONS[title](unflatten(shared))


def find_comparison(recipes: Sequence[Recipe]) -> str | None:
    """Return the title of the comparison that these recipes are; None if they are none of them."""
    if not recipes:
        return None
    built = {title: build_comparison(title, recipes[0]) for title in COMPARISONS}
    return next((title for title, own in built.items() if own == list(recipes)), None)
