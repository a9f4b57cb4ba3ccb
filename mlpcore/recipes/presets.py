"""Comparisons worth a click: the lecture's optimizers, its schedules and its claims."""

from collections.abc import Callable, Mapping

from mlpcore.messages import N_
from mlpcore.recipes.recipe import SGD, Adam, AdamW, Constant, CosineAnnealingLR, MultiStepLR, Recipe, StepLR

LEARNING_RATES = (1e-4, 1e-3, 1e-2, 0.1, 1.0)


def _with(base: Recipe, **knobs: object) -> Recipe:
    return Recipe.model_validate(base.model_dump() | knobs)


def compare_optimizers(base: Recipe) -> list[Recipe]:
    """The optimizers as the lecture introduces them, each with the lecture's rate, without a schedule."""
    plain = _with(base, scheduler=Constant())
    return [
        _with(plain, optimizer=SGD(lr=0.01, momentum=0.0, weight_decay=0.0, nesterov=False)),
        _with(plain, optimizer=SGD(lr=0.01, momentum=0.9, weight_decay=0.0, nesterov=False)),
        _with(plain, optimizer=SGD(lr=0.01, momentum=0.9, weight_decay=0.0, nesterov=True)),
        _with(plain, optimizer=Adam(lr=0.001)),
    ]


def compare_rates(base: Recipe) -> list[Recipe]:
    """SGD and Adam over five learning rates: is Adam less sensitive to it?"""
    plain = _with(base, scheduler=Constant())
    sgd = [_with(plain, optimizer=SGD(lr=lr, momentum=0.0, weight_decay=0.0, nesterov=False)) for lr in LEARNING_RATES]
    return sgd + [_with(plain, optimizer=Adam(lr=lr)) for lr in LEARNING_RATES]


def compare_schedules(base: Recipe) -> list[Recipe]:
    """The lecture's three schedulers and none, on the same optimizer."""
    steps = base.train_iter
    return [
        _with(base, scheduler=Constant()),
        _with(base, scheduler=StepLR(step_size=max(steps // 3, 1), gamma=0.5)),
        _with(base, scheduler=StepLR(step_size=max(steps // 3, 1), gamma=0.1)),
        _with(base, scheduler=StepLR(step_size=max(steps // 6, 1), gamma=0.5)),
        _with(base, scheduler=MultiStepLR(milestones=(max(steps // 2, 1), max(steps * 5 // 6, 2)), gamma=0.1)),
        _with(base, scheduler=CosineAnnealingLR(T_max=steps)),
    ]


def compare_decays(base: Recipe) -> list[Recipe]:
    """Weight decay and the size of the weights."""
    return [
        _with(base, optimizer=AdamW(lr=0.001, weight_decay=decay), dropout=0.0) for decay in (0.0, 0.01, 0.1, 0.5, 1.0)
    ]


PRESETS: Mapping[str, Callable[[Recipe], list[Recipe]]] = {
    N_("SGD, momentum, Nesterov, Adam"): compare_optimizers,
    N_("Learning rates: SGD and Adam"): compare_rates,
    N_("Step size and gamma"): compare_schedules,
    N_("Weight decay"): compare_decays,
}
