"""What the worker asks of whoever trains cohorts, in this process or on a cluster, and what it is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from mlpcore.data.batches import DeviceImages
from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import Recipe
from mlpcore.training.lockstep import Command, Progress


@dataclass(frozen=True)
class Order:
    """A cohort to train."""

    recipes: Sequence[Recipe]
    versions: Mapping[str, str]  # that its runs recorded: they decide the rule for its matrix products
    device: str  # as `Executor.pick_device` named it
    bytes: int  # of memory that it needs, without its images
    keeps_snapshots: bool = True


@dataclass(frozen=True)
class Progressed:
    """A slice of training is done."""

    progress: Sequence[Progress]


@dataclass(frozen=True)
class Failed:
    """The training raised an error."""

    sentence: Sentence
    traceback: str


@dataclass(frozen=True)
class Lost:
    """Its process or its node is gone; the cohort can be trained again elsewhere, from its recipes."""

    reason: str  # for the log


@dataclass(frozen=True)
class CutOff:
    """Nothing trains any more: whatever this cohort has done since its last report is lost."""

    sentence: Sentence


Report = Progressed | Failed | Lost | CutOff


class Training(Protocol):
    """One cohort in training. It goes on only while it is asked to: to pause it, do not ask."""

    device: str  # on which it computes; empty until it has begun
    node: str  # of the cluster, on which it trains; empty in this process
    versions: Mapping[str, str]  # what its last digits depend on, if that is not what its runs recorded

    def ask(self, commands: Sequence[Command]) -> None:
        """Ask for the next slice; the commands take effect before its first step."""

    def close(self) -> None:
        """End it and free its memory."""


@dataclass(frozen=True)
class Capacity:
    """The memory for cohorts on one kind of device, in bytes."""

    total: int
    largest: int  # that one cohort may have
    per_cohort: int = 0  # that each one takes besides its own
    holds_images: bool = True  # whether images are in the same memory


class Executor(Protocol):
    """Trains cohorts. Only one thread calls `start` and `collect` and asks trainings."""

    @property
    def max_active(self) -> int:
        """Cohorts that train at a time, besides everybody's oldest."""

    @property
    def max_asked(self) -> int:
        """Cohorts that may be asked at a time: those that compute side by side."""

    @property
    def problem(self) -> Sentence | None:
        """Why nothing can be started at the moment."""

    @property
    def has_reports(self) -> bool:
        """Whether `collect` would return something without computing it."""

    def open(self, notify: Callable[[], None]) -> None:
        """Begin; `notify` is called whenever there is a report, or the number of cohorts that may train changed."""

    def close(self) -> None:
        """End all trainings."""

    def pick_device(self, recipe: Recipe) -> str:
        """Name the device of a recipe. Raises SentenceError if there is none that does what it asks."""

    def find_capacity(self, device: str) -> Capacity | None:
        """Find the memory for cohorts on a device; None if it is this process's own. Raises SentenceError."""

    def place_images(self, device: str) -> torch.device:
        """Return where this process holds the images for cohorts on a device."""

    def start(self, order: Order, images: DeviceImages) -> Training:
        """Start a cohort. Its images are on the device that `place_images` returns."""

    def collect(self) -> Sequence[tuple[Training, Report]]:
        """Return what trainings have reported since the last time; each was asked for it once."""
