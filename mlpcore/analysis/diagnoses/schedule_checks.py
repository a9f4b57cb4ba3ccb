"""What a schedule shows: its sudden drops, warnings about what was probably not meant, and drops that losses caused."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlpcore.analysis.diagnoses import schedule_wording as wording
from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import CosineAnnealingLR, MultiStepLR, NoScheduler, Recipe, StepLR
from mlpcore.recipes.schedulers import LinearLR, PolynomialLR, ReduceLROnPlateau, WarmupStableDecay
from mlpcore.recipes.stages import count_known_rates
from mlpcore.runs.records import Evaluation

NEEDED = 2  # evaluations, and as many as its patience, until a ReduceLROnPlateau can lower the rate
EVALUATIONS = 20  # of a run in which it would come to nothing
SAME = 1e-9  # of a rate: how far it may be from another by rounding


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
class Reduction:
    """A drop by a ReduceLROnPlateau: after the evaluation at `step`, which had this loss, from one rate to another.

    Both rates have the changes of lr that are made at `step`, and none that are made later.
    """

    step: int
    loss: float
    before: float
    after: float


def find_reductions(recipe: Recipe, evaluations: Sequence[Evaluation]) -> list[Reduction]:
    """Find the drops that the losses of a run caused, once the next evaluation has recorded the lower rate."""
    if not isinstance(recipe.scheduler, ReduceLROnPlateau):
        return []
    changes = {change.step: change.lr for change in recipe.changes if change.lr is not None}
    steps, lrs = list(changes), [recipe.optimizer.lr, *changes.values()]
    found, share = [], 1.0  # of lr, as the drops so far have left it
    for before, after in pairwise(evaluations):
        lr, new_lr = lrs[bisect_right(steps, before.step)], lrs[bisect_left(steps, after.step)]
        if before.step >= recipe.scheduler.warmup_iters and after.lr < (1 - SAME) * share * new_lr:
            kept, share = share, after.lr / new_lr
            found.append(Reduction(before.step, before.followed_loss, kept * lr, share * lr))
    return found


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
    if isinstance(scheduler, ReduceLROnPlateau) and count_known_rates(recipe) == recipe.train_iter:
        return _check_patience(recipe, scheduler)
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


def _check_patience(recipe: Recipe, scheduler: ReduceLROnPlateau) -> list[ScheduleWarning]:
    """Warn that the evaluations before the end of the run are too few for a drop."""
    begin, end = max(scheduler.warmup_iters, 1), recipe.train_iter  # the last evaluation lowers no rate that is used
    if end - begin < NEEDED:
        return []
    every = recipe.eval_every
    count = _count_evaluations(every, begin, end)
    if count < NEEDED:
        every = max((end - begin) // EVALUATIONS, 1)
    patience = min((_count_evaluations(every, begin, end) - NEEDED) // 2, scheduler.patience)
    fix_label = wording.SET_PATIENCE if every == recipe.eval_every else wording.SET_EVALUATIONS
    values = {"count": count, "needed": scheduler.patience + NEEDED, "every": every}
    recipe = recipe.model_copy(update={"eval_every": every})
    return [_warn(recipe, wording.NEVER_OUT_OF_PATIENCE, fix_label, "patience", patience, **values)]


def _count_evaluations(every: int, begin: int, end: int) -> int:
    """Count the evaluations from step `begin` to before step `end`."""
    return (end - 1) // every - (begin - 1) // every


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
