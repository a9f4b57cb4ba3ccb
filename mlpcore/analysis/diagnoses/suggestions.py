"""Recipes to try next: one hyperparameter changed; None if the result is not a valid recipe."""

from collections.abc import Collection
from typing import Any

from mlpcore.recipes.recipe import MAX_MILESTONES, SGD, AnyScheduler, MultiStepLR, NoScheduler, Recipe, RMSprop, StepLR
from mlpcore.recipes.schedulers import ReduceLROnPlateau

GAMMA = 0.1  # of MultiStepLR in the lecture's notes
LARGEST_SGD = 0.3  # lr / (1 - momentum) of SGD, up to which a suggestion may raise the rate by a hundred
NO_DROP = 0.9  # a larger gamma lowers the rate too little to show in the loss


def with_rate(recipe: Recipe, factor: float) -> Recipe | None:
    """Multiply the learning rate; None beyond its bounds, or if a change during the run has set it."""
    if any(change.lr is not None for change in recipe.changes):
        return None
    return _validate(recipe, optimizer=recipe.optimizer.model_dump() | {"lr": scale_rate(recipe.optimizer.lr, factor)})


def with_far_higher_rate(recipe: Recipe) -> Recipe | None:
    """Raise the rate a hundredfold for SGD if it stays moderate, else tenfold."""
    optimizer = recipe.optimizer
    is_moderate = isinstance(optimizer, SGD) and 100 * optimizer.lr <= LARGEST_SGD * (1 - optimizer.momentum)
    return with_rate(recipe, 100.0 if is_moderate else 10.0)


def with_tested_rate(recipe: Recipe) -> Recipe | None:
    """Lower the rate tenfold, and at least to one at which the optimizer was seen to learn."""
    optimizer = recipe.optimizer
    tested = optimizer.tested_lr
    if isinstance(optimizer, SGD | RMSprop):  # SGD with momentum 0.5, 0.9 and 0.99 did as well at such a rate
        tested *= 1 - optimizer.momentum
    return with_rate(recipe, min(0.1, tested / optimizer.lr))


def with_slow_fall(recipe: Recipe) -> Recipe | None:
    """Let the rate fall along a cosine to the end; None if it was not a schedule that lowered it, and nothing else.

    Of 29 short runs on Shapes whose schedule left too little of the rate too early, this helped 15. A higher rate
    helped 10; no schedule helped 13, but cost 3 others 7 to 10 percentage points.
    """
    schedule = recipe.scheduler
    is_set = recipe.optimizer.reads_lr_once or any(change.lr is not None for change in recipe.changes)
    if is_set or isinstance(schedule, NoScheduler):
        return None
    cosine = {"name": "CosineAnnealingLR", "T_max": recipe.train_iter - schedule.warmup_iters}
    return _validate(recipe, scheduler=_keep_warmup(schedule) | cosine)


def without_changes(recipe: Recipe, steps: Collection[int]) -> Recipe | None:
    """Leave out the changes at these steps."""
    return _validate(recipe, changes=[change for change in recipe.changes if change.step not in steps])


def with_relu(recipe: Recipe) -> Recipe | None:
    """Replace the activation."""
    return _validate(recipe, activation="relu")


def with_random_start(recipe: Recipe) -> Recipe | None:
    """Draw the initial weights by He's scheme, which is made for relu, or by Xavier's for sigmoid and tanh."""
    return _validate(recipe, init="he" if recipe.activation == "relu" else "xavier")


def scale_rate(lr: float, factor: float) -> float:
    """Multiply a rate and round it to six significant digits: 0.007, not 0.007000000000000001."""
    return float(f"{factor * lr:.6g}")


def with_milestone(recipe: Recipe, step: int) -> Recipe | None:
    """Lower the rate after `step` iterations; earlier drops of a StepLR or a MultiStepLR stay.

    None where the run is over by then, or its optimizer no longer reads the rate.
    """
    if recipe.optimizer.reads_lr_once:
        return None
    schedule = recipe.scheduler
    place = step - schedule.warmup_iters  # milestones count from the end of the warm-up
    earlier, gamma = _drops_before(schedule, place)
    if step >= recipe.train_iter or len(earlier) >= MAX_MILESTONES:
        return None
    drops = {"name": "MultiStepLR", "milestones": [*earlier, place], "gamma": gamma}
    return _validate(recipe, scheduler=_keep_warmup(schedule) | drops)


def find_planned_drops(recipe: Recipe, begin: int, end: int) -> list[int]:
    """List the steps from `begin` to below `end` after which a StepLR, a MultiStepLR or a change sets the rate.

    A ReduceLROnPlateau sets it after evaluations: at `begin`, if that is one of them.
    """
    schedule, places = recipe.scheduler, {change.step for change in recipe.changes if change.lr is not None}
    if isinstance(schedule, MultiStepLR):
        places |= {schedule.warmup_iters + milestone for milestone in schedule.milestones}
    if isinstance(schedule, ReduceLROnPlateau) and begin % recipe.eval_every == 0:
        places.add(begin)
    if isinstance(schedule, StepLR):
        first = max(-(-(begin - schedule.warmup_iters) // schedule.step_size), 1)
        places |= set(range(schedule.warmup_iters + first * schedule.step_size, end, schedule.step_size))
    return sorted(place for place in places if begin <= place < end)


def _keep_warmup(schedule: AnyScheduler) -> dict[str, Any]:
    return schedule.model_dump(include={"warmup_iters", "start_factor"}) if schedule.warmup_iters else {}


def _drops_before(schedule: AnyScheduler, place: int) -> tuple[Any, float]:
    """Return milestones before `place`, and their gamma, that give the same rates as the schedule so far."""
    if isinstance(schedule, MultiStepLR) and schedule.gamma <= NO_DROP:
        return [milestone for milestone in schedule.milestones if milestone < place], schedule.gamma
    if isinstance(schedule, StepLR) and schedule.gamma <= NO_DROP:
        return range(schedule.step_size, place, schedule.step_size), schedule.gamma
    return (), GAMMA


def _validate(recipe: Recipe, **fields: Any) -> Recipe | None:
    try:
        changed = Recipe.model_validate(recipe.model_dump() | fields)
    except ValueError:
        return None
    return None if changed == recipe else changed
