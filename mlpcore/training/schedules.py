"""The learning rate of a recipe's run, and its curve before training."""

from collections.abc import Mapping
from itertools import accumulate

import torch
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from mlpcore.recipes.recipe import Change, Recipe
from mlpcore.recipes.stages import LrShare, count_known_rates, find_plateau, list_stages
from mlpcore.training.optimizers import build_optimizer


class Schedule:
    """The schedule of a recipe, on an optimizer: step it after each iteration, and with the loss of each evaluation.

    scheduler: torch's, which steps with the iterations. plateau: torch's ReduceLROnPlateau, if the recipe has one.
    """

    def __init__(self, recipe: Recipe, optimizer: Optimizer) -> None:
        self._recipe, self._optimizer = recipe, optimizer
        self.scheduler = _build_scheduler(recipe, optimizer)
        stage = find_plateau(recipe)
        self.plateau = lr_scheduler.ReduceLROnPlateau(optimizer, **stage.settings) if stage else None

    @classmethod
    def without_training(cls, recipe: Recipe) -> "Schedule":
        """Build the schedule of a recipe on an optimizer that never steps, to see its rates."""
        parameters = [torch.zeros(shape, requires_grad=True) for shape in ((1, 1), (1,))]  # Muon takes matrices
        optimizer = build_optimizer(recipe.optimizer, parameters)
        schedule = cls(recipe, optimizer)
        # torch warns if a scheduler is stepped before its optimizer; a real step would import torch.compile (1 s)
        optimizer._opt_called = True  # type: ignore[attr-defined]
        return schedule

    @property
    def lr(self) -> float:
        """The rate of the next iteration."""
        return float(self._optimizer.param_groups[0]["lr"])

    def step(self) -> None:
        """Set the rate of the next iteration, after `optimizer.step()`."""
        self.scheduler.step()

    def step_evaluated(self, step: int, loss: float) -> None:
        """Let a ReduceLROnPlateau see the loss of the evaluation after `step` iterations, unless it still warms up."""
        if self.plateau is not None and step >= self._recipe.scheduler.warmup_iters:
            self.plateau.step(loss)

    def apply(self, change: Change) -> None:
        """Set changed hyperparameters on the optimizer, which keeps its state.

        From `change.step` on the learning rate is what the schedule would give if it had begun with the new lr: a new
        scheduler is stepped up to here (about 10 µs per step). A ReduceLROnPlateau goes on: the rate is scaled.
        """
        groups = self._optimizer.param_groups
        if change.momentum and isinstance(self._optimizer, torch.optim.RMSprop):
            for parameter, state in self._optimizer.state.items():  # torch creates the buffer only at the first step
                state.setdefault("momentum_buffer", torch.zeros_like(parameter))
        for group in groups:
            group.update({name: value for name, value in change.values.items() if name != "lr"})
        if change.lr is None:
            return
        scaled = [change.lr * (group["lr"] / group["initial_lr"]) for group in groups]
        for group in groups:
            group["lr"] = change.lr
            group.pop("initial_lr")
        self.scheduler = _build_scheduler(self._recipe, self._optimizer)
        for _ in range(change.step):
            self.scheduler.step()
        if self.plateau is not None:
            for group, lr in zip(groups, scaled, strict=True):
                group["lr"] = lr


def _build_scheduler(recipe: Recipe, optimizer: Optimizer) -> LRScheduler:
    """Build the torch scheduler that steps with the iterations."""
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


def preview_rates(recipe: Recipe, losses: Mapping[int, float] | None = None) -> list[float]:
    """Preview the learning rate of every iteration, by stepping the run's own schedule without training.

    Args:
        recipe: The run to preview, with its changes.
        losses: What a ReduceLROnPlateau sees at the evaluations, by their steps.

    Returns:
        `train_iter` rates; item k is the lr that iteration k + 1 uses. Of a ReduceLROnPlateau without `losses` only
        those that are known before training: up to the first evaluation that can lower the rate.
    """
    schedule = Schedule.without_training(recipe)
    changes = {change.step: change for change in recipe.changes}
    rates = []
    for step in range(count_known_rates(recipe) if losses is None else recipe.train_iter):
        if step in changes:
            schedule.apply(changes[step])
        rates.append(schedule.lr)
        schedule.step()
        if losses is not None and step + 1 in losses:
            schedule.step_evaluated(step + 1, losses[step + 1])
    return rates
