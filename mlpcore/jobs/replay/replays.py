"""Replays in a thread behind the pages: queued, in time slices, shared fairly, with results that are kept."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar, cast

import torch

from mlpcore.byte_cache import ByteCache
from mlpcore.data import catalog
from mlpcore.data.batches import DeviceImages
from mlpcore.data.catalog import ImageCounts
from mlpcore.data.loader import DatasetFuture
from mlpcore.jobs import messages, process_exit
from mlpcore.jobs.estimate import estimate_job
from mlpcore.jobs.fair_share import FairShare
from mlpcore.jobs.manager import RunManager
from mlpcore.jobs.queue import Demand
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.training.device import pick_device_of
from mlpcore.training.reproducibility import count_threads

MAX_OF_OWNER = 4  # replays of one person that wait or are computed
ABANDONED_SECONDS = 600.0  # after which a replay that no page asks for is cancelled
RETRY_SECONDS = 0.3  # between two looks whether memory is free
NICENESS = 10  # of the thread: it takes what processors training and pages leave

Result = TypeVar("Result")
log = logging.getLogger(__name__)


class View(Protocol[Result]):
    """What is computed of replayed runs. It is hashable by value: results are kept by it."""

    @property
    def recipes(self) -> Sequence[Recipe]:
        """What is replayed, one after another: recipes of one data set and device."""

    def estimate(self, images: ImageCounts) -> int:
        """Estimate the bytes that it takes beside the training of one recipe."""

    def count_bytes(self, result: Result, /) -> int:
        """Count the bytes of a result, which is kept."""

    def compute(self, images: DeviceImages, device: torch.device) -> Generator[float, None, Result]:
        """Compute the result; give control back every few hundredths of a second, with the share that is done."""


class Replay(Generic[Result]):
    """A replay that was requested: how far it is, and the future of its result.

    The future is cancelled if the replay was; it has a SentenceError where something can be done about a failure.
    """

    def __init__(self, view: View[Result], owner: str, demand: Demand) -> None:
        self.view, self.owner, self.demand = view, owner, demand
        self.source = view.recipes[0].data
        self.progress = 0.0
        self.waits_for: Sentence | None = None  # memory, at the moment
        self.result: Future[Result] = Future()
        self.seen_at = 0.0  # when a page last asked for it
        self.is_holding = False  # memory
        self.loading: DatasetFuture | None = None  # held: so the images stay in memory
        self.work: Generator[float, None, Result] | None = None

    def cancel(self) -> None:
        """Ask for its end; nothing is kept of it."""
        self.result.cancel()


class Replays:
    """The replays of this process. Safe from several threads.

    One thread with a low priority computes all of them, a time slice of each after another; its time is shared evenly
    by the people who want it. A replay starts once its memory is free, which counts with that of its owner's runs.

    Args:
        runs: Where images and memory come from.
        cache: Where results are kept.
        clock: Seconds, for time shares and absences.
    """

    def __init__(self, runs: RunManager, cache: ByteCache, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._runs, self._cache, self._clock = runs, cache, clock
        self._pending: list[Replay[Any]] = []  # oldest first
        self._shares: FairShare[Replay[Any]] = FairShare()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closing = False

    def request(self, view: View[Result], *, owner: str) -> Replay[Result]:
        """Return the replay of a view, which may be over; a person who asks twice gets the same one.

        Raises:
            SentenceError: The person waits for too many already, or this machine lacks the recipe's device.
        """
        replay = Replay(view, owner, self._estimate(view, pick_device_of(view.recipes[0])))
        if (kept := self.find(view)) is not None:
            replay.result.set_result(kept)
            return replay
        with self._changed:
            for pending in self._pending:
                if pending.owner == owner and pending.view == view and not pending.result.cancelled():
                    pending.seen_at = self._clock()
                    return pending
            if sum(pending.owner == owner for pending in self._pending) >= MAX_OF_OWNER:
                raise SentenceError(messages.TOO_MANY_REPLAYS, limit=MAX_OF_OWNER)
            replay.seen_at = self._clock()
            self._pending.append(replay)
            if self._thread is None:
                self._is_closing = False
                self._thread = threading.Thread(target=self._work, name="replays", daemon=True)
                process_exit.note_start(self)
                self._thread.start()
            self._changed.notify_all()
        return replay

    def find(self, view: View[Result]) -> Result | None:
        """Return the result of a view if it is kept. Raises SentenceError if this machine lacks the recipe's device."""
        return cast("Result | None", self._cache.find(self._key(view, pick_device_of(view.recipes[0]))))

    def note_seen(self, replay: Replay[Any]) -> None:
        """Note that a page shows the progress of a replay."""
        replay.seen_at = self._clock()

    def shutdown(self) -> None:
        """Cancel all replays; the thread ends after the iteration it is in."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()

    def join(self, seconds: float) -> None:
        """Wait at most so long for the end of the thread."""
        if (thread := self._thread) is not None:
            thread.join(seconds)

    def _estimate(self, view: View[Any], device: torch.device) -> Demand:
        images = catalog.count_images(self._runs.library.home(), view.recipes[0].data)
        needed = max(estimate_job([recipe], images).total for recipe in view.recipes) + view.estimate(images)
        return Demand(str(device), needed, images.bytes)

    def _key(self, view: View[Any], device: torch.device) -> tuple[object, ...]:
        mark = catalog.fingerprint(self._runs.library.home(), view.recipes[0].data)
        return ("replay", view, str(device), mark)

    def _work(self) -> None:
        lower_priority()
        torch.set_num_threads(count_threads())
        while (replay := self._wait_for_next()) is not None:
            began = self._clock()
            self._advance(replay)
            self._shares.charge(replay, self._clock() - began)

    def _wait_for_next(self) -> Replay[Any] | None:
        """Wait for a replay that can go on; None if there is none left, or if the process ends."""
        with self._changed:
            while True:
                for replay in list(self._pending):
                    self._tend(replay)
                if not self._pending:
                    self._thread = None
                    process_exit.note_end(self)
                    return None
                ready = [replay for replay in self._pending if replay.loading and replay.loading.images.done()]
                if ready:
                    return self._shares.pick(ready)
                self._changed.wait(RETRY_SECONDS)

    def _tend(self, replay: Replay[Any]) -> None:
        """Remove a replay that is over or that nobody waits for; let one that has its memory load its images."""
        if self._is_closing or self._clock() - replay.seen_at > ABANDONED_SECONDS:
            replay.cancel()
        if replay.result.done():
            self._pending.remove(replay)
            if replay.work is not None:
                replay.work.close()
            replay.work = replay.loading = None
            if replay.is_holding:
                self._runs.memory_beside.release(replay)
                replay.is_holding = False
        elif not replay.is_holding:
            self._hold_memory(replay)
            if replay.is_holding:
                replay.loading = self._runs.request_images(replay.source, torch.device(replay.demand.device))
                replay.loading.images.add_done_callback(lambda _: self._notify())

    def _hold_memory(self, replay: Replay[Any]) -> None:
        try:
            replay.waits_for = self._runs.memory_beside.hold(replay)
            replay.is_holding = replay.waits_for is None
        except SentenceError as error:
            _settle(replay.result, error=error)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _advance(self, replay: Replay[Any]) -> None:
        """Compute one time slice of a replay whose images are there."""
        assert replay.loading is not None, "only replays with images are ready"
        device = torch.device(replay.demand.device)
        try:
            if replay.work is None:
                replay.work = replay.view.compute(replay.loading.images.result(), device)
            replay.progress = next(replay.work)
        except StopIteration as end:
            result = end.value
            self._cache.get(self._key(replay.view, device), lambda: result, size=replay.view.count_bytes)
            _settle(replay.result, result=result)
        except BaseException as error:  # every error goes to the page that waits
            log.info("A replay failed.", exc_info=True)
            _settle(replay.result, error=error)


def _settle(future: "Future[Any]", *, result: object = None, error: BaseException | None = None) -> None:
    """Set the outcome of a future, unless it has been cancelled."""
    if not future.set_running_or_notify_cancel():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def lower_priority() -> None:
    """Let this thread, and those that torch starts for it, yield to all others: on Linux each has its own niceness."""
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)
