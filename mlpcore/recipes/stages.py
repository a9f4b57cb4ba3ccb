"""The torch schedulers that make up a recipe's schedule, for training and for the exported script."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.schedulers import CyclicLR, OneCycleLR, ReduceLROnPlateau, WarmupStableDecay


@dataclass(frozen=True)
class LrShare:
    """The optimizer's lr at the moment the scheduler is built, divided."""

    divisor: float = 1.0


@dataclass(frozen=True)
class Stage:
    """One scheduler of torch.optim.lr_scheduler; the next stage follows after `iterations`.

    role: What the exported script calls it.
    settings: Its arguments, by torch's names; an LrShare stands for a number.
    """

    role: str
    torch_name: str
    settings: Mapping[str, Any]
    iterations: int = 0  # of the last stage: it goes on


def list_stages(recipe: Recipe) -> list[Stage]:
    """List the stages of what steps with each iteration, in their order: at least one, a warm-up first.

    A ReduceLROnPlateau, which steps with each evaluation, is none of them: between its drops the rate stays as it is.
    """
    scheduler = recipe.scheduler
    stages, constant = [], {"factor": 1.0, "total_iters": 0}
    if scheduler.warmup_iters:
        warmup = {"start_factor": scheduler.start_factor, "total_iters": scheduler.warmup_iters}
        stages.append(Stage("warmup", "LinearLR", warmup, scheduler.warmup_iters))
    if isinstance(scheduler, WarmupStableDecay):
        stages.append(Stage("stable", "ConstantLR", constant, scheduler.stable_iters))
        line = {"start_factor": 1.0, "end_factor": scheduler.end_factor, "total_iters": scheduler.decay_iters}
        return [*stages, Stage("decay", "LinearLR", line)]
    if scheduler.name == "none" or isinstance(scheduler, ReduceLROnPlateau):
        return [*stages, Stage("scheduler", "ConstantLR", constant)]
    own = {"name", "warmup_iters"} | (set() if scheduler.name == "LinearLR" else {"start_factor"})
    settings = scheduler.model_dump(exclude=own)
    if isinstance(scheduler, OneCycleLR):
        length = recipe.train_iter - scheduler.warmup_iters
        settings |= {"max_lr": LrShare(), "total_steps": length, "cycle_momentum": False}
    if isinstance(scheduler, CyclicLR):
        base = LrShare(settings.pop("div_factor"))
        settings = {"base_lr": base, "max_lr": LrShare()} | settings
        settings["cycle_momentum"] = scheduler.cycles(recipe.optimizer)
    return [*stages, Stage("scheduler", scheduler.name, settings)]


def find_plateau(recipe: Recipe) -> Stage | None:
    """Return the ReduceLROnPlateau of a recipe, which steps with a loss and not with an iteration, if it has one."""
    if not isinstance(recipe.scheduler, ReduceLROnPlateau):
        return None
    settings = recipe.scheduler.model_dump(exclude={"name", "warmup_iters", "start_factor"})
    return Stage("plateau", recipe.scheduler.name, settings)


def count_known_rates(recipe: Recipe) -> int:
    """Count the iterations, from the first, whose rate no loss can change: all, but with a ReduceLROnPlateau.

    Its first evaluation after the warm-up is always the best so far, and then it lets `patience` of them pass.
    """
    if not isinstance(recipe.scheduler, ReduceLROnPlateau):
        return recipe.train_iter
    first = -(-max(recipe.scheduler.warmup_iters, 1) // recipe.eval_every) * recipe.eval_every
    return min(first + (recipe.scheduler.patience + 1) * recipe.eval_every, recipe.train_iter)
