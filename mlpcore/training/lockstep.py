"""Training as a generator: recipes in lockstep on the same images, one forward and backward pass for all of them."""

import math
import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from mlpcore.data.batches import BatchStream, DeviceImages
from mlpcore.recipes.recipe import Change, Recipe
from mlpcore.runs.records import Evaluation, RunStatus
from mlpcore.runs.snapshots import Frame, Snapshot
from mlpcore.seeds import build_generator
from mlpcore.training.cohort_run import CohortRun
from mlpcore.training.cuda_graph import CapturedPass
from mlpcore.training.evaluation import Batch, Tally, cut_test, cut_train, draw_units
from mlpcore.training.models import build_model
from mlpcore.training.stacked_mlp import StackedMLP

SLICE_SECONDS = 0.03  # the driver gets control back this often, or every step, whichever is longer


@dataclass(frozen=True)
class Edit:
    """Sent in: from the step of `change` on, the run at `position` goes on with other knobs."""

    position: int
    change: Change


@dataclass(frozen=True)
class Leave:
    """Sent in: the run at `position` stops; the others go on as if it had never been there."""

    position: int


@dataclass(frozen=True)
class Progress:
    """Yielded: the iterations done, what was measured since the last time, and which runs are over."""

    step: int
    seconds: float  # spent training and evaluating
    evaluations: Mapping[int, Evaluation] = field(default_factory=dict)  # by position
    snapshots: Mapping[int, Snapshot] = field(default_factory=dict)  # of the same runs: what is new since the last
    over: Mapping[int, RunStatus] = field(default_factory=dict)  # finished or diverged, by position


Result = TypeVar("Result")
Offers = Generator[Progress, Sequence[Edit | Leave] | None, Result]


def cohort_key(recipe: Recipe) -> tuple:
    """What recipes must agree on to train in one cohort."""
    data = (recipe.dataset, recipe.train_size, recipe.validation_size, recipe.batch_size)
    return (*data, recipe.hidden_sizes, recipe.activation, recipe.device)


def train_cohort(recipes: Sequence[Recipe], images: DeviceImages, *, device: torch.device) -> Offers[None]:
    """Train `recipes`, which agree in `cohort_key`, and yield what is measured.

    Not asking for the next item is pausing, closing is stopping; what else is wanted is sent in, all of it at once,
    since training goes on at every send. Every run's history is
    the one it would have alone: bit for bit on the CPU.

    Raises ValueError where a recipe does not fit the images.
    """
    cohort = _Cohort(recipes, images, device)
    clock = _Clock()
    step = 0
    while cohort.members:
        evaluations: dict[int, Evaluation] = {}
        snapshots: dict[int, Snapshot] = {}
        over: dict[int, RunStatus] = {}
        while not evaluations and not over and not clock.is_up:
            cohort.train_step(step)
            step += 1
            for member in cohort.members:
                if not math.isfinite(member.losses[-1]):
                    over[member.position] = RunStatus.DIVERGED
                elif step == member.recipe.train_iter:
                    over[member.position] = RunStatus.FINISHED
            due = [member for member in cohort.members if member.is_due(step)]
            if due:
                evaluations, snapshots = yield from cohort.evaluate(due, step, clock)
                over |= {member.position: RunStatus.DIVERGED for member in due if member.position not in evaluations}
        cohort.remove(over)
        yield from cohort.offer(Progress(step, clock.read(), evaluations, snapshots, over), clock)
        cohort.obey()


class _Clock:
    """Seconds spent working, and whether the current slice of them is used up."""

    def __init__(self) -> None:
        self._before = 0.0
        self._resumed = time.perf_counter()

    @property
    def is_up(self) -> bool:
        return time.perf_counter() - self._resumed >= SLICE_SECONDS

    def read(self) -> float:
        return self._before + time.perf_counter() - self._resumed

    def pause(self) -> None:
        self._before = self.read()

    def resume(self) -> None:
        self._resumed = time.perf_counter()


def _find_rows(members: Sequence[CohortRun]) -> dict[int, slice]:
    """Find the rows of the network that belong to each seed."""
    seeds = [member.recipe.seed for member in members]
    return {seed: slice(seeds.index(seed), seeds.index(seed) + seeds.count(seed)) for seed in dict.fromkeys(seeds)}


