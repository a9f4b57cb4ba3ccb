"""The driver of a Ray cluster: a process of its own that `RayExecutor` starts and talks to through a pipe.

Ray ends the process that is connected to a cluster when the cluster's head disappears. So that is not the server, which
serves pages and stores what was measured.
"""

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import ray
from ray.exceptions import RayError, RayTaskError

import mlpcore
from mlpcore.jobs.executors.ray_actor import CohortActor
from mlpcore.jobs.executors.ray_cluster import Need, Node

LOOK_SECONDS = 1.0  # between two looks at the cluster
IDLE_SECONDS = 15.0  # for which a process without a cohort waits for one: another one takes 2 s of computing to start
SETTINGS = ("OMP_NUM_THREADS", "MKL_CBWR", "GOMP_SPINCOUNT")  # on which numbers and speed depend


class Seat:
    """A process on a node, and what it has reserved there."""

    def __init__(self, need: Need) -> None:
        self.need = need
        self.idle_since = 0.0
        self.has_begun = False  # else it may wait for what idle ones have reserved
        options = {"num_cpus": need.cpus, "num_gpus": need.gpus, "memory": need.bytes, "scheduling_strategy": "SPREAD"}
        self.actor = ray.remote(CohortActor).options(**options).remote()

    def suits(self, need: Need) -> bool:
        """Return whether a cohort that needs this much may train here."""
        return self.need[:2] == need[:2] and self.need.bytes >= need.bytes


class Driver:
    """Does what it is told through the pipe, and tells what comes of it.

    Told: ("images", key, classes, {name: (type, shape)}) and then the arrays; ("forget", key); ("start", number, key,
    order, need); ("ask", number, commands); ("close", number); ("end",).
    Tells: ("nodes", [Node, …]); ("report", number, report); ("lost", number, reason); ("failed", number, traceback).
    Orders, commands and reports are bytes that it does not read.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._send_lock, self._lock = threading.Lock(), threading.RLock()
        self._images: dict[int, tuple[Any, tuple[str, ...]]] = {}  # references to the object store, and the classes
        self._seats: dict[int, Seat] = {}  # by the number of the cohort
        self._idle: list[Seat] = []
        self._results: SimpleQueue[tuple[int, Seat, Future[bytes]]] = SimpleQueue()
        self._is_over = threading.Event()
        threading.Thread(target=self._take_results, name="results", daemon=True).start()
        threading.Thread(target=self._watch, name="cluster", daemon=True).start()

    def serve(self) -> None:
        """Do what is asked, until that is to end or the other end of the pipe is closed."""
        with contextlib.suppress(EOFError, OSError):
            while (message := self._pipe.recv()) != ("end",):
                with self._lock:
                    self._obey(message)
        self._is_over.set()

    def _obey(self, message: tuple[Any, ...]) -> None:
        match message:
            case ("images", key, classes, layout):
                arrays = {name: self._read_array(*described) for name, described in layout.items()}
                self._images[key] = ray.put(arrays), classes
            case ("forget", key):
                self._images.pop(key, None)
            case ("start", number, key, _order, _need) if key not in self._images:
                self._tell("lost", number, "its images are not there")
            case ("start", number, key, order, need):
                seat = self._seats[number] = self._take_seat(need)
                self._follow(number, seat, seat.actor.begin.remote(order, *self._images[key]))
            case ("ask", number, commands):
                if (taken := self._seats.get(number)) is not None:  # else the loss of it has just been told
                    self._follow(number, taken, taken.actor.advance.remote(commands))
            case ("close", number):
                if (left := self._seats.pop(number, None)) is not None:
                    left.actor.end.remote()
                    left.idle_since = time.monotonic()
                    self._idle.append(left)  # at once: an actor does one thing after another

    def _read_array(self, kind: str, shape: tuple[int, ...]) -> Any:
        return np.frombuffer(self._pipe.recv_bytes(), dtype=kind).reshape(shape)

    def _take_seat(self, need: Need) -> Seat:
        """Take a process that is idle, or start one: then idle ones make room for it."""
        seat = next((seat for seat in self._idle if seat.suits(need)), None)
        if seat is None:
            self._dismiss(self._idle)
            return Seat(need)
        self._idle.remove(seat)
        return seat

    def _dismiss(self, seats: list[Seat]) -> None:
        for seat in list(seats):
            self._idle.remove(seat)
            ray.kill(seat.actor)

    def _follow(self, number: int, seat: Seat, result: Any) -> None:
        """Have a result told as soon as it is there, by a thread of ours.

        Ray calls back in the thread that serves its connections: whoever calls Ray there waits for ever.
        """
        result.future().add_done_callback(lambda done: self._results.put((number, seat, done)))

    def _take_results(self) -> None:
        while True:
            self._take_report(*self._results.get())

    def _take_report(self, number: int, seat: Seat, done: "Future[bytes]") -> None:
        with self._lock:
            if self._seats.get(number) is not seat:
                return
            try:
                told: tuple[Any, ...] = "report", number, done.result()
                seat.has_begun = True
            except RayError as error:
                told = "failed" if isinstance(error, RayTaskError) else "lost", number, str(error)
                del self._seats[number]
                ray.kill(seat.actor)
                self._dismiss(self._idle)  # they may be on a node that died
        self._tell(*told)

    def _watch(self) -> None:
        """Tell what the cluster has when that changes, and end processes that nobody has used for a while."""
        known: list[Node] = []
        while not self._is_over.is_set():
            with contextlib.suppress(RayError):  # the head is silent, and may answer again
                nodes = [_describe(node["Resources"]) for node in ray.nodes() if node["Alive"]]
                if nodes != known:
                    self._tell("nodes", nodes)
                    known = nodes
            with self._lock:
                is_short = not all(seat.has_begun for seat in self._seats.values())
                oldest = time.monotonic() - (LOOK_SECONDS if is_short else IDLE_SECONDS)
                self._dismiss([seat for seat in self._idle if seat.idle_since < oldest])
            self._is_over.wait(LOOK_SECONDS)

    def _tell(self, *message: Any) -> None:
        with self._send_lock, contextlib.suppress(OSError):  # the server is gone: `serve` notices it
            self._pipe.send(message)


def _describe(resources: Mapping[str, float]) -> Node:
    return Node(resources.get("CPU", 0.0), resources.get("GPU", 0.0), resources.get("memory", 0.0))


def connect() -> None:
    """Connect to the cluster that RAY_ADDRESS names; without one, start Ray on this machine alone."""
    package = Path(mlpcore.__file__).parent  # the nodes run this server's code, whatever is installed there
    ray.init(
        address=os.environ.get("RAY_ADDRESS") or "local",
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.WARNING,
        runtime_env={
            "py_modules": [str(package)],
            "excludes": ["__pycache__"],
            "env_vars": {name: os.environ[name] for name in SETTINGS},
        },
    )


def main() -> None:
    """Serve the pipe whose file descriptor is the only argument."""
    pipe = Connection(int(sys.argv[1]))
    try:
        connect()
    except Exception as error:
        pipe.send(("unreachable", f"{type(error).__name__}: {error}"))
        raise
    Driver(pipe).serve()
    ray.shutdown()


if __name__ == "__main__":
    main()
