"""RunManager: takes requests and answers pages; training and storing happen in threads behind it."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import torch

from mlpcore.data.catalog import data_home
from mlpcore.data.loader import DatasetFuture, DatasetLoader
from mlpcore.jobs import load, messages, process_exit
from mlpcore.jobs.control.neighbours import SEEN, Neighbours
from mlpcore.jobs.control.run_control import ACTIONS, RunControl
from mlpcore.jobs.executors.choice import choose_executor
from mlpcore.jobs.executors.contract import Executor
from mlpcore.jobs.executors.local import LocalExecutor
from mlpcore.jobs.machine import read_memory
from mlpcore.jobs.memory import MemoryBesideRuns, MemoryBudget
from mlpcore.jobs.queue import JobQueue
from mlpcore.jobs.submission import build_continuations, build_fork, build_jobs, build_runs, refuse_too_many
from mlpcore.jobs.worker import Worker
from mlpcore.jobs.writer import Writer
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.points import DataSource
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.people.rights import Rights
from mlpcore.runs.records import Run, RunStatus
from mlpcore.runs.schema import ACTIVE
from mlpcore.runs.shared import close_shared_store, shared_store
from mlpcore.runs.snapshots import Snapshot
from mlpcore.runs.store import RunStore, StoreError
from mlpcore.runs.stored_runs import StoredRuns

SHUTDOWN_SECONDS = 2.5  # `RunStore.mark_interrupted` marks what cannot be stored by then, at the next start
LAST_WRITES_SECONDS = 2.0  # of SHUTDOWN_SECONDS, for storing what is left


class RunManager:
    """Trains recipes in one daemon thread, a time slice of each job after another, and stores them in another thread.

    Computing time is shared evenly by the people who want it. All methods may be called from any thread, return at
    once, raise SentenceError if they cannot do what was asked, and return frozen records. If training fails, the run
    ends as failed, with a sentence and a stored traceback, and the threads go on.
    """

    def __init__(
        self,
        store: RunStore,
        library: DatasetLoader,
        *,
        executor: Executor | None = None,
        clock: Callable[[], float] = time.monotonic,
        memory: float | None = None,
        reserved: int = 0,
    ) -> None:
        """Start the threads.

        Args:
            store: Where runs are stored.
            library: Where images come from.
            executor: Trains; this manager closes it. Default: this process.
            clock: Seconds, for time shares and absences.
            memory: Bytes for training and images, on any device. Default: 80 % of what is free when first needed.
            reserved: Bytes of them that pages cache.
        """
        self.store = store
        self._stored_runs = StoredRuns(store)
        self.library = library
        self._clock = clock
        self._queue = JobQueue()
        self._submit_lock = threading.Lock()
        self._writer = Writer(store, self._queue)
        self.executor = executor or LocalExecutor()
        self._budget = MemoryBudget(library, self.executor, memory, reserved=reserved)
        self.memory_beside = MemoryBesideRuns(self._queue, self._budget)
        self._worker = Worker(self._queue, library, self._budget, self.executor, clock=clock)
        self._control = RunControl(self._queue, store, self.rights)
        self.neighbours = Neighbours(store)
        for action in ACTIONS:
            self.neighbours.serve(action, self._control.serve)
        self.neighbours.serve(SEEN, lambda request: self._note_seen(request.subject))
        process_exit.note_start(self)

    # requests

    def submit(
        self,
        recipes: Sequence[Recipe],
        *,
        owner: str,
        names: Sequence[str],
        stop_when_disconnected: bool = False,
        lesson: str = "",
        submission: str = "",
        keep_snapshots: bool = True,
    ) -> list[str]:
        """Queue runs and return their ids; those that can train in lockstep share a job. All are stored or none.

        Args:
            recipes: What to train.
            owner: The token of the person who may stop and change the runs.
            names: A name for each run.
            stop_when_disconnected: Whether to stop them when `note_seen` has not named their owner for GRACE_SECONDS.
            lesson: The lesson in which they are started, as `Lesson.label` writes it.
            submission: What they belong to, if they are not the first of it: it counts as one submission.
            keep_snapshots: Whether to keep what the networks predict and look like; a sweep needs only the numbers.

        Raises:
            SentenceError: Too many runs, or a device this machine does not have.
            StoreError: The runs cannot be stored.
        """
        runs = build_runs(recipes, names, owner, lesson=lesson, submission=submission)
        options = {"stop_when_disconnected": stop_when_disconnected, "keep_snapshots": keep_snapshots}
        return self._submit(runs, owner, **options)

    def continue_runs(self, run_ids: Sequence[str], *, owner: str) -> list[str]:
        """Train runs that ended early to their end; return the ids of the new runs, in the same order.

        A run that is over never changes. So each is trained again from its first iteration, as a run of `owner`, and
        repeats the evaluations it had. If `owner` is continuing one already, that continuation's id is returned.
        """
        ended = [self.get(run_id) for run_id in run_ids]
        if not all(run.ended_early for run in ended):
            raise SentenceError(messages.NOT_CONTINUABLE)
        continuations = {run.continues: run.id for run in self.list_everywhere(owner=owner) if run.continues}
        new = build_continuations([run for run in ended if run.id not in continuations], owner)
        continuations |= zip((run.continues for run in new), self._submit(new, owner), strict=True)
        return [continuations[run_id] for run_id in run_ids]

    def fork(self, run_id: str, *, owner: str, step: int, lesson: str = "", **hyperparameters: float) -> str:
        """Train a run's recipe once more, with another lr, momentum or weight_decay from `step` on; return the new id.

        Up to there the new run equals it bit for bit on the CPU; what was changed later is left out. Raises ValueError
        out of range.
        """
        forked = build_fork(self.get(run_id), owner, step, hyperparameters, lesson=lesson)
        return self._submit([forked], owner)[0]

    def stop(self, run_id: str, *, owner: str) -> None:
        """Stop a run; it keeps its evaluations. An admin may stop anybody's."""
        self._control.ask("stop", run_id, owner=owner)

    def pause(self, run_id: str, *, owner: str) -> None:
        """Pause a run, and with it the other runs of its job."""
        self._control.ask("pause", run_id, owner=owner)

    def resume(self, run_id: str, *, owner: str) -> None:
        """Resume a paused run, and with it the other runs of its job."""
        self._control.ask("resume", run_id, owner=owner)

    def change(self, run_id: str, *, owner: str, **hyperparameters: float) -> None:
        """Change lr, momentum or weight_decay of a run from its next step on. Raises ValueError out of range."""
        self._control.ask("change", run_id, owner=owner, **hyperparameters)

    def note_seen(self, owner: str) -> bool:
        """Note that a person has a page open; return whether a run of theirs here would stop without one."""
        self.neighbours.note_seen(owner)
        return self._note_seen(owner)

    def _note_seen(self, owner: str) -> bool:
        with self._queue.lock:
            jobs = [job for job in self._queue.jobs() if job.stop_when_disconnected and job.owner == owner]
            for job in jobs:
                job.seen_at = self._clock()
            return bool(jobs)

    def request_images(self, source: DataSource, device: torch.device, *, retry: bool = True) -> DatasetFuture:
        """Request images for a page, as `DatasetLoader.request` does; their future fails if runs leave no room."""
        with self._queue.lock:
            loading = self._budget.request_images(source, device, self._queue.jobs(), retry=retry)
        if not loading.images.done():
            loading.images.add_done_callback(lambda _: self._queue.notify())  # a job may wait for that memory
        return loading

    # what pages read

    @property
    def rights(self) -> Rights:
        """Who may stop and delete what."""
        return self._stored_runs.rights

    @property
    def trouble(self) -> Sentence | None:
        """Why nothing can be stored at the moment."""
        return self._writer.trouble

    def get(self, run_id: str) -> Run:
        """Return the newest record of a run. Raises ValueError if it is unknown."""
        with self._queue.lock:
            if run_id in self._queue.runs:
                return self._queue.runs[run_id].run
        return self.store.get(run_id)

    def get_snapshot(self, run_id: str) -> Snapshot | None:
        """Return the newest snapshot of a run that trains here; None if there is none in memory."""
        active = self._queue.runs.get(run_id)
        return active.snapshot if active else None

    def list_active(self) -> list[Run]:
        """List the runs of this process that are not over, oldest first."""
        return [active.run for active in self._queue.active_runs()]

    def list_unstored(self) -> list[str]:
        """List the ids of the runs of this process that are not over, or whose end is not stored yet."""
        with self._queue.lock:
            return list(self._queue.runs)

    def list_everywhere(self, *, owner: str | None = None) -> list[Run]:
        """List the runs that are not over, oldest first: those of this process, and the newest of others.

        owner: whose, if not everybody's. While the database fails, only those of this process are known.
        """
        here = [run for run in self.list_active() if owner is None or run.belongs_to(owner)]
        with suppress(StoreError):
            found = [listed.run for listed in self.store.search(owner=owner, statuses=ACTIVE)[0]]
            here += [run for run in found if run.id not in self._queue.runs]
        return sorted(here, key=lambda run: run.created)

    def iterations_per_second(self, run: Run) -> float:
        """Return the speed of a run: over the last seconds while it trains, otherwise over all of its training."""
        return load.measure_speed(self._queue, run)

    def count_nodes(self, run_id: str) -> int:
        """Count the nodes of a cluster on which the runs that were started with a run train; 0 in this process."""
        return load.count_nodes(self._queue, run_id)

    def loading_progress(self, run_id: str) -> float | None:
        """Return the share of a queued run's images that is loaded; None if they are not being loaded."""
        return load.find_loading_progress(self._queue, run_id)

    def waiting_reason(self, run_id: str) -> Sentence | None:
        """Say why a queued run may not start, apart from its place in the queue."""
        return load.explain_wait(self._queue, self._budget, self.executor, run_id)

    def measure_load(self) -> load.Load:
        """Measure what this process does, for whoever runs it."""
        return load.measure_load(self._queue, self._budget, self._writer)

    def shutdown(self) -> None:
        """Mark the active runs as interrupted, store them and end the threads, in SHUTDOWN_SECONDS at most."""
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        with self._queue.lock:
            self._queue.is_closing = True
            for active in self._queue.active_runs():  # not in the worker, which may be busy with a slice for seconds
                active.end(RunStatus.INTERRUPTED, messages.SHUT_DOWN)
            self._queue.lock.notify_all()
        self._writer.close(LAST_WRITES_SECONDS)
        self.neighbours.close(max(deadline - time.monotonic(), 0.0))
        if self._worker.join(max(deadline - time.monotonic(), 0.0)) and not self.library.is_loading:
            process_exit.note_end(self)

    def join(self, seconds: float) -> None:
        """Wait at most so long, after a shutdown, for the end of the threads that load and train."""
        self.library.close(seconds)
        self._worker.join(seconds)

    def _submit(self, runs: Sequence[Run], owner: str, **options: bool) -> list[str]:
        if not runs:
            return []
        jobs = build_jobs(runs, self._budget, self.executor, self._queue, seen_at=self._clock(), **options)
        with self._submit_lock:  # one at a time, so that two cannot exceed a limit together
            refuse_too_many(self._queue.jobs(), len(runs), owner, self._budget)
            self._stored_runs.check_room([run.recipe for run in runs], owner=owner)
            self.store.create_many(runs)
            self._queue.add(jobs)
        return [run.id for run in runs]


_shared: RunManager | None = None
_shared_lock = threading.Lock()


def shared_manager(*, reserved: int = 0) -> RunManager:
    """Return the manager of this process, created at the first call: one for all pages, whatever is reloaded.

    reserved: bytes that pages cache.
    """
    global _shared
    with _shared_lock:
        if _shared is None:
            store, library, executor = shared_store(), DatasetLoader(data_home), choose_executor()
            _shared = RunManager(store, library, executor=executor, memory=read_memory(), reserved=reserved)
        return _shared


def is_up() -> bool:
    """Return whether the shared manager has been created."""
    return _shared is not None


def shutdown() -> None:
    """Shut down the shared manager, if there is one; `shared_manager` then creates a new one."""
    global _shared
    with _shared_lock:
        manager, _shared = _shared, None
    if manager is not None:
        manager.shutdown()
    close_shared_store()
