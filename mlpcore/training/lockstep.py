"""Train runs in lockstep, as a generator that yields their progress.

One forward and backward pass serves all runs. Runs with the same seed read the same batches.
"""

import math
import time
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from mlpcore.data.batches import BatchStream, DeviceImages
from mlpcore.recipes.recipe import Change, Recipe
from mlpcore.runs.kernel_rule import KernelRule
from mlpcore.runs.records import Evaluation, RunStatus
from mlpcore.runs.snapshots import Snapshot
from mlpcore.seeds import build_generator
from mlpcore.training.cohort_run import CohortRun
from mlpcore.training.evaluation import (
    LossAndAccuracy,
    Measurement,
    MetricAccumulator,
    Metrics,
    iterate_test_batches,
    iterate_train_batches,
    stack_weights,
)
from mlpcore.training.kernels.cuda_graph import CapturedPass
from mlpcore.training.kernels.matmul import choose_rule
from mlpcore.training.models import build_model
from mlpcore.training.plane import compute_surfaces, iterate_grid
from mlpcore.training.stacked_mlp import StackedMLP

SLICE_SECONDS = 0.03  # the caller gets control back this often or after every step, whichever takes longer


@dataclass(frozen=True)
class ChangeRun:
    """Sent in: the run at `position` uses other hyperparameters from the step of `change` on."""

    position: int
    change: Change


@dataclass(frozen=True)
class RemoveRun:
    """Sent in: the run at `position` stops training; the others are not affected."""

    position: int


Command = ChangeRun | RemoveRun


@dataclass(frozen=True)
class Progress:
    """Yielded: the iterations done, and the evaluations and ends of runs since the last time; keys are positions."""

    step: int
    seconds: float  # spent training and evaluating
    evaluations: Mapping[int, Evaluation] = field(default_factory=dict)
    snapshots: Mapping[int, Snapshot] = field(default_factory=dict)  # of the runs that were evaluated
    over: Mapping[int, RunStatus] = field(default_factory=dict)  # finished or diverged
    last_losses: Mapping[int, tuple[float, ...]] = field(default_factory=dict)  # of the runs that diverged
    pending: Collection[int] = ()  # runs whose evaluation after this step is not complete


Result = TypeVar("Result")
ProgressGenerator = Generator[Progress, Sequence[Command] | None, Result]


def cohort_key(recipe: Recipe) -> tuple[object, ...]:
    """Return what recipes must agree on to train in one cohort, besides the rule for their matrix products."""
    data = (recipe.data, recipe.train_size, recipe.validation_size, recipe.batch_size)
    return (*data, recipe.hidden_sizes, recipe.activation, recipe.precision, recipe.device)


def train_cohort(
    recipes: Sequence[Recipe], images: DeviceImages, *, device: torch.device, rule: KernelRule | None = None
) -> ProgressGenerator[None]:
    """Train recipes in lockstep and yield their evaluations.

    Every run has the history that it would have alone: bit for bit on the CPU. To pause, do not ask for the next
    item; to stop, close the generator. Every `send` goes on training, so all commands go into one of them.

    Args:
        recipes: What to train. They must agree in `cohort_key`; positions in what is yielded and sent count from here.
        images: Their data set, on `device`.
        device: Where to compute.
        rule: Which library computes which matrix product on the CPU. Default: the fastest rule for this machine.

    Raises:
        ValueError: A recipe does not fit the images.
    """
    cohort = Cohort(recipes, images, device, rule or choose_rule())
    clock, step = _Clock(), 0
    while cohort.runs:
        evaluations: dict[int, Evaluation] = {}
        snapshots: dict[int, Snapshot] = {}
        over: dict[int, RunStatus] = {}
        while True:
            cohort.train_step(step)
            step += 1
            for run in cohort.runs:
                if not math.isfinite(run.losses[-1]):
                    over[run.position] = RunStatus.DIVERGED
                elif step == run.recipe.train_iter:
                    over[run.position] = RunStatus.FINISHED
            due = [run for run in cohort.runs if run.is_due(step)]
            if due:
                evaluations, snapshots = yield from cohort.evaluate(due, step, clock)
                over |= {run.position: RunStatus.DIVERGED for run in due if run.position not in evaluations}
            if evaluations or over or clock.is_slice_over:
                break
        last_losses = {
            run.position: run.last_losses for run in cohort.runs if over.get(run.position) is RunStatus.DIVERGED
        }
        cohort.remove(over)
        progress = Progress(step, clock.read(), evaluations, snapshots, over, last_losses)
        yield from cohort.yield_progress(progress, clock)
        cohort.apply_commands()


