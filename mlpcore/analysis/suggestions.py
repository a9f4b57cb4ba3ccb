"""The recipe to try next after what a history said: one thing changed; None where that makes no recipe.

And what that takes: where a recipe lowers the rate at once.
"""

from typing import Any

from mlpcore.recipes.recipe import MAX_MILESTONES, MultiStepLR, Recipe, Schedule, StepLR

GAMMA = 0.1  # of MultiStepLR in the lecture's notes
NO_DROP = 0.9  # a gamma above it lowers the rate by less than one would see


def with_rate(recipe: Recipe, factor: float) -> Recipe | None:
    """Multiply the learning rate; None beyond its bounds, or where edits during the run have set it."""
    if any(change.lr is not None for change in recipe.changes):
        return None
    lr = float(f"{factor * recipe.optimizer.lr:.6g}")  # 0.007, not 0.007000000000000001
    return _validate(recipe, optimizer=recipe.optimizer.model_dump() | {"lr": lr})


def with_milestone(recipe: Recipe, step: int) -> Recipe | None:
    """Let the rate drop after `step` iterations; the drops that a StepLR or a MultiStepLR made before then stay."""
    schedule = recipe.scheduler
    place = step - schedule.warmup_iters  # milestones count from the end of the warm-up
    earlier, gamma = _drops_before(schedule, place)
    if step >= recipe.train_iter or len(earlier) >= MAX_MILESTONES:
        return None
    warmup = {"warmup_iters": schedule.warmup_iters, "start_factor": schedule.start_factor}
    knobs = {"name": "MultiStepLR", "milestones": [*earlier, place], "gamma": gamma}
    return _validate(recipe, scheduler=warmup | knobs)


def find_planned_drops(recipe: Recipe, begin: int, end: int) -> list[int]:
    """List after how many iterations, from `begin` to below `end`, a StepLR, a MultiStepLR or an edit sets the rate."""
    schedule, places = recipe.scheduler, {change.step for change in recipe.changes if change.lr is not None}
    if isinstance(schedule, MultiStepLR):
        places |= {schedule.warmup_iters + milestone for milestone in schedule.milestones}
    if isinstance(schedule, StepLR):
        first = max(-(-(begin - schedule.warmup_iters) // schedule.step_size), 1)
        places |= set(range(schedule.warmup_iters + first * schedule.step_size, end, schedule.step_size))
    return sorted(place for place in places if begin <= place < end)


def _drops_before(schedule: Schedule, place: int) -> tuple[Any, float]:
    """The milestones before `place` that come to the same as the schedule so far, and their gamma."""
    if isinstance(schedule, MultiStepLR) and schedule.gamma <= NO_DROP:
        return [milestone for milestone in schedule.milestones if milestone < place], schedule.gamma
    if isinstance(schedule, StepLR) and schedule.gamma <= NO_DROP:
        return range(schedule.step_size, place, schedule.step_size), schedule.gamma
    return (), GAMMA


def _validate(recipe: Recipe, **knobs: Any) -> Recipe | None:
    try:
        changed = Recipe.model_validate(recipe.model_dump() | knobs)
    except ValueError:
        return None
    return None if changed == recipe else changed
