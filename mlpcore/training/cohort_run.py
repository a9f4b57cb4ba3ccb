"""One run of a lockstep cohort: its images and labels; it steps its own optimizer and schedule."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlpcore.data.batches import DeviceImages
from mlpcore.data.datasets import DrawnImages, draw_training_set
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.plane import MAP_SIDE, Surface
from mlpcore.runs.records import Evaluation
from mlpcore.runs.snapshots import FirstLayer, Snapshot
from mlpcore.seeds import build_generator
from mlpcore.training.evaluation import LossAndAccuracy, Metrics, weights_to_pixels
from mlpcore.training.health import StepHealth, shorten, step_measured
from mlpcore.training.optimizers import OptimizerStep, build_optimizer, effective_lr
from mlpcore.training.plane import build_grid, map_units, show_points
from mlpcore.training.schedules import Schedule

MAX_LAST_LOSSES = 100  # kept of a run that diverges
SAMPLE_SIZE = 2_000  # training images on which train_eval_loss and train_acc are measured


def draw_images(recipe: Recipe, images: DeviceImages) -> DrawnImages:
    """Draw the training images of a recipe, with their labels."""
    return draw_training_set(
        images.train,
        train_size=recipe.train_size,
        label_noise=recipe.label_noise,
        seed=recipe.seed,
        validation_size=recipe.validation_size,
    )


def draw_sample(recipe: Recipe, drawn: DrawnImages) -> tuple[Tensor, Tensor]:
    """Draw the training images on which a recipe is evaluated: their indices, and their (noisy) labels."""
    order = torch.randperm(len(drawn.indices), generator=build_generator(recipe.seed, "sample"))
    sample = order[:SAMPLE_SIZE]  # positions among the recipe's training images
    return drawn.indices[sample], drawn.labels[sample]


class CohortRun:
    """What one run of a cohort has of its own: training images, optimizer, schedule, losses since its evaluation.

    parameters: the weight and bias of each layer, views of the cohort's stacked parameters.
    """

    def __init__(self, recipe: Recipe, position: int, images: DeviceImages, parameters: Sequence[Tensor]) -> None:
        self.recipe = recipe
        self.position = position
        drawn = draw_images(recipe, images)
        self.indices, self.labels = drawn.indices, drawn.labels
        self.validation_indices, self.validation_labels = drawn.validation_indices, drawn.validation_labels
        self.sample_indices, self.sample_labels = draw_sample(recipe, drawn)
        self.parameters = parameters
        self.optimizer = build_optimizer(recipe.optimizer, parameters)
        self.step_optimizer = OptimizerStep(self.optimizer)
        self.schedule = Schedule(recipe, self.optimizer)
        self.average = None if recipe.average == "none" else WeightAverage(recipe, parameters)
        self.changes = list(recipe.changes)
        self.losses: list[float] = []
        self.lr = 0.0  # of the last iteration
        self.effective_lr: float | None = None  # of the last iteration before an evaluation, as the health
        self.step_health: StepHealth | None = None
        self.evaluation_count = 0
        self.classes, self.image_shape = images.test.classes, images.test.data.shape[1:]
        self.plane = None if images.limit is None else show_points(images, drawn)
        self.map_grid = None if images.limit is None else build_grid(images, MAP_SIDE)
        self.initial_units = self.draw_units()

    def step_optimizer_and_schedule(self, step: int) -> None:
        """Step the optimizer and the schedule, after the changes that are due once `step` iterations are done."""
        while self.changes and self.changes[0].step <= step:
            self.schedule.apply(self.changes.pop(0))
            self.step_optimizer.forget_states()
        self.lr = self.schedule.lr
        if self._is_scheduled(step + 1):
            self.effective_lr = effective_lr(self.optimizer)
            self.step_health = step_measured(self._step_weights, self.parameters)
        else:
            self._step_weights()
        self.schedule.step()
        if self.average is not None:
            self.average.update(step)

    def _step_weights(self) -> None:
        """Add the gradient of the L1 penalty, shorten the whole gradient to max_norm, and step the optimizer."""
        if self.recipe.l1_penalty:
            for weight in self.parameters[::2]:
                assert weight.grad is not None, "the pass before has computed it"
                weight.grad.add_(weight.detach().sign(), alpha=self.recipe.l1_penalty)
        if self.recipe.max_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.max_norm)
        self.step_optimizer()

    def evaluate(self, metrics: Metrics, averaged: LossAndAccuracy | None, step: int, seconds: float) -> Evaluation:
        """Build the evaluation after `step` iterations, and step the schedule with it; train_loss starts anew.

        averaged: What the averaged weights make of the test images, if there are any.
        """
        train_loss = math.fsum(self.losses) / len(self.losses)
        self.losses.clear()
        self.evaluation_count += 1
        assert self.step_health is not None, "every iteration before an evaluation is measured"
        evaluation = Evaluation(
            step=step,
            train_loss=train_loss,
            train_eval_loss=metrics.train.loss,
            train_acc=metrics.train.accuracy,
            test_loss=metrics.test.loss,
            test_acc=metrics.test.accuracy,
            lr=self.lr,
            seconds=seconds,
            weight_norms=metrics.weight_norms,
            val_loss=metrics.validation.loss if metrics.validation else None,
            val_acc=metrics.validation.accuracy if metrics.validation else None,
            effective_lr=self.effective_lr,
            gradient_norms=shorten(self.step_health.gradient_norms.tolist()),
            update_ratios=shorten(self.step_health.update_ratios.tolist()),
            stuck_units=metrics.stuck_units,
            avg_test_loss=averaged.loss if averaged and math.isfinite(averaged.loss) else None,
            avg_test_acc=averaged and averaged.accuracy,
        )
        self.schedule.step_evaluated(step, evaluation.followed_loss)
        return evaluation

    def draw_units(self) -> NDArray[np.uint8]:
        """Draw the first layer as images: its weights, or for points what its units answer over the plane."""
        if self.map_grid is None:
            return weights_to_pixels(self.parameters[0], self.image_shape)
        return map_units(self.parameters[0], self.parameters[1], self.recipe.activation, self.map_grid)

    def set_initial_surface(self, shares: NDArray[np.uint8]) -> None:
        """Keep what the initial weights make of the plane, for the first snapshot."""
        assert self.plane is not None, "only points have a plane"
        self.plane = replace(self.plane, surfaces=(Surface(0, 0, shares),))

    def take_snapshot(self, metrics: Metrics, step: int, test_labels: NDArray[Any]) -> Snapshot:
        """Take the snapshot that belongs to the newest evaluation; the first one includes the initial network."""
        first_layers = [FirstLayer(self.evaluation_count, step, self.draw_units())]
        if self.evaluation_count == 1:
            first_layers.insert(0, FirstLayer(0, 0, self.initial_units))
        plane = self.plane
        if plane is not None and metrics.shares is not None:
            earlier = plane.surfaces if self.evaluation_count == 1 else ()
            plane = replace(plane, surfaces=(*earlier, Surface(self.evaluation_count, step, metrics.shares)))
        predictions = metrics.top_classes, metrics.top_probabilities
        return Snapshot(step, self.classes, test_labels, *predictions, tuple(first_layers), plane)

    @property
    def last_losses(self) -> tuple[float, ...]:
        """The losses of the newest mini-batches since the last evaluation, without that of the last iteration."""
        return tuple(self.losses[:-1][-MAX_LAST_LOSSES:])

    def is_due(self, step: int) -> bool:
        """Whether the run is evaluated after `step` iterations; a run that has diverged is not."""
        return self._is_scheduled(step) and math.isfinite(self.losses[-1])

    def _is_scheduled(self, step: int) -> bool:
        return step % self.recipe.eval_every == 0 or step == self.recipe.train_iter


class WeightAverage:
    """Averages the parameters of a run after each iteration, as torch's AveragedModel does, bit for bit.

    Attributes:
        weights: The averages of `parameters`, in their order.
        count: How many iterations are in them; until one is, they are not to be used.
    """

    def __init__(self, recipe: Recipe, parameters: Sequence[Tensor]) -> None:
        """Begin with the run for EMA, and after its share `swa_start` for SWA; the recipe must ask for one of them."""
        from torch.optim.swa_utils import get_ema_multi_avg_fn, get_swa_multi_avg_fn  # with all of torch.compile: 1 s

        is_ema = recipe.average == "EMA"
        self._parameters = list(parameters)
        build: Any = get_ema_multi_avg_fn if is_ema else get_swa_multi_avg_fn
        self._update = build(recipe.ema_decay) if is_ema else build()
        self._begin = 0 if is_ema else recipe.swa_begin
        self.weights = [parameter.detach().clone() for parameter in parameters]
        self.count = 0

    def update(self, step: int) -> None:
        """Take in the parameters after the iteration that followed `step` of them."""
        if step < self._begin:
            return
        if self.count:
            self._update(self.weights, self._parameters, torch.tensor(self.count))
        else:
            torch._foreach_copy_(self.weights, self._parameters)
        self.count += 1
