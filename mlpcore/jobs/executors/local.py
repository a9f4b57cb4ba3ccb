"""Train cohorts in the worker's own thread, one slice of one cohort at a time."""

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence

import torch

from mlpcore.data.batches import DeviceImages
from mlpcore.jobs.executors.contract import Failed, Order, Progressed, Report
from mlpcore.jobs.machine import return_freed_memory
from mlpcore.jobs.messages import explain_failure
from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import Recipe
from mlpcore.training.device import pick_device_of
from mlpcore.training.kernels.matmul import usable_rule
from mlpcore.training.lockstep import Command, ProgressGenerator, train_cohort
from mlpcore.training.reproducibility import count_threads

LARGE_BYTES = 100_000_000  # of a cohort, after which freed memory goes back to the system: that takes 10 to 70 ms
MAX_ACTIVE = 4  # cohorts that train at a time, besides everybody's oldest; later ones are queued

Train = Callable[..., ProgressGenerator[None]]  # as train_cohort
log = logging.getLogger(__name__)


class LocalExecutor:
    """Trains in this process: `collect` computes the slice that was asked for.

    Args:
        train: Makes the generator that trains a cohort.
        max_active: Cohorts that train at a time.
    """

    max_asked = 1
    has_reports = False
    problem: Sentence | None = None

    def __init__(self, train: Train = train_cohort, *, max_active: int = MAX_ACTIVE) -> None:
        self.max_active = max_active
        self._train = train
        self._asked: LocalTraining | None = None

    def open(self, _notify: Callable[[], None]) -> None:
        """Let the calling thread train."""
        torch.set_num_threads(count_threads())

    def close(self) -> None:
        """Do nothing: what was started ends with its generator."""

    def pick_device(self, recipe: Recipe) -> str:
        """Name the device of this machine that a recipe asks for. Raises SentenceError if there is none."""
        return str(pick_device_of(recipe))

    def find_capacity(self, _device: str) -> None:
        """Return None: cohorts share the memory of this process."""

    def place_images(self, device: str) -> torch.device:
        """Return the device itself."""
        return torch.device(device)

    def start(self, order: Order, images: DeviceImages) -> "LocalTraining":
        """Start a cohort; its first slice is not computed yet."""
        device, rule = torch.device(order.device), usable_rule(order.versions)
        return LocalTraining(self._note, self._train(order.recipes, images, device=device, rule=rule), order)

    def collect(self) -> Sequence[tuple["LocalTraining", Report]]:
        """Compute the slice that was asked for."""
        training, self._asked = self._asked, None
        return () if training is None else [(training, training.advance())]

    def _note(self, training: "LocalTraining") -> None:
        self._asked = training


class LocalTraining:
    """A cohort that trains in this process."""

    node = ""

    def __init__(
        self, note: Callable[["LocalTraining"], None], generator: ProgressGenerator[None], order: Order
    ) -> None:
        self.device, self._bytes = order.device, order.bytes
        self.versions: Mapping[str, str] = {}
        self._note, self._generator = note, generator
        self._commands: Sequence[Command] = ()

    def ask(self, commands: Sequence[Command]) -> None:
        """Note that the next slice is to be computed."""
        self._commands = commands
        self._note(self)

    def close(self) -> None:
        """Close the generator, and return the memory of a large cohort to the system."""
        self._generator.close()
        if self._bytes >= LARGE_BYTES:
            return_freed_memory()

    def advance(self) -> Report:
        """Compute the slice."""
        try:
            return Progressed([self._generator.send(self._commands or None)])
        except BaseException as error:  # of any kind: it is the cohort's, not the thread's
            log.exception("A run failed.")
            return explain_error(error)


def explain_error(error: BaseException) -> Failed:
    """Turn an error into what a run that failed keeps."""
    return Failed(explain_failure(error), "".join(traceback.format_exception(error)))
