"""Train a recipe once more, only to look at its network on the way: nothing is evaluated and nothing is stored."""

import math
import time
from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from mlpcore.data.batches import DeviceImages
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.kernel_rule import KernelRule
from mlpcore.runs.records import Run
from mlpcore.training.kernels.matmul import usable_rule, widest_float
from mlpcore.training.lockstep import SLICE_SECONDS, Cohort
from mlpcore.training.messages import NOT_REPEATABLE, NOTHING_TO_REPLAY, REPLAY_DIFFERS, REPLAY_NOT_YET
from mlpcore.training.reproducibility import Repeatability, compare_environment

SAME = 1e-12  # how far two norms of the same weights may be apart: threads add them up in different orders


@dataclass(frozen=True, eq=False)
class Replayed:
    """The network of a run after `step` iterations: weights (out, in) and biases (out,), first layer first.

    They are copies: training goes on without changing them.
    """

    step: int
    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    @property
    def parameters(self) -> list[Tensor]:
        """The weight and the bias of each layer, in the order of `nn.Module.parameters`."""
        return [tensor for pair in zip(self.weights, self.biases, strict=True) for tensor in pair]

    def flatten(self) -> Tensor:
        """Return all weights and biases as one vector."""
        return torch.cat([parameter.flatten() for parameter in self.parameters])

    def weight_norms(self) -> list[float]:
        """Compute the Euclidean norm of every layer's weights, as an evaluation records them."""
        wide = widest_float(self.weights[0].device)
        return [torch.linalg.vector_norm(weight, dtype=wide).item() for weight in self.weights]


@dataclass(frozen=True)
class PastRun:
    """A run that is over, as far as a replay needs it. Equal if the recipe, the rule and what was measured are.

    evaluations: the step of each evaluation, and the norms of the weights there; none in runs of older versions.
    losses: the step of each evaluation, and the loss that a ReduceLROnPlateau saw there.
    """

    recipe: Recipe
    rule: KernelRule
    evaluations: tuple[tuple[int, tuple[float, ...]], ...] = ()
    losses: tuple[tuple[int, float], ...] = ()

    @classmethod
    def of(cls, run: Run) -> "PastRun":
        """Take what a replay needs of a run."""
        evaluations = tuple((evaluation.step, evaluation.weight_norms) for evaluation in run.evaluations)
        losses = tuple((evaluation.step, evaluation.followed_loss) for evaluation in run.evaluations)
        return cls(run.recipe, usable_rule(run.versions), evaluations, losses)

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps of its evaluations."""
        return tuple(step for step, _norms in self.evaluations)


def replay(
    past: PastRun, images: DeviceImages, *, device: torch.device, at: Collection[int]
) -> Iterator[tuple[int, Replayed | None]]:
    """Train the recipe of a run to the last step asked for, and yield its network at each of them.

    On the CPU, these are the networks of the run, bit for bit, wherever `reproducibility.compare_environment` says so.
    To pause, do not ask for the next item; to stop, close the generator.

    Args:
        past: What is trained; its changes are made when they were made, and its schedule sees the losses that it saw.
        images: Its data set, on `device`.
        device: Where to compute.
        at: Steps from 0, the initial network, to the recipe's last.

    Yields:
        (step, network) at each step asked for, and (step, None) whenever a time slice is over.

    Raises:
        ValueError: A step is not one of the recipe's, or the recipe does not fit the images.
    """
    for step, cohort in replay_cohort(past, images, device=device, at=at):
        yield step, None if cohort is None else copy_network(step, cohort.runs[0].parameters)


def replay_cohort(
    past: PastRun, images: DeviceImages, *, device: torch.device, at: Collection[int]
) -> Iterator[tuple[int, Cohort | None]]:
    """Train a recipe as `replay` does, and yield the cohort of one that trains it instead of a copy of the network."""
    recipe, losses, wanted = past.recipe, dict(past.losses), set(at)
    if not wanted or min(wanted) < 0 or max(wanted) > recipe.train_iter:
        raise ValueError(f"at is {sorted(wanted)}: steps must be from 0 to {recipe.train_iter}, at least one")
    alone = recipe.model_copy(update={"average": "none"})  # nobody reads the average
    cohort = Cohort([alone], images, device, past.rule)
    slice_began = time.perf_counter()
    last = max(wanted)
    for step in range(last + 1):
        if step in wanted:
            yield step, cohort
            slice_began = time.perf_counter()
        elif time.perf_counter() - slice_began >= SLICE_SECONDS:
            yield step, None
            slice_began = time.perf_counter()
        if step < last:
            cohort.train_step(step)
            cohort.runs[0].losses.clear()  # which only an evaluation would
            if step + 1 in losses:
                cohort.runs[0].schedule.step_evaluated(step + 1, losses[step + 1])


def replay_run(
    past: PastRun, images: DeviceImages, *, device: torch.device, at: Collection[int]
) -> Iterator[tuple[int, Replayed | None]]:
    """Replay a run as `replay` does, and compare its weights with what the run recorded of them at its evaluations.

    Raises:
        SentenceError: The weights are not those of the run: its images have changed, or it was trained elsewhere.
    """
    for step, network in replay(past, images, device=device, at=at):
        if network is not None:
            check_norms(past, step, network.weight_norms())
        yield step, network


def collect_networks(
    past: PastRun,
    images: DeviceImages,
    *,
    device: torch.device,
    at: Collection[int],
    begin: float = 0.0,
    end: float = 1.0,
) -> Generator[float, None, list[Replayed]]:
    """Replay a run as `replay_run` does and return its networks; yield the share done, from `begin` to `end`."""
    networks, last = [], max(*at, 1)
    for step, network in replay_run(past, images, device=device, at=at):
        if network is not None:
            networks.append(network)
        yield begin + (end - begin) * step / last
    return networks


def check_norms(past: PastRun, step: int, norms: Collection[float]) -> None:
    """Raise SentenceError if weights with these norms are not those that a run recorded at a step, if it did."""
    if not _are_same(norms, dict(past.evaluations).get(step, ())):
        raise SentenceError(REPLAY_DIFFERS, step=step)


def find_obstacle(run: Run) -> Sentence | None:
    """Say why a run cannot be replayed here; None if it can."""
    if not run.status.is_over:
        return Sentence(REPLAY_NOT_YET)
    if not run.evaluations:
        return Sentence(NOTHING_TO_REPLAY)
    if compare_environment(run) is Repeatability.SIMILAR:
        return Sentence(NOT_REPEATABLE)
    return None


def copy_network(step: int, parameters: Collection[Tensor]) -> Replayed:
    """Copy the weight and the bias of each layer, in the order of `nn.Module.parameters`."""
    copies = [parameter.detach().clone() for parameter in parameters]
    return Replayed(step, tuple(copies[0::2]), tuple(copies[1::2]))


def _are_same(norms: Collection[float], recorded: Collection[float]) -> bool:
    """Compare norms with recorded ones, which are missing between evaluations and in runs of older versions."""
    return not recorded or all(math.isclose(*pair, rel_tol=SAME) for pair in zip(norms, recorded, strict=True))
