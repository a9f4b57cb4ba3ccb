"""The learning-rate scheduler of a recipe, its curve before training, and warnings about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import Change, CosineAnnealingLR, MultiStepLR, Recipe, StepLR
from mlpcore.training import messages
from mlpcore.training.optimizers import build_optimizer


def build_scheduler(recipe: Recipe, optimizer: Optimizer) -> LRScheduler:
    """Build the torch scheduler of a recipe, to be stepped once per iteration after `optimizer.step()`."""
    main = _build_without_warmup(recipe, optimizer)
    warmup_iters, start_factor = recipe.scheduler.warmup_iters, recipe.scheduler.start_factor
    if warmup_iters == 0:
        return main
    warmup = lr_scheduler.LinearLR(optimizer, start_factor=start_factor, total_iters=warmup_iters)
    return lr_scheduler.SequentialLR(optimizer, [warmup, main], milestones=[warmup_iters])


def _build_without_warmup(recipe: Recipe, optimizer: Optimizer) -> LRScheduler:
    name, warmup_iters = recipe.scheduler.name, recipe.scheduler.warmup_iters
    settings = recipe.scheduler.model_dump(exclude={"name", "warmup_iters", "start_factor"})
    if name == "none":
        return lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=0)
    if name == "OneCycleLR":
        settings |= {
            "max_lr": optimizer.param_groups[0]["lr"],
            "total_steps": recipe.train_iter - warmup_iters,
            "cycle_momentum": False,
        }
    scheduler: LRScheduler = getattr(lr_scheduler, name)(optimizer, **settings)
    return scheduler


def apply_change(change: Change, recipe: Recipe, optimizer: Optimizer, scheduler: LRScheduler) -> LRScheduler:
    """Set changed hyperparameters on the optimizer, and return the scheduler to continue with.

    From `change.step` on the learning rate is what the schedule would give if it had begun with the new lr: a new
    scheduler is stepped up to here (about 10 µs per step). The optimizer keeps its state.
    """
    if change.momentum and isinstance(optimizer, torch.optim.RMSprop):
        for parameter, state in optimizer.state.items():  # torch creates the buffer only at the first step
            state.setdefault("momentum_buffer", torch.zeros_like(parameter))
    for group in optimizer.param_groups:
        group.update({name: value for name, value in change.values.items() if name != "lr"})
    if change.lr is None:
        return scheduler
    for group in optimizer.param_groups:
        group["lr"] = change.lr
        group.pop("initial_lr", None)
    scheduler = build_scheduler(recipe, optimizer)
    for _ in range(change.step):
        scheduler.step()
    return scheduler


def preview_rates(recipe: Recipe) -> list[float]:
    """Preview the learning rate of every iteration, by stepping the run's own scheduler without training.

    Args:
        recipe: The run to preview, with its changes.

    Returns:
        `train_iter` rates; item k is the lr that iteration k + 1 uses.
    """
    weight = torch.zeros(1, requires_grad=True)
    optimizer = build_optimizer(recipe.optimizer, [weight])
    scheduler = build_scheduler(recipe, optimizer)
    # torch warns if a scheduler is stepped before its optimizer; a real step would import torch.compile (1 s)
    optimizer._opt_called = True  # type: ignore[attr-defined]
    changes = {change.step: change for change in recipe.changes}
    rates = []
    for step in range(recipe.train_iter):
        if step in changes:
            scheduler = apply_change(changes[step], recipe, optimizer, scheduler)
        rates.append(float(optimizer.param_groups[0]["lr"]))
        scheduler.step()
    return rates


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
    """Find parts of a schedule that the run never reaches, or that raise the learning rate again at its end."""
    scheduler = recipe.scheduler
    length = recipe.train_iter - scheduler.warmup_iters  # iterations after the warm-up
    if length <= 0:
        shorter = recipe.train_iter // 10
        return [_warn(recipe, messages.ENDS_IN_WARMUP, messages.SET_WARMUP, "warmup_iters", shorter)]
    if length == 1:
        return []  # the learning rate cannot change, whatever the schedule
    if isinstance(scheduler, StepLR) and scheduler.step_size >= length:
        return [_warn(recipe, messages.NEVER_DROPS, messages.SET_STEP_SIZE, "step_size", max(length // 3, 1))]
    if isinstance(scheduler, MultiStepLR) and scheduler.milestones[-1] >= length:
        reached = tuple(milestone for milestone in scheduler.milestones if milestone < length)
        milestones = reached or tuple(sorted({max(length // 2, 1), max(length * 5 // 6, 1)}))
        late = scheduler.milestones[len(reached)]
        shown = ", ".join(f"{milestone:,}" for milestone in milestones)
        text, fix_label = messages.ENDS_BEFORE_MILESTONE, messages.SET_MILESTONES
        return [_warn(recipe, text, fix_label, "milestones", milestones, late=late, shown=shown)]
    if isinstance(scheduler, CosineAnnealingLR) and scheduler.T_max < length - 1:
        rest = length - 1 - scheduler.T_max
        return [_warn(recipe, messages.RISES_AGAIN, messages.SET_T_MAX, "T_max", length, rest=rest)]
    if isinstance(scheduler, CosineAnnealingLR) and scheduler.T_max > length:
        return [_warn(recipe, messages.NEVER_REACHES_ETA_MIN, messages.SET_T_MAX, "T_max", length)]
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
