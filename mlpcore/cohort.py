"""Training as a generator: recipes in lockstep on the same images, one forward and backward pass for all of them."""

import math
import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mlpcore.batches import BatchStream, DeviceImages
from mlpcore.capture import CapturedPass
from mlpcore.models import build_model
from mlpcore.network import StackedMLP
from mlpcore.recipe import Change, Recipe
from mlpcore.runs import Evaluation, RunStatus
from mlpcore.seeds import build_generator
from mlpcore.seeing import draw_units, rank_classes
from mlpcore.sights import Frame, Sight
from mlpcore.trainee import Trainee

SLICE_SECONDS = 0.03  # the driver gets control back this often, or every step, whichever is longer
EVALUATION_BATCH = 500  # images at a time: normalised they are 6 MB and stay in the cache

Measures = tuple[float | None, float | None]  # loss, accuracy
Batch = tuple[list[tuple[Tensor, slice]], Tensor]  # images and the rows that read them; labels (K, B)
Ranking = tuple[np.ndarray, np.ndarray]  # of a batch: the likeliest classes and their probabilities, (K, B, k)


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
    sights: Mapping[int, Sight] = field(default_factory=dict)  # of the same runs: what is new since the last
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
        sights: dict[int, Sight] = {}
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
                evaluations, sights = yield from cohort.evaluate(due, step, clock)
                over |= {member.position: RunStatus.DIVERGED for member in due if member.position not in evaluations}
        cohort.remove(over)
        yield from cohort.offer(Progress(step, clock.read(), evaluations, sights, over), clock)
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


