"""Train cohorts on a Ray cluster: each is an actor on some node, and many compute side by side."""

import contextlib
import itertools
import logging
import pickle
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast
from weakref import WeakKeyDictionary, finalize

import numpy as np
import torch
from numpy.typing import NDArray

from mlpcore.data.batches import DeviceImages
from mlpcore.jobs.executors.contract import Capacity, CutOff, Failed, Lost, Order, Report
from mlpcore.jobs.executors.ray_cluster import (
    RAY_CPU,
    RAY_GPU,
    Driver,
    Need,
    Node,
    choose_threads,
    count_seats,
    start_driver,
)
from mlpcore.jobs.messages import CLUSTER_IS_GONE, CONNECTING, NO_CLUSTER, NO_NODE, explain_failure
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.training.lockstep import Command

CONNECT_SECONDS = 20.0  # for which a submission waits for the cluster, once
RETRY_SECONDS = 5.0  # between two attempts to connect
END_SECONDS = 5.0  # for which the driver may take to leave the cluster
PROCESS_BYTES = 400_000_000  # of a process that trains, before it has anything to train

log = logging.getLogger(__name__)


class RayExecutor:
    """Trains on the cluster that RAY_ADDRESS names. Which cohorts train, and for whom, stays the worker's affair.

    A cohort reserves its threads, its memory and its GPU on a node. Where all cores are reserved and somebody has
    nothing that trains, their oldest cohort gets a place without a core of its own, and takes turns with the others.
    """

    def __init__(self) -> None:
        self.problem: Sentence | None = CONNECTING
        self._threads = choose_threads()
        self._nodes: Sequence[Node] = ()
        self._is_known, self._is_closing = threading.Event(), threading.Event()
        self._notify: Callable[[], None] = lambda: None
        self._lock = threading.RLock()  # of what follows, and of the pipe's other end
        self._driver: Driver | None = None  # while it is connected or connects
        self._numbers = itertools.count(1)
        self._trainings: dict[int, RayTraining] = {}
        self._reports: deque[tuple[int, bytes | Report]] = deque()
        self._images: WeakKeyDictionary[DeviceImages, int] = WeakKeyDictionary()  # those in the object store
        self._forgotten: deque[int] = deque()
        self._thread = threading.Thread(target=self._stay_connected, name="Ray cluster", daemon=True)

    @property
    def max_active(self) -> int:
        """The cohorts that the cluster's cores can train side by side."""
        return max(count_seats(self._nodes, self._threads), 1)

    @property
    def max_asked(self) -> int:
        """All that are active."""
        return self.max_active

    @property
    def has_reports(self) -> bool:
        """Whether something has been reported."""
        return bool(self._reports)

    def open(self, notify: Callable[[], None]) -> None:
        """Connect to the cluster, and stay so."""
        self._notify = notify
        self._thread.start()

    def close(self) -> None:
        """Leave the cluster; its actors end."""
        self._is_closing.set()
        self._send("end")
        self._thread.join(0.0 if self.problem else END_SECONDS)
        with self._lock:
            if self._driver is not None:
                self._driver.process.kill()

    def pick_device(self, recipe: Recipe) -> str:
        """Name a GPU of the cluster if the recipe may use one and there is one, otherwise the CPU of its nodes."""
        has_gpus = any(node.gpus for node in self._find_nodes())
        return RAY_GPU if has_gpus and recipe.device in ("auto", "cuda") else RAY_CPU

    def find_capacity(self, _device: str) -> Capacity:
        """Find the memory of the nodes. Raises SentenceError if the cluster has never been reached."""
        # images have the object store, which is not in it
        sizes = [int(node.bytes) for node in self._find_nodes() if node.cpus >= self._threads]
        return Capacity(sum(sizes), max(sizes), per_cohort=PROCESS_BYTES, holds_images=False)

    def place_images(self, _device: str) -> torch.device:
        """Return the CPU: from there they go into the object store."""
        return torch.device("cpu")

    def start(self, order: Order, images: DeviceImages) -> "RayTraining":
        """Send a cohort to the cluster, and its images, if they are not there."""
        with self._lock:
            while self._forgotten:
                self._send("forget", self._forgotten.popleft())
            key = self._images.get(images) or self._put(images)
            is_full = sum(training.has_cores for training in self._trainings.values()) >= self.max_active
            need = Need(0 if is_full else self._threads, int(order.device == RAY_GPU), order.bytes)
            training = RayTraining(self, next(self._numbers), has_cores=not is_full)
            self._trainings[training.number] = training
            self._send("start", training.number, key, pickle.dumps(order), need)
            if self._driver is None:
                self._reports.append((training.number, Lost("the cluster was left meanwhile")))
            return training

    def collect(self) -> Sequence[tuple["RayTraining", Report]]:
        """Return what has been reported."""
        found: list[tuple[RayTraining, Report]] = []
        while self._reports:
            number, report = self._reports.popleft()
            if (training := self._trainings.get(number)) is not None:
                found.append((training, training.read(report) if isinstance(report, bytes) else report))
        return found

    def ask(self, number: int, commands: Sequence[Command]) -> None:
        """Ask for the next slice of a cohort."""
        self._send("ask", number, pickle.dumps(list(commands)))

    def end(self, number: int) -> None:
        """End a cohort."""
        with self._lock:
            del self._trainings[number]
        self._send("close", number)

    def _find_nodes(self) -> Sequence[Node]:
        if not self._is_known.wait(CONNECT_SECONDS):
            raise SentenceError(NO_CLUSTER.template)
        if not count_seats(self._nodes, self._threads):
            raise SentenceError(NO_NODE, threads=self._threads)
        return self._nodes

    def _put(self, images: DeviceImages) -> int:
        """Put a data set into the object store, and let it go there when it is let go here."""
        key = self._images[images] = next(self._numbers)
        finalize(images, self._forgotten.append, key)
        tensors = {"train": images.train.data, "train_labels": images.train.targets}
        tensors |= {"test": images.test.data, "test_labels": images.test.targets}
        tensors |= {"mean": images.mean, "std": images.std}
        arrays = {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in tensors.items()}
        layout = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
        self._send("images", key, images.train.classes, layout, arrays=list(arrays.values()))
        return key

    def _send(self, *message: Any, arrays: Sequence[NDArray[Any]] = ()) -> None:
        with self._lock, contextlib.suppress(OSError):  # a driver that is gone: its end is noticed by `_listen`
            if self._driver is not None:
                self._driver.pipe.send(message)
                for array in arrays:
                    self._driver.pipe.send_bytes(array.data.cast("B"))

    def _stay_connected(self) -> None:
        while not self._is_closing.is_set():
            try:
                driver = start_driver(self._threads)
            except OSError:
                log.exception("No process could be started that connects to the Ray cluster.")
            else:
                with self._lock:
                    self._driver = driver
                self._listen(driver)
                driver.process.wait()
                self._cut_off()
            self._is_closing.wait(RETRY_SECONDS)

    def _listen(self, driver: Driver) -> None:
        """Take what the driver tells, until it ends."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                match driver.pipe.recv():
                    case ("nodes", nodes):
                        self._nodes, self.problem = nodes, None
                        self._is_known.set()
                    case ("report", number, report):
                        self._reports.append((number, report))
                    case ("lost", number, reason):
                        self._reports.append((number, Lost(reason)))
                    case ("failed", number, traceback):
                        self._reports.append((number, Failed(explain_failure(RuntimeError()), traceback)))
                    case ("unreachable", reason):
                        log.warning("The Ray cluster cannot be reached: %s", reason)
                self._notify()

    def _cut_off(self) -> None:
        """Report that nothing trains any more."""
        self.problem = NO_CLUSTER
        with self._lock:
            self._driver = None
            self._images = WeakKeyDictionary()
            self._reports.extend((number, CutOff(CLUSTER_IS_GONE)) for number in self._trainings)
        self._notify()


class RayTraining:
    """A cohort that trains on the cluster."""

    def __init__(self, executor: RayExecutor, number: int, *, has_cores: bool) -> None:
        self.number, self.has_cores = number, has_cores
        self.device = self.node = ""
        self.versions: Mapping[str, str] = {}
        self._executor = executor
        self._is_asked = False

    def ask(self, commands: Sequence[Command]) -> None:
        """Ask for the next slice; the first one comes unasked."""
        if self._is_asked:
            self._executor.ask(self.number, commands)
        self._is_asked = True

    def close(self) -> None:
        """End it."""
        self._executor.end(self.number)

    def read(self, report: bytes) -> Report:
        """Read what an actor reports, and where it is."""
        self.device, self.node, self.versions, read = pickle.loads(report)
        return cast(Report, read)
