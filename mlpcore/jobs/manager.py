"""RunManager: what people ask for and what pages read; training and storing go on in threads behind it."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mlpcore.data.catalog import data_home
from mlpcore.data.residency import ImageLibrary
from mlpcore.jobs.failure_messages import SHUT_DOWN
from mlpcore.jobs.queue import ActiveRun, Job, JobQueue, find_obstacle
from mlpcore.jobs.worker import Train, Worker, train_on
from mlpcore.jobs.writer import Writer
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.recipe import Recipe, with_change
from mlpcore.runs.records import Run, RunStatus
from mlpcore.runs.snapshots import Snapshot
from mlpcore.runs.store import RunStore
from mlpcore.training.device import pick_device
from mlpcore.training.lockstep import cohort_key
from mlpcore.training.reproducibility import find_versions

MAX_ACTIVE = 4  # cohorts that train at a time, and everybody's oldest in any case; what comes later is queued
MAX_QUEUED = 200  # runs that may wait or go on, in all
MAX_OWNED = 100  # of one person: the largest comparison has 80
SHUTDOWN_SECONDS = 2.5
LAST_WRITES_SECONDS = 2.0  # of these


class RunManager:
    """Trains recipes in one daemon thread, going round the active cohorts slice by slice, and stores them in another.

    Computing time is shared evenly by the people who want it. Its methods may be called from any thread, return at
    once and raise SentenceError where they cannot do what was asked. What they return are frozen records. A failure is
    data: it ends the run as failed, with a sentence and a stored traceback, and the threads go on.
    """

    def __init__(
        self,
        store: RunStore,
        library: ImageLibrary,
        *,
        max_active: int = MAX_ACTIVE,
        clock: Callable[[], float] = time.monotonic,
        train: Train = train_on,
    ) -> None:
        """Start the threads; the parameters are those of Worker."""
        self.store = store
        self.library = library
        self._clock = clock
        self._roster = JobQueue()
        self._submitting = threading.Lock()
        self._writer = Writer(store, self._roster)
        self._thread = Worker(self._roster, library, max_active=max_active, clock=clock, train=train)

    # what people ask for

    def submit(
        self, recipes: Sequence[Recipe], *, owner: str, names: Sequence[str], stop_when_disconnected: bool = False
    ) -> list[str]:
        """Queue runs, those that can train together as one cohort; return their ids. All are stored, or none is.

        stop_when_disconnected: stop them when `note_seen` has not been told of their owner for GRACE_SECONDS.
        """
        runs = [_build_run(recipe, name, owner) for recipe, name in zip(recipes, names, strict=True)]
        return self._submit(runs, owner, stop_when_disconnected=stop_when_disconnected)

    def continue_runs(self, run_ids: Sequence[str], *, owner: str) -> list[str]:
        """Train runs that ended early to their end; return the ids of the runs that do, in the same order.

        What is over never changes, and a run is a function of its recipe: so each is trained anew from its first
        iteration, as a run of `owner`, and comes to the very points it had before those that are missing. One that
        `owner` is having continued already is not begun twice.
        """
        ended = [self.get(run_id) for run_id in run_ids]
        if not all(run.ended_early for run in ended):
            raise SentenceError("Only a run that was stopped or interrupted can be continued.")
        with self._roster.lock:
            going_on = [member.run for member in self._roster.active() if member.run.owner == owner]
        continuing = {run.continues: run.id for run in going_on if run.continues}
        runs = {
            run.id: _build_run(run.recipe, run.name, owner, continues=run.id)
            for run in ended
            if run.id not in continuing
        }
        submitted = self._submit(list(runs.values()), owner)
        continuing |= dict(zip(runs, submitted, strict=True))
        return [continuing[run_id] for run_id in run_ids]

    def stop(self, run_id: str, *, owner: str) -> None:
        """End a run; it keeps what was measured."""
        with self._find(run_id, owner) as member:
            member.stop_requested = True
            self._roster.lock.notify_all()

    def pause(self, run_id: str, *, owner: str) -> None:
        """Let a run, and with it the runs of its cohort, wait where it is."""
        with self._find(run_id, owner) as member:
            group = member.group
            group.paused = True
            group.ticks.clear()
            group.show(RunStatus.PAUSED)

    def resume(self, run_id: str, *, owner: str) -> None:
        """Let a paused run go on."""
        with self._find(run_id, owner) as member:
            group = member.group
            group.paused = False
            group.show(RunStatus.QUEUED if group.training is None else RunStatus.RUNNING)
            self._roster.lock.notify_all()

    def change(self, run_id: str, *, owner: str, **knobs: float) -> None:
        """Set lr, momentum or weight_decay of a run from its next step on. Raises ValueError out of range."""
        with self._find(run_id, owner) as member:
            requested = member.requested | knobs
            with_change(member.run.recipe, member.group.step, requested)
            member.requested = requested
            self._roster.lock.notify_all()

    def note_seen(self, owner: str) -> bool:
        """Take down that somebody is here; return whether a run of theirs would stop if they were not."""
        with self._roster.lock:
            own = [member for member in self._roster.active() if member.stop_when_disconnected and member.run.owner == owner]
            for member in own:
                member.seen_at = self._clock()
            return bool(own)

    # what pages read

    @property
    def trouble(self) -> Sentence | None:
        """Why nothing can be stored at the moment."""
        return self._writer.trouble

    def get(self, run_id: str) -> Run:
        """Return a run as it stands. Raises ValueError if there is none."""
        with self._roster.lock:
            if run_id in self._roster.members:
                return self._roster.members[run_id].run
        return self.store.get(run_id)

    def get_snapshot(self, run_id: str) -> Snapshot | None:
        """Return what the network of a run that goes on here saw last; None where that is not in memory."""
        with self._roster.lock:
            member = self._roster.members.get(run_id)
            return member and member.snapshot

    def list_active(self) -> list[Run]:
        """List the runs that are not over, oldest first."""
        with self._roster.lock:
            return [member.run for member in self._roster.active()]

    def pace(self, run: Run) -> float:
        """Iterations a second, as the clock on the wall has it: lately where the run goes on, else of the whole run."""
        with self._roster.lock:
            member = self._roster.members.get(run.id)
            if member is not None and len(member.group.ticks) > 1:
                ticks = member.group.ticks
                (began, first), (ended, last) = ticks[0], ticks[-1]
                return (last - first) / max(ended - began, 1e-9)
        return run.step / run.seconds if run.seconds else 0.0

    def preparation(self, run_id: str) -> float | None:
        """The share of a queued run's images that is loaded; None where they are not being loaded."""
        with self._roster.lock:
            member = self._roster.members.get(run_id)
            return member.group.loading.progress if member and member.group.is_loading else None

    def obstacle(self, run_id: str) -> Sentence | None:
        """Say what keeps a queued run from beginning, where that is more than its turn."""
        with self._roster.lock:
            member = self._roster.members.get(run_id)
            return find_obstacle(member.group, self._roster.count_begun()) if member else None

    def shutdown(self) -> None:
        """Mark what is going on as interrupted, store it and end the threads, in SHUTDOWN_SECONDS at most.

        What cannot be stored in that time is marked by `RunStore.mark_interrupted` at the next start.
        """
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        with self._roster.lock:
            self._roster.is_closing = True
            for member in self._roster.active():  # here, and not in the thread: that may be in a slice for seconds
                member.end(RunStatus.INTERRUPTED, SHUT_DOWN)
            self._roster.lock.notify_all()
        self._writer.close(LAST_WRITES_SECONDS)
        self._thread.join(max(deadline - time.monotonic(), 0.0))

    def _submit(self, runs: Sequence[Run], owner: str, *, stop_when_disconnected: bool = False) -> list[str]:
        for run in runs:
            pick_device(run.recipe.device)
        groups: dict[tuple, Job] = {}
        submitted = [groups.setdefault(cohort_key(run.recipe), Job()).add(run) for run in runs]
        with self._submitting:  # one at a time, so that two cannot pass a bound together
            self._refuse_too_many(len(runs), owner)
            self.store.create_many(runs)
            with self._roster.lock:
                for member in submitted:
                    member.stop_when_disconnected, member.seen_at = stop_when_disconnected, self._clock()
                    self._roster.members[member.run.id] = member
                self._roster.lock.notify_all()
        return [run.id for run in runs]

    def _refuse_too_many(self, count: int, owner: str) -> None:
        active = self.list_active()
        if len(active) + count > MAX_QUEUED:
            raise SentenceError("{limit} runs are waiting already: try again when some are over.", limit=MAX_QUEUED)
        if sum(run.owner == owner for run in active) + count > MAX_OWNED:
            template = "{limit} runs at a time are the most for one person: try again when some of yours are over."
            raise SentenceError(template, limit=MAX_OWNED)

    @contextmanager
    def _find(self, run_id: str, owner: str) -> Iterator[ActiveRun]:
        """Hold the roster's lock over a run that goes on and is `owner`'s. Raises SentenceError where it is not."""
        with self._roster.lock:
            member = self._roster.members.get(run_id)
            if member is not None:
                if member.run.status.is_over:
                    raise SentenceError("This run is over already.")
                if not secrets.compare_digest(member.run.owner.encode(), owner.encode()):
                    raise SentenceError("Only the person who started this run can do that.")
                yield member
                return
        status = self.store.read_status(run_id)  # without the lock, for which training and every page would wait
        if status is not None and not status.is_over:
            raise SentenceError("This run goes on in another program that shares these runs: only that one can do it.")
        raise SentenceError("This run is over already.")


def _build_run(recipe: Recipe, name: str, owner: str, *, continues: str = "") -> Run:
    return Run(
        id=secrets.token_hex(6),
        name=name,
        recipe=recipe,
        status=RunStatus.QUEUED,
        created=time.time(),
        owner=owner,
        versions=find_versions(),
        continues=continues,
    )


_shared: RunManager | None = None
_shared_lock = threading.Lock()


def shared_manager() -> RunManager:
    """The manager of this process, made at the first call: one for all pages, however often they are reloaded."""
    global _shared
    with _shared_lock:
        if _shared is None:
            store = RunStore()
            store.mark_interrupted()
            _shared = RunManager(store, ImageLibrary(data_home))
        return _shared


def is_up() -> bool:
    """Whether the shared manager was made already."""
    return _shared is not None


def shutdown() -> None:
    """Shut the shared manager down, if there is one; who asks again gets a new one."""
    global _shared
    with _shared_lock:
        manager, _shared = _shared, None
    if manager is not None:
        manager.shutdown()
        manager.store.close()
