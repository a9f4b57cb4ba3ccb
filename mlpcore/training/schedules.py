"""The learning-rate scheduler of a recipe, and its curve before training."""

from itertools import accumulate

import torch
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from mlpcore.recipes.recipe import Change, Recipe
from mlpcore.recipes.stages import LrShare, list_stages
from mlpcore.training.optimizers import build_optimizer


def build_scheduler(recipe: Recipe, optimizer: Optimizer) -> LRScheduler:
    """Build the torch scheduler of a recipe, to be stepped once per iteration after `optimizer.step()`."""
    lr = optimizer.param_groups[0]["lr"]
    stages = list_stages(recipe)
    schedulers: list[LRScheduler] = []
    for stage in reversed(stages):  # so that a warm-up climbs to where the stage after it begins
        settings = {
            name: lr / value.divisor if isinstance(value, LrShare) else value for name, value in stage.settings.items()
        }
        schedulers.insert(0, getattr(lr_scheduler, stage.torch_name)(optimizer, **settings))
    if len(schedulers) == 1:
        return schedulers[0]
    milestones = list(accumulate(stage.iterations for stage in stages[:-1]))
    return lr_scheduler.SequentialLR(optimizer, schedulers, milestones=milestones)


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
    parameters = [torch.zeros(shape, requires_grad=True) for shape in ((1, 1), (1,))]  # Muon takes matrices
    optimizer = build_optimizer(recipe.optimizer, parameters)
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
