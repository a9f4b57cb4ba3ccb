"""What a schedule shows before training: its sudden drops, and warnings about what was probably not meant."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlpcore.analysis import diagnosis_wording as wording
from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import CosineAnnealingLR, MultiStepLR, NoScheduler, Recipe, StepLR
from mlpcore.recipes.schedulers import LinearLR, PolynomialLR, WarmupStableDecay


def find_drops(rates: Sequence[float]) -> list[int]:
    """Find the first step (from 1) after each sudden drop of the learning rate by a tenth or more.

    A rate that was falling already is on a curve: the last 20 steps of a cosine each lose a tenth of what is left.
    """
    drops, was_falling = [], False
    for step, (before, after) in enumerate(pairwise(rates), start=2):
        if after < before and after <= 0.9 * before and not was_falling:
            drops.append(step)
        was_falling = after < before
    return drops


@dataclass(frozen=True)
class ScheduleWarning:
    """A schedule that is valid but probably not what was meant, and a recipe that fixes it."""

    sentence: Sentence
    fix_label: Sentence  # of the button that applies the fix
    fixed_recipe: Recipe


def find_warnings(recipe: Recipe) -> list[ScheduleWarning]:
    """Find parts of a schedule that the run never reaches, that its optimizer never reads, or that raise the rate."""
    scheduler = recipe.scheduler
    if recipe.optimizer.reads_lr_once:
        plain = recipe.model_copy(update={"scheduler": NoScheduler()})
        said = Sentence(wording.READ_ONCE, {"optimizer": recipe.optimizer.name})
        return [] if plain == recipe else [ScheduleWarning(said, Sentence(wording.LEAVE_OUT_SCHEDULE), plain)]
    length = recipe.train_iter - scheduler.warmup_iters  # iterations after the warm-up
    if length <= 0:
        shorter = recipe.train_iter // 10
        return [_warn(recipe, wording.ENDS_IN_WARMUP, wording.SET_WARMUP, "warmup_iters", shorter)]
    if length == 1:
        return []  # the learning rate cannot change, whatever the schedule
    if isinstance(scheduler, StepLR) and scheduler.step_size >= length:
        return [_warn(recipe, wording.NEVER_DROPS, wording.SET_STEP_SIZE, "step_size", max(length // 3, 1))]
    if isinstance(scheduler, MultiStepLR) and scheduler.milestones[-1] >= length:
        reached = tuple(milestone for milestone in scheduler.milestones if milestone < length)
        milestones = reached or tuple(sorted({max(length // 2, 1), max(length * 5 // 6, 1)}))
        late = scheduler.milestones[len(reached)]
        shown = ", ".join(f"{milestone:,}" for milestone in milestones)
        text, fix_label = wording.ENDS_BEFORE_MILESTONE, wording.SET_MILESTONES
        return [_warn(recipe, text, fix_label, "milestones", milestones, late=late, shown=shown)]
    if isinstance(scheduler, CosineAnnealingLR) and scheduler.T_max < length - 1:
        rest = length - 1 - scheduler.T_max
        return [_warn(recipe, wording.RISES_AGAIN, wording.SET_T_MAX, "T_max", length, rest=rest)]
    if isinstance(scheduler, CosineAnnealingLR) and scheduler.T_max > length:
        return [_warn(recipe, wording.NEVER_REACHES_ETA_MIN, wording.SET_T_MAX, "T_max", length)]
    if isinstance(scheduler, LinearLR | PolynomialLR) and scheduler.total_iters > length:
        return [_warn(recipe, wording.ENDS_ON_LINE, wording.SET_TOTAL_ITERS, "total_iters", length)]
    if isinstance(scheduler, WarmupStableDecay):
        return _check_decay(recipe, scheduler, length)
    return []


def _check_decay(recipe: Recipe, scheduler: WarmupStableDecay, length: int) -> list[ScheduleWarning]:
    decay = length - scheduler.stable_iters
    if decay <= 0:
        stable = max(length * 2 // 3, 1)
        shorter = recipe.model_copy(update={"scheduler": scheduler.model_copy(update={"decay_iters": length - stable})})
        text, fix_label = wording.ENDS_BEFORE_DECAY, wording.SET_STABLE_AND_DECAY
        return [_warn(shorter, text, fix_label, "stable_iters", stable)]
    if decay < scheduler.decay_iters:
        late = scheduler.decay_iters - decay
        return [_warn(recipe, wording.ENDS_IN_DECAY, wording.SET_DECAY_ITERS, "decay_iters", decay, late=late)]
    return []


def _warn(
    recipe: Recipe, text: str, fix_label: str, field: str, value: int | tuple[int, ...], **values: int | str
) -> ScheduleWarning:
    """Build a warning whose fix sets one field of the scheduler; `values` go into the two texts."""
    length = recipe.train_iter - recipe.scheduler.warmup_iters
    values |= recipe.scheduler.model_dump() | {"train_iter": recipe.train_iter, "length": length, "value": value}
    scheduler = recipe.scheduler.model_copy(update={field: value})
    return ScheduleWarning(
        Sentence(text, values), Sentence(fix_label, values), recipe.model_copy(update={"scheduler": scheduler})
    )
