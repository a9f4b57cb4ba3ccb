"""The background thread: it trains what was submitted, round and round, and keeps what was measured."""

import logging
import platform
import secrets
import threading
import time
import traceback
from collections.abc import Sequence

import torch

from mlpcore.catalog import data_home
from mlpcore.cohort import Edit, Leave, Progress, cohort_key, train_cohort
from mlpcore.device import pick_device
from mlpcore.library import ImageLibrary
from mlpcore.members import SHUT_DOWN, Group, Member, explain_end, explain_failure
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipe import Recipe, with_change
from mlpcore.runs import Run, RunStatus
from mlpcore.sights import Sight
from mlpcore.store import RunStore
from mlpcore.writer import RunWriter

MAX_ACTIVE = 4  # cohorts that train at a time; what comes later is queued
MAX_QUEUED = 200  # runs that may wait, in all
STORE_SECONDS = 0.5  # what was measured longer ago than this and a slice is on disk
RETRY_SECONDS = 1.0  # between two tries at a store that refused
PACE_SECONDS = 3.0  # over which the pace of a run is measured
SHUTDOWN_SECONDS = 2.5

log = logging.getLogger(__name__)


class RunManager:
    """Trains recipes in one daemon thread, going round the active cohorts slice by slice.

    Its methods may be called from any thread, return at once and raise SentenceError where
    they cannot do what was asked. What they return are frozen records. A failure is data: it ends the run as
    failed, with a sentence and a stored traceback, and the thread goes on.
    """

    def __init__(self, store: RunStore, library: ImageLibrary, *, max_active: int = MAX_ACTIVE) -> None:
        self.store = store
        self.library = library
        self._max_active = max_active
        self._members: dict[str, Member] = {}  # all that is not over, or over and not stored yet; oldest first
        self._wake = threading.Condition(threading.RLock())
        self._closing = False
        self._writer = RunWriter(store, self._wake)
        self._thread = threading.Thread(target=self._work, name="RunManager", daemon=True)
        self._thread.start()

    # what people ask for

    def submit(self, recipes: Sequence[Recipe], *, owner: str, names: Sequence[str]) -> list[str]:
        """Queue runs, those that can train together as one cohort; return their ids. All are stored, or none is."""
        if len(self.list_active()) + len(recipes) > MAX_QUEUED:
            raise SentenceError("{limit} runs are waiting already: try again when some are over.", limit=MAX_QUEUED)
        for recipe in recipes:
            pick_device(recipe.device)
        runs = [
            Run(
                id=secrets.token_hex(6),
                name=name,
                recipe=recipe,
                status=RunStatus.QUEUED,
                created=time.time(),
                owner=owner,
                versions={"torch": torch.__version__, "python": platform.python_version()},
            )
            for recipe, name in zip(recipes, names, strict=True)
        ]
        self.store.create_many(runs)
        groups: dict[tuple, Group] = {}
        submitted = [groups.setdefault(cohort_key(run.recipe), Group()).add(run) for run in runs]
        with self._wake:
            self._members |= {member.run.id: member for member in submitted}
            self._wake.notify_all()
        return [member.run.id for member in submitted]

    def stop(self, run_id: str, *, owner: str) -> None:
        """End a run; it keeps what was measured."""
        with self._wake:
            self._find(run_id, owner).stop_requested = True
            self._wake.notify_all()

    def pause(self, run_id: str, *, owner: str) -> None:
        """Let a run, and with it the runs of its cohort, wait where it is."""
        self._set_paused(run_id, owner, paused=True)

    def resume(self, run_id: str, *, owner: str) -> None:
        """Let a paused run go on."""
        self._set_paused(run_id, owner, paused=False)

    def change(self, run_id: str, *, owner: str, **knobs: float) -> None:
        """Set lr, momentum or weight_decay of a run from its next step on. Raises ValueError out of range."""
        with self._wake:
            member = self._find(run_id, owner)
            requested = member.requested | knobs
            with_change(member.run.recipe, member.group.step, requested)
            member.requested = requested
            self._wake.notify_all()

    # what pages read

    @property
    def trouble(self) -> Sentence | None:
        """Why nothing can be stored at the moment."""
        return self._writer.trouble

    def get(self, run_id: str) -> Run:
        """Return a run as it stands. Raises ValueError if there is none."""
        with self._wake:
            if run_id in self._members:
                return self._members[run_id].run
        return self.store.get(run_id)

    def get_sight(self, run_id: str) -> Sight | None:
        """Return what the network of a run that goes on here saw last; None where that is not in memory."""
        with self._wake:
            member = self._members.get(run_id)
            return member and member.sight

    def list_active(self) -> list[Run]:
        """List the runs that are not over, oldest first."""
        with self._wake:
            return [member.run for member in self._members.values() if not member.run.status.is_over]

    def pace(self, run_id: str) -> float:
        """Iterations a second, as the clock on the wall has it: lately where the run goes on, else of the whole run."""
        with self._wake:
            member = self._members.get(run_id)
            if member is not None and len(member.group.ticks) > 1:
                ticks = member.group.ticks
                (began, first), (ended, last) = ticks[0], ticks[-1]
                return (last - first) / max(ended - began, 1e-9)
        run = self.get(run_id)
        return run.step / run.seconds if run.seconds else 0.0

    def preparation(self, run_id: str) -> float | None:
        """The share of a queued run's images that is loaded; None where they are not being loaded."""
        with self._wake:
            member = self._members.get(run_id)
            return member.group.loading.progress if member and member.group.is_loading else None

    def shutdown(self) -> None:
        """Mark what is going on as interrupted, store it and end the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        self._thread.join(SHUTDOWN_SECONDS)

    def _find(self, run_id: str, owner: str) -> Member:
        member = self._members.get(run_id)
        if member is None or member.run.status.is_over:
            raise SentenceError("This run is over already.")
        if not secrets.compare_digest(member.run.owner.encode(), owner.encode()):
            raise SentenceError("Only the person who started this run can do that.")
        return member

    def _set_paused(self, run_id: str, owner: str, *, paused: bool) -> None:
        with self._wake:
            group = self._find(run_id, owner).group
            group.paused = paused
            group.ticks.clear()
            for member in group.members:
                if member.run.status in (RunStatus.RUNNING, RunStatus.PAUSED):
                    member.update(status=RunStatus.PAUSED if paused else RunStatus.RUNNING)
            self._wake.notify_all()

    # the thread

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(self._has_work, timeout=RETRY_SECONDS if self._has_unstored() else None)
                if self._closing:
                    break
                for member in list(self._members.values()):
                    self._take_up_requests(member)
                groups = self._admit()
            for group in groups:
                self._advance(group)
            self._store(wait=STORE_SECONDS if self._writer.trouble is None else RETRY_SECONDS)
        with self._wake:
            for member in self._members.values():
                self._end(member, RunStatus.INTERRUPTED, SHUT_DOWN)
        self._store()

    def _has_work(self) -> bool:
        asked = any(member.stop_requested or member.requested for member in self._members.values())
        return self._closing or asked or bool(self._admit())

    def _has_unstored(self) -> bool:
        return any(not member.is_stored for member in self._members.values())

    def _admit(self) -> list[Group]:
        """The groups whose turn it is: the oldest that are neither over nor paused nor still loading."""
        going_on = [member.group for member in self._members.values() if not member.run.status.is_over]
        awake = [group for group in dict.fromkeys(going_on) if not group.paused]
        return [group for group in awake[: self._max_active] if not group.is_loading]

    def _take_up_requests(self, member: Member) -> None:
        group = member.group
        knobs, member.requested = member.requested, {}
        # past the last iteration there is none left to change
        if knobs and not member.run.status.is_over and group.step < member.run.recipe.train_iter:
            self._change(member, knobs)
        if member.stop_requested:
            member.stop_requested = False
            self._end(member, RunStatus.STOPPED)
            if group.training is not None:
                group.outbox.append(Leave(member.position))

    def _change(self, member: Member, knobs: dict[str, float]) -> None:
        group = member.group
        try:
            recipe = with_change(member.run.recipe, group.step, knobs)
        except ValueError:  # it fitted when it was asked for: by now it would be one change too many
            log.warning("A change of run %s is left out.", member.run.id, exc_info=True)
            return
        member.update(recipe=recipe)
        if group.training is not None:
            group.outbox.append(Edit(member.position, recipe.changes[-1]))

    def _advance(self, group: Group) -> None:
        """Let a group train for one slice, or begin."""
        try:
            if group.training is None:
                self._begin(group)
            # the first slice at once: a generator takes nothing in before its first item
            if group.training is not None:
                sent, group.outbox = group.outbox, []
                self._record(group, group.training.send(sent or None))
        except Exception as error:  # noqa: BLE001  a failure of any kind is the run's, not the thread's
            self._fail(group, error)

    def _begin(self, group: Group) -> None:
        recipe = group.members[0].run.recipe
        device = pick_device(recipe.device)
        if group.loading is None:
            group.loading = self.library.request(recipe.dataset, device)
            group.loading.images.add_done_callback(self._notify)
        if group.is_loading:
            return
        members = [member for member in group.members if not member.run.status.is_over]
        for position, member in enumerate(members):
            member.position = position
        images = group.loading.images.result()
        group.training = train_cohort([member.run.recipe for member in members], images, device=device)
        with self._wake:
            for member in members:
                status = RunStatus.PAUSED if group.paused else RunStatus.RUNNING
                member.update(status=status, device=str(device))

    def _record(self, group: Group, progress: Progress) -> None:
        now = time.monotonic()
        with self._wake:
            group.step = progress.step
            group.ticks.append((now, progress.step))
            while now - group.ticks[0][0] > PACE_SECONDS:
                group.ticks.popleft()
            for member in group.members:
                if member.run.status.is_over:
                    continue
                if member.position in progress.evaluations:
                    member.add(progress.evaluations[member.position], progress.sights[member.position])
                member.update(step=progress.step, seconds=progress.seconds)
                if member.position in progress.over:
                    self._end(member, progress.over[member.position], explain_end(progress, member.position))

    def _fail(self, group: Group, error: Exception) -> None:
        log.error("A run failed.", exc_info=error)
        with self._wake:
            for member in group.members:
                if not member.run.status.is_over:
                    member.update(traceback="".join(traceback.format_exception(error)))
                    self._end(member, RunStatus.FAILED, explain_failure(error))

    def _end(self, member: Member, status: RunStatus, message: Sentence | None = None) -> None:
        if member.run.status.is_over:
            return
        member.update(status=status, message=message)
        group = member.group
        if all(other.run.status.is_over for other in group.members) and group.training is not None:
            group.training.close()
            group.training = None

    def _notify(self, _images: object) -> None:
        with self._wake:
            self._wake.notify_all()

    def _store(self, *, wait: float = 0.0) -> None:
        with self._wake:
            members = list(self._members.values())
        done = self._writer.write(members, wait=wait)
        with self._wake:
            for member in done:
                del self._members[member.run.id]


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