class _Cohort:
    """The runs still training, the network that holds the parameters of all of them, and their mini-batches."""

    def __init__(self, recipes: Sequence[Recipe], images: DeviceImages, device: torch.device) -> None:
        members = [Trainee(recipe, position, images) for position, recipe in enumerate(recipes)]
        self.members = sorted(members, key=lambda member: member.recipe.seed)  # equal seeds side by side
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
        batches = {seed: next(self.streams[seed]) for seed in self._rows()}
        inputs = self._pair({seed: images for seed, (_, images) in batches.items()})
        labels = torch.stack([member.labels[batches[member.recipe.seed][0]] for member in self.members])
        uniform = self._draw_uniform(labels.shape[1])
        losses = self.run_pass(inputs, labels.to(self.images.mean.device), uniform)
        for member, loss in zip(self.members, losses.tolist(), strict=True):
            member.losses.append(loss)
            member.update(step)

    def evaluate(
        self, due: Sequence[Trainee], step: int, clock: _Clock
    ) -> Offers[tuple[dict[int, Evaluation], dict[int, Sight]]]:
        """Measure the runs that are due, by position; one whose numbers are not finite any more is left out."""
        rankings: list[Ranking] = []
        on_train = yield from self._measure(self._sample_batches(), step, clock)
        on_test = yield from self._measure(self._test_batches(), step, clock, rankings)
        on_validation = yield from self._measure(self._validation_batches(), step, clock)
        norms = self.network.weight_norms()
        likeliest, shares = (np.concatenate(parts, axis=1) for parts in zip(*rankings, strict=True))
        evaluations, sights = {}, {}
        rows = zip(self.members, on_train, on_test, on_validation, norms, strict=True)
        for row, (
            member,
            (train_eval_loss, train_acc),
            (test_loss, test_acc),
            (val_loss, val_acc),
            weight_norms,
        ) in enumerate(rows):
            measured = (train_eval_loss, test_loss, val_loss or 0.0, *weight_norms)
            if member not in due or not all(map(math.isfinite, measured)):
                continue
            evaluations[member.position] = Evaluation(
                step=step,
                train_loss=math.fsum(member.losses) / len(member.losses),
                train_eval_loss=train_eval_loss,
                train_acc=train_acc,
                test_loss=test_loss,
                test_acc=test_acc,
                lr=member.lr,
                seconds=clock.read(),
                weight_norms=weight_norms,
                val_loss=val_loss,
                val_acc=val_acc,
            )
            member.losses.clear()
            sights[member.position] = self._look(row, step, likeliest[row], shares[row])
        return evaluations, sights

    def _look(self, row: int, step: int, likeliest: np.ndarray, shares: np.ndarray) -> Sight:
        """Make the sight of a run that was just evaluated; the first one has the initial weights too."""
        member = self.members[row]
        member.evaluated += 1
        frames = [Frame(member.evaluated, step, self._draw_units(row))]
        if member.evaluated == 1:
            frames.insert(0, Frame(0, 0, member.initial_units))
        # copies: a slice would keep what all runs of the cohort saw
        return Sight(step, self.images.test.classes, self.test_labels, likeliest.copy(), shares.copy(), tuple(frames))

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
        if not rows:
            return
        self.network.keep(rows)
        for row, member in enumerate(self.members):
            for parameter, moved in zip(member.parameters, self.network.parameters(row), strict=True):
                parameter.data, parameter.grad = moved.data, moved.grad

    def _rows(self) -> dict[int, slice]:
        """The rows of the network that belong to each seed still there."""
        seeds = [member.recipe.seed for member in self.members]
        return {seed: slice(seeds.index(seed), seeds.index(seed) + seeds.count(seed)) for seed in dict.fromkeys(seeds)}

    def _pair(self, images: Mapping[int, Tensor]) -> list[tuple[Tensor, slice]]:
        """Pair each seed's images with the rows that read them."""
        return [(images[seed], rows) for seed, rows in self._rows().items()]

    def _draw_uniform(self, batch_size: int) -> Tensor | None:
        """Draw what dropout compares with its rate, (K, B, last hidden size): the same for runs of one seed."""
        if not self.network.drops:
            return None
        shape = (batch_size, self.network.weights[-1].shape[2])
        drawn = {}
        for seed, rows in self._rows().items():
            generator = self.dropout_generators[seed]
            uniform = torch.rand(shape, generator=generator, device=generator.device)
            drawn[seed] = uniform.expand(rows.stop - rows.start, -1, -1)
        return next(iter(drawn.values())) if len(drawn) == 1 else torch.cat(list(drawn.values()))

    def _test_batches(self) -> Iterator[Batch]:
        for images, labels in zip(
            self.images.test_images.split(EVALUATION_BATCH),
            self.images.test_labels.split(EVALUATION_BATCH),
            strict=True,
        ):
            yield [(self.images.normalise(images), slice(None))], labels.expand(len(self.members), -1)

    def _sample_batches(self) -> Iterator[Batch]:
        return self._train_batches(
            {m.recipe.seed: m.indices[m.sample] for m in self.members}, [m.labels[m.sample] for m in self.members]
        )

    def _validation_batches(self) -> Iterator[Batch]:
        return self._train_batches(
            {m.recipe.seed: m.validation_indices for m in self.members}, [m.validation_labels for m in self.members]
        )

    def _train_batches(self, indices: Mapping[int, Tensor], labels: Sequence[Tensor]) -> Iterator[Batch]:
        """Cut training images, of each seed its own, and the labels that each member has for them."""
        for start in range(0, len(labels[0]), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            inputs = self._pair({seed: self.images.read_train(rows[part]) for seed, rows in indices.items()})
            yield inputs, torch.stack([own[part] for own in labels]).to(self.images.mean.device)

    def _measure(
        self, batches: Iterator[Batch], step: int, clock: _Clock, rankings: list[Ranking] | None = None
    ) -> Offers[list[Measures]]:
        """Measure the mean loss and the accuracy of every member in eval mode; None and None without images.

        The likeliest classes of each batch are added to `rankings`.
        """
        losses, hits, count = [], 0, 0
        for inputs, labels in batches:
            logits = self.network.forward(inputs)
            each = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)
            each = each.cpu()  # not every device knows float64
            losses.append(torch.stack([own.sum(dtype=torch.float64) for own in each]))
            predicted = logits.argmax(dim=2)
            hits = hits + (predicted == labels).sum(dim=1)
            if rankings is not None:
                rankings.append(rank_classes(logits, predicted))
            count += labels.shape[1]
            if clock.is_up:
                yield from self.offer(Progress(step, clock.read()), clock)
        if not count:
            return [(None, None)] * len(self.members)
        # exactly rounded: how torch orders a sum over the batches depends on how many runs stand beside each other
        totals = [math.fsum(own) for own in torch.stack(losses).t().tolist()]
        return [(total / count, hit / count) for total, hit in zip(totals, hits.tolist(), strict=True)]