class _Cohort:
    """The runs still training, the network that holds the parameters of all of them, and their mini-batches."""

    def __init__(self, recipes: Sequence[Recipe], images: DeviceImages, device: torch.device) -> None:
        members = [CohortRun(recipe, position, images) for position, recipe in enumerate(recipes)]
        self.members = sorted(members, key=lambda member: member.recipe.seed)  # equal seeds side by side
        self.rows = _find_rows(self.members)
        self.images = images
        self.sent: list[Edit | Leave] = []
        shape = images.train_images.shape[1], len(images.train.classes)
        self.network = StackedMLP([build_model(member.recipe, *shape) for member in self.members], device=device)
        self.run_pass = CapturedPass(self.network) if device.type == "cuda" else self.network.forward_backward
        for row, member in enumerate(self.members):
            member.attach(self.network.parameters(row))
            member.initial_units = self._draw_units(row)
        self.test_labels = images.test_labels.cpu().numpy().astype(np.min_scalar_type(shape[1] - 1))
        first = {member.recipe.seed: member for member in self.members}
        self.streams = {seed: BatchStream(images, member.indices, member.recipe) for seed, member in first.items()}
        self.dropout_generators = {seed: build_generator(seed, "dropout", device=device) for seed in first}

    def train_step(self, step: int) -> None:
        """Take one iteration of every run; `step` of them are done."""
        batches = {seed: next(self.streams[seed]) for seed in self.rows}
        inputs = [(batches[seed][1], rows) for seed, rows in self.rows.items()]
        labels = torch.stack([member.labels[batches[member.recipe.seed][0]] for member in self.members])
        uniform = self._draw_uniform(labels.shape[1])
        losses = self.run_pass(inputs, labels.to(self.images.mean.device), uniform)
        for member, loss in zip(self.members, losses.tolist(), strict=True):
            member.losses.append(loss)
            member.update(step)

    def evaluate(
        self, due: Sequence[CohortRun], step: int, clock: _Clock
    ) -> Offers[tuple[dict[int, Evaluation], dict[int, Snapshot]]]:
        """Measure the runs that are due, by position; one whose numbers are not finite any more is left out."""
        images, members = self.images, self.members
        sample = [member.sample_indices for member in members], [member.sample_labels for member in members]
        held_out = [member.validation_indices for member in members], [member.validation_labels for member in members]
        train = yield from self._tally(cut_train(images, *sample, self.rows), step, clock)
        test = yield from self._tally(cut_test(images, len(members)), step, clock, ranks=True)
        validation = yield from self._tally(cut_train(images, *held_out, self.rows), step, clock)
        norms = self.network.weight_norms()
        likeliest, shares = test.rank()
        evaluations, snapshots = {}, {}
        measures = zip(train.measure(), test.measure(), validation.measure(), norms, strict=True)
        for row, (on_train, on_test, on_validation, weight_norms) in enumerate(measures):
            member = members[row]
            measured = (on_train.loss, on_test.loss, on_validation.loss or 0.0, *weight_norms)
            if member not in due or not all(map(math.isfinite, measured)):
                continue
            evaluations[member.position] = Evaluation(
                step=step,
                train_loss=math.fsum(member.losses) / len(member.losses),
                train_eval_loss=on_train.loss,
                train_acc=on_train.accuracy,
                test_loss=on_test.loss,
                test_acc=on_test.accuracy,
                lr=member.lr,
                seconds=clock.read(),
                weight_norms=weight_norms,
                val_loss=on_validation.loss,
                val_acc=on_validation.accuracy,
            )
            member.losses.clear()
            snapshots[member.position] = self._look(row, step, likeliest[row], shares[row])
        return evaluations, snapshots

    def _look(self, row: int, step: int, likeliest: np.ndarray, shares: np.ndarray) -> Snapshot:
        """Make the snapshot of a run that was just evaluated; the first one has the initial weights too."""
        member = self.members[row]
        member.evaluated += 1
        frames = [Frame(member.evaluated, step, self._draw_units(row))]
        if member.evaluated == 1:
            frames.insert(0, Frame(0, 0, member.initial_units))
        # copies: a slice would keep what all runs of the cohort saw
        return Snapshot(
            step, self.images.test.classes, self.test_labels, likeliest.copy(), shares.copy(), tuple(frames)
        )

    def _draw_units(self, row: int) -> np.ndarray:
        return draw_units(self.network.weights[0][row], self.images.test.data.shape[1:])

    def offer(self, progress: Progress, clock: _Clock) -> Offers[None]:
        """Give the driver control, and keep what it sends in until the next step."""
        clock.pause()
        sent = yield progress
        clock.resume()
        self.sent += sent or ()

    def obey(self) -> None:
        """Do what was sent in."""
        for sent in self.sent:
            if isinstance(sent, Leave):
                self.remove([sent.position])
            else:
                for member in self.members:
                    if member.position == sent.position:
                        member.changes.append(sent.change)
        self.sent.clear()

    def remove(self, positions: Collection[int]) -> None:
        """Take runs out; the parameters of the others move together, their optimizers follow."""
        rows = [row for row, member in enumerate(self.members) if member.position not in positions]
        if len(rows) == len(self.members):
            return
        self.members = [self.members[row] for row in rows]
        self.rows = _find_rows(self.members)
        if not rows:
            return
        self.network.keep(rows)
        for row, member in enumerate(self.members):
            for parameter, moved in zip(member.parameters, self.network.parameters(row), strict=True):
                parameter.data, parameter.grad = moved.data, moved.grad

    def _draw_uniform(self, batch_size: int) -> Tensor | None:
        """Draw what dropout compares with its rate, (K, B, last hidden size): the same for runs of one seed."""
        if not self.network.drops:
            return None
        shape = (batch_size, self.network.weights[-1].shape[2])
        drawn = {}
        for seed, rows in self.rows.items():
            generator = self.dropout_generators[seed]
            uniform = torch.rand(shape, generator=generator, device=generator.device)
            drawn[seed] = uniform.expand(rows.stop - rows.start, -1, -1)
        return next(iter(drawn.values())) if len(drawn) == 1 else torch.cat(list(drawn.values()))

    def _tally(self, batches: Iterator[Batch], step: int, clock: _Clock, *, ranks: bool = False) -> Offers[Tally]:
        """Take the networks through batches in eval mode, giving the driver control between them."""
        tally = Tally(self.network, ranks=ranks)
        for inputs, labels in batches:
            tally.add(inputs, labels)
            if clock.is_up:
                yield from self.offer(Progress(step, clock.read()), clock)
        return tally