class _Clock:
    """Measures the seconds spent working, without pauses, and whether the current time slice is over."""

    def __init__(self) -> None:
        self._before = 0.0
        self._resumed = time.perf_counter()

    @property
    def is_slice_over(self) -> bool:
        return time.perf_counter() - self._resumed >= SLICE_SECONDS

    def read(self) -> float:
        return self._before + time.perf_counter() - self._resumed

    def pause(self) -> None:
        self._before = self.read()

    def resume(self) -> None:
        self._resumed = time.perf_counter()


def _find_rows(seeds: Sequence[int]) -> dict[int, slice]:
    """Find the rows of the stacked network that belong to each seed; equal seeds stand side by side."""
    return {seed: slice(seeds.index(seed), seeds.index(seed) + seeds.count(seed)) for seed in dict.fromkeys(seeds)}


def find_slices(rows: Sequence[int]) -> list[slice]:
    """Find the slices that cover these ascending rows and no others."""
    slices: list[slice] = []
    for row in rows:
        if slices and slices[-1].stop == row:
            slices[-1] = slice(slices[-1].start, row + 1)
        else:
            slices.append(slice(row, row + 1))
    return slices


class Cohort:
    """The runs that still train, the stacked network with the parameters of all of them, and their mini-batches.

    Runs of one seed read the same batches. They are rows side by side in the network, which reads each batch once.
    """

    def __init__(self, recipes: Sequence[Recipe], images: DeviceImages, device: torch.device, rule: KernelRule) -> None:
        self.images = images
        shape = images.train_images.shape[1], len(images.train.classes)
        order = sorted(range(len(recipes)), key=lambda position: recipes[position].seed)
        models = [build_model(recipes[position], *shape) for position in order]
        smoothing = [recipes[position].label_smoothing for position in order]
        precision = recipes[0].precision
        self.network = StackedMLP(models, device=device, rule=rule, precision=precision, label_smoothing=smoothing)
        self.run_pass = CapturedPass(self.network) if device.type == "cuda" else self.network.forward_backward
        self.runs = [
            CohortRun(recipes[position], position, images, self.network.parameters(row))
            for row, position in enumerate(order)
        ]
        for run, shares in zip(self.runs, compute_surfaces(self.network, images), strict=False):  # none for images
            run.set_initial_surface(shares)
        self.rows = self._find_rows()
        self.commands: list[Command] = []
        self.test_labels = images.test_labels.cpu().numpy().astype(np.min_scalar_type(shape[1] - 1))
        first = {run.recipe.seed: run for run in self.runs}
        self.streams = {seed: BatchStream(images, run.indices, run.recipe) for seed, run in first.items()}
        self.dropout_generators = {seed: build_generator(seed, "dropout", device=device) for seed in first}

    @torch.inference_mode()  # autograd's bookkeeping would be 5 to 10 % of a step
    def train_step(self, step: int) -> None:
        """Run one iteration of every run, after `step` of them."""
        batches = {seed: next(self.streams[seed]) for seed in self.rows}
        inputs = [(batches[seed][1], rows) for seed, rows in self.rows.items()]
        labels = torch.stack([run.labels[batches[run.recipe.seed][0]] for run in self.runs])
        uniform = self._draw_uniform(labels.shape[1])
        losses = self.run_pass(inputs, labels.to(self.images.mean.device), uniform)
        for row, (run, loss) in enumerate(zip(self.runs, losses.tolist(), strict=True)):
            run.losses.append(loss)
            self.network.complete_gradients(row)
            run.step_optimizer_and_schedule(step)

    def evaluate(
        self, due: Sequence[CohortRun], step: int, clock: _Clock
    ) -> ProgressGenerator[tuple[dict[int, Evaluation], dict[int, Snapshot]]]:
        """Evaluate the runs that are due, by position; a run whose metrics are not finite is left out."""
        pending = Progress(step, 0.0, pending=frozenset(run.position for run in due))
        evaluations: dict[int, Evaluation] = {}
        snapshots: dict[int, Snapshot] = {}
        for networks in find_slices([row for row, run in enumerate(self.runs) if run in due]):
            metrics = yield from self._measure(networks, pending, clock)
            averaged = yield from self._measure_averages(self.runs[networks], pending, clock)
            for run, measured in zip(self.runs[networks], metrics, strict=True):
                if measured.is_finite:
                    evaluations[run.position] = run.evaluate(measured, averaged.get(run), step, clock.read())
                    snapshots[run.position] = run.take_snapshot(measured, step, self.test_labels)
        return evaluations, snapshots

    def _measure(self, networks: slice, pending: Progress, clock: _Clock) -> ProgressGenerator[list[Metrics]]:
        """Measure networks side by side, and give control to the caller between batches."""
        measurement = Measurement(self.network.view(networks))
        runs = self.runs[networks]
        rows = _find_rows([run.recipe.seed for run in runs])
        sample = [run.sample_indices for run in runs], [run.sample_labels for run in runs]
        held_out = [run.validation_indices for run in runs], [run.validation_labels for run in runs]
        work: list[tuple[Callable[..., None], Iterable[tuple[object, ...]]]] = [
            (measurement.train.add_batch, iterate_train_batches(self.images, *sample, rows)),
            (measurement.test.add_batch, iterate_test_batches(self.images, len(runs))),
            (measurement.validation.add_batch, iterate_train_batches(self.images, *held_out, rows)),
            (measurement.surfaces.add_batch, iterate_grid(self.images)),
        ]
        for add_batch, batches in work:
            yield from self._add_batches(add_batch, batches, pending, clock)
        return measurement.compute()

    def _measure_averages(
        self, runs: Sequence[CohortRun], pending: Progress, clock: _Clock
    ) -> ProgressGenerator[dict[CohortRun, LossAndAccuracy]]:
        """Measure the averaged weights of those of these runs that have some on the test images."""
        averages = {run: run.average.weights for run in runs if run.average is not None and run.average.count}
        if not averages:
            return {}
        test = MetricAccumulator(stack_weights(self.network, [*averages.values()]))
        yield from self._add_batches(test.add_batch, iterate_test_batches(self.images, len(averages)), pending, clock)
        return dict(zip(averages, test.compute(), strict=True))

    def _add_batches(
        self, add_batch: Callable[..., None], batches: Iterable[tuple[object, ...]], pending: Progress, clock: _Clock
    ) -> ProgressGenerator[None]:
        for batch in batches:
            add_batch(*batch)
            del batch  # before the next one is read
            if clock.is_slice_over:
                yield from self.yield_progress(replace(pending, seconds=clock.read()), clock)

    def yield_progress(self, progress: Progress, clock: _Clock) -> ProgressGenerator[None]:
        """Give control to the caller, and keep the commands it sends until the next step."""
        clock.pause()
        commands = yield progress
        clock.resume()
        self.commands += commands or ()

    def apply_commands(self) -> None:
        """Apply the commands that were sent in."""
        for command in self.commands:
            if isinstance(command, RemoveRun):
                self.remove([command.position])
            else:
                for run in self.runs:
                    if run.position == command.position:
                        run.changes.append(command.change)
        self.commands.clear()

    def remove(self, positions: Collection[int]) -> None:
        """Remove runs; the parameters of the others move together in memory, and their optimizers follow."""
        rows = [row for row, run in enumerate(self.runs) if run.position not in positions]
        if len(rows) == len(self.runs):
            return
        self.runs = [self.runs[row] for row in rows]
        self.rows = self._find_rows()
        if rows:
            self.network.keep_rows(rows)

    def _find_rows(self) -> dict[int, slice]:
        return _find_rows([run.recipe.seed for run in self.runs])

    def _draw_uniform(self, batch_size: int) -> Tensor | None:
        """Draw the numbers that dropout compares with its rate, (K, B, last hidden size): the same for equal seeds."""
        if not self.network.has_dropout:
            return None
        shape = (batch_size, self.network.weights[-1].shape[2])
        drawn = []
        for seed, rows in self.rows.items():
            generator = self.dropout_generators[seed]
            uniform = torch.rand(shape, generator=generator, device=generator.device)
            drawn.append(uniform.expand(rows.stop - rows.start, -1, -1))
        return drawn[0] if len(drawn) == 1 else torch.cat(drawn)
