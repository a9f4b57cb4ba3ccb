"""From a recipe to its learning-rate scheduler, its curve before training, and what looks wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from mlpcore.messages import N_, Sentence
from mlpcore.recipes.recipe import AnyScheduler, Change, Recipe
from mlpcore.training.optimizers import build_optimizer


def build_scheduler(recipe: Recipe, optimizer: Optimizer) -> LRScheduler:
    """Build the scheduler of `recipe`, to be stepped once an iteration, after `optimizer.step()`."""
    knobs = recipe.scheduler
    if knobs.warmup_iters == 0:
        return _build_main(knobs, recipe, optimizer)
    main = _build_main(knobs, recipe, optimizer)
    warmup = lr_scheduler.LinearLR(optimizer, start_factor=knobs.start_factor, total_iters=knobs.warmup_iters)
    return lr_scheduler.SequentialLR(optimizer, [warmup, main], milestones=[knobs.warmup_iters])


def _build_main(knobs: AnyScheduler, recipe: Recipe, optimizer: Optimizer) -> LRScheduler:
    settings = knobs.model_dump(exclude={"name", "warmup_iters", "start_factor"})
    if knobs.name == "none":
        return lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=0)
    if knobs.name == "OneCycleLR":
        settings |= {
            "max_lr": optimizer.param_groups[0]["lr"],
            "total_steps": recipe.train_iter - knobs.warmup_iters,
            "cycle_momentum": False,
        }
    return getattr(lr_scheduler, knobs.name)(optimizer, **settings)


def apply_change(change: Change, recipe: Recipe, optimizer: Optimizer, scheduler: LRScheduler) -> LRScheduler:
    """Set the changed knobs on `optimizer` and return the scheduler to go on with.

    From `change.step` on the rate is the one the schedule would have had, had it begun with the new lr: a scheduler
    built on the new lr is stepped up to here (about 10 µs a step). The optimizer's own state stays.
    """
    if change.momentum and isinstance(optimizer, torch.optim.RMSprop):
        for parameter, state in optimizer.state.items():  # torch makes the buffer at the first step only
            state.setdefault("momentum_buffer", torch.zeros_like(parameter))
    for group in optimizer.param_groups:
        group.update({knob: value for knob, value in change.values.items() if knob != "lr"})
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
    """Step the run's own scheduler without training: item k is the lr that iteration k + 1 will use."""
    weight = torch.zeros(1, requires_grad=True)
    optimizer = build_optimizer(recipe.optimizer, [weight])
    scheduler = build_scheduler(recipe, optimizer)
    # Torch warns of a scheduler that is stepped before its optimizer; a real step would import torch.compile, 1 s.
    optimizer._opt_called = True
    changes = {change.step: change for change in recipe.changes}
    rates = []
    for step in range(recipe.train_iter):
        if step in changes:
            scheduler = apply_change(changes[step], recipe, optimizer, scheduler)
        rates.append(float(optimizer.param_groups[0]["lr"]))
        scheduler.step()
    return rates


def find_drops(rates: Sequence[float]) -> list[int]:
    """Find where a rate falls at once, by a tenth or more: the first step (from 1) that uses each lower rate.

    A rate that was falling already is on a curve: the last 20 steps of a cosine each lose a tenth of what is left.
    """
    falls = [after < before for before, after in pairwise(rates)]
    steep = [after <= 0.9 * before for before, after in pairwise(rates)]
    return [
        place + 2 for place in range(len(falls)) if falls[place] and steep[place] and not (place and falls[place - 1])
    ]


@dataclass(frozen=True)
class ScheduleWarning:
    """Something legal but probably not meant, and the recipe that mends it."""

    sentence: Sentence
    mend: Sentence  # the button's label
    mended: Recipe


def find_warnings(recipe: Recipe) -> list[ScheduleWarning]:
    """Find the parts of a schedule that the run never reaches, or that bring the rate back up."""
    knobs = recipe.scheduler
    length = recipe.train_iter - knobs.warmup_iters  # iterations that are left to the schedule proper
    if length <= 0:
        return [
            _warn(
                N_("The warm-up takes {warmup_iters:,} iterations and the run {train_iter:,}: it never reaches lr."),
                N_("Warm up for {value:,}"),
                recipe,
                warmup_iters=recipe.train_iter // 10,
            )
        ]
    if length == 1:
        return []  # the rate has no time to move, whatever the schedule
    if knobs.name == "StepLR" and knobs.step_size >= length:
        return [
            _warn(
                N_("step_size is {step_size:,} and the run has {length:,} iterations: the rate never drops."),
                N_("Set step_size to {value:,}"),
                recipe,
                step_size=max(length // 3, 1),
            )
        ]
    if knobs.name == "MultiStepLR" and knobs.milestones[-1] >= length:
        return [_warn_of_milestones(recipe, length)]
    if knobs.name == "CosineAnnealingLR" and knobs.T_max < length - 1:
        text = N_("T_max is {T_max:,}: past it the rate climbs back, for the last {rest:,} of {length:,} iterations.")
        return [_warn(text, N_("Set T_max to {value:,}"), recipe, T_max=length)]
    if knobs.name == "CosineAnnealingLR" and knobs.T_max > length:
        text = N_("T_max is {T_max:,} and the run has {length:,} iterations: it ends before the rate reaches eta_min.")
        return [_warn(text, N_("Set T_max to {value:,}"), recipe, T_max=length)]
    return []


def _warn_of_milestones(recipe: Recipe, length: int) -> ScheduleWarning:
    milestones = recipe.scheduler.milestones
    inside = tuple(milestone for milestone in milestones if milestone < length)
    mended = inside or tuple(sorted({max(length // 2, 1), max(length * 5 // 6, 1)}))
    late = next(milestone for milestone in milestones if milestone >= length)
    return _warn(
        N_("The milestone {late:,} is past the run's {length:,} iterations: the rate never drops there."),
        N_("Set milestones to {shown}"),
        recipe,
        milestones=mended,
        late=late,
        shown=", ".join(f"{milestone:,}" for milestone in mended),
    )


def _warn(
    text: str, mend: str, recipe: Recipe, *, late: int = 0, shown: str = "", **knob: int | tuple
) -> ScheduleWarning:
    ((name, value),) = knob.items()
    length = recipe.train_iter - recipe.scheduler.warmup_iters
    values = recipe.scheduler.model_dump() | {"train_iter": recipe.train_iter, "length": length, "late": late}
    values["rest"] = length - 1 - values.get("T_max", 0)
    mended = recipe.scheduler.model_copy(update={name: value})
    return ScheduleWarning(
        sentence=Sentence(text, values),
        mend=Sentence(mend, {"value": value, "shown": shown}),
        mended=recipe.model_copy(update={"scheduler": mended}),
    )
