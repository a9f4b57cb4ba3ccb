"""SweepManager: runs sweeps batch by batch through the RunManager, in a thread behind it."""

import logging
import math
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from pydantic import ValidationError

from mlpcore.jobs.manager import RunManager, shared_manager
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.messages import BAD_NAME
from mlpcore.recipes.validation import shorten
from mlpcore.runs.messages import StoreError
from mlpcore.runs.records import NAME, is_same_owner
from mlpcore.runs.servers.requests import Request
from mlpcore.runs.sweeps import StoredSweep, SweepStatus
from mlpcore.sweeps import messages
from mlpcore.sweeps.active import ActiveSweep
from mlpcore.sweeps.definition import Definition
from mlpcore.sweeps.trials import Sweep, read_trial

POLL_SECONDS = 0.1
CLAIM_SECONDS = 10.0  # between two looks for what dead processes left
RETRY_SECONDS = 2.0  # after the queue or the store refused
JOIN_SECONDS = 2.0
MAX_SWEEPS_PER_OWNER = 5
SERVED = ("stop sweep", "set status of sweep", "extend sweep")  # what other processes may ask for

log = logging.getLogger(__name__)


class SweepManager:
    """Draws the trials of sweeps, submits their runs, and stores what came of them.

    All methods may be called from any thread. They raise SentenceError if they refuse, and StoreError if the database
    cannot be used. A sweep that a dead process left goes on here: interrupted runs are trained again, and what is
    drawn next follows from the trials before, so the result is the same.
    """

    def __init__(self, runs: RunManager, *, resume_left: bool = True) -> None:
        """Start the thread.

        Args:
            runs: Trains the runs.
            resume_left: Whether to go on with what dead processes left. The server does; a command ends too soon.
        """
        self._runs, self._store = runs, runs.store.sweeps
        self._lock = threading.Condition()
        self._request_lock = threading.Lock()  # one start at a time, so that two cannot exceed the limit together
        self._active: dict[str, ActiveSweep] = {}
        self._is_closing = False
        self._thread = threading.Thread(target=self._work, args=(resume_left,), name="SweepManager", daemon=True)
        for action in SERVED:
            runs.neighbours.serve(action, self._serve)
        self._thread.start()

    def start(self, definition: Definition, *, owner: str, name: str) -> str:
        """Start a sweep; return its id."""
        if not re.fullmatch(NAME, name):
            raise SentenceError(BAD_NAME, field="name", value=shorten(name))
        with self._request_lock:
            self._refuse_too_many(owner)
            sweep = Sweep(secrets.token_hex(6), name, owner, time.time(), SweepStatus.RUNNING, definition)
            text = definition.model_dump_json()
            self._store.create(StoredSweep(sweep.id, name, owner, sweep.created, sweep.status, text))
            self._add(ActiveSweep(sweep, self._runs, self._store))
        return sweep.id

    def get(self, sweep_id: str) -> Sweep | None:
        """Return a sweep as it is now; None if there is none that this version can read."""
        with self._lock:
            if sweep_id in self._active:
                return self._active[sweep_id].sweep
        stored = self._store.get(sweep_id)
        return None if stored is None else read_sweep(stored)

    def pause(self, sweep_id: str, *, owner: str) -> None:
        """Draw no more trials until `resume`; those that train go on to their end."""
        self._set_status(sweep_id, owner, SweepStatus.PAUSED)

    def resume(self, sweep_id: str, *, owner: str) -> None:
        """Go on with a paused sweep."""
        self._set_status(sweep_id, owner, SweepStatus.RUNNING)

    def stop(self, sweep_id: str, *, owner: str) -> None:
        """End a sweep and stop its runs; what they measured stays. An admin may end anybody's."""
        active = self._find(sweep_id, owner, may=self._runs.rights.may_end)
        if self._pass_on(active, "stop sweep"):
            return
        with active.busy:
            _refuse_over(active.sweep)
            active.stop()

    def extend(self, sweep_id: str, definition: Definition, *, owner: str) -> None:
        """Go on with a sweep as another definition says: with more trials, or a wider grid. Trials it has are kept."""
        with self._request_lock:
            active = self._find_or_read(sweep_id, owner)
            with active.busy:
                old = active.sweep.definition
                # more trials of a study would come between those that are drawn
                may_differ = ["space"] if old.sampler == "grid" else ["trials"] if not old.studies else []
                if definition != old.replace(**{name: getattr(definition, name) for name in may_differ}):
                    raise SentenceError(messages.NOT_AN_EXTENSION)
                if self._pass_on(active, "extend sweep", definition=definition.model_dump_json()):
                    return
                if active.sweep.status.is_over:
                    self._refuse_too_many(owner)
                active.extend(definition)
                self._add(active)

    def delete(self, sweep_id: str, *, owner: str) -> None:
        """Delete a sweep that is over; its runs stay. An admin may delete anybody's."""
        active = self._find_or_read(sweep_id, owner, may=self._runs.rights.may_end)
        with active.busy:
            if not active.sweep.status.is_over:
                raise SentenceError(messages.NOT_OVER)
            with self._lock:
                self._active.pop(sweep_id, None)
            self._store.delete(sweep_id)

    def shutdown(self) -> None:
        """End the thread, before the RunManager's shutdown; unfinished sweeps go on at the next start."""
        with self._lock:
            self._is_closing = True
            self._lock.notify_all()
        self._thread.join(JOIN_SECONDS)

    def _refuse_too_many(self, owner: str) -> None:
        with self._lock:
            own = [one for one in self._active.values() if one.sweep.belongs_to(owner) and not one.sweep.status.is_over]
        if len(own) >= MAX_SWEEPS_PER_OWNER:
            raise SentenceError(messages.TOO_MANY_SWEEPS, limit=MAX_SWEEPS_PER_OWNER)

    def _find(self, sweep_id: str, owner: str, *, may: Callable[[str, str], bool] = is_same_owner) -> ActiveSweep:
        """Find a sweep that goes on here and that `owner` may change. Raises SentenceError if there is none."""
        active = self._find_or_read(sweep_id, owner, may=may)
        _refuse_over(active.sweep)
        return active

    def _find_or_read(
        self, sweep_id: str, owner: str, *, may: Callable[[str, str], bool] = is_same_owner
    ) -> ActiveSweep:
        """Find a sweep that `owner` may change, here or in the store. Raises SentenceError if there is none."""
        with self._lock:
            active = self._active.get(sweep_id)
        if active is None and (sweep := self.get(sweep_id)) is not None:
            active = ActiveSweep(sweep, self._runs, self._store)
        if active is None or not may(active.sweep.owner, owner):
            raise SentenceError(messages.NOT_YOURS)
        return active

    def _set_status(self, sweep_id: str, owner: str, status: SweepStatus) -> None:
        active = self._find(sweep_id, owner)
        if self._pass_on(active, "set status of sweep", status=status):
            return
        with active.busy:
            _refuse_over(active.sweep)
            active.set_status(status)

    def _pass_on(self, active: ActiveSweep, action: str, **arguments: str) -> bool:
        """Ask the process that goes on with a sweep, if that is another one; return whether it is."""
        sweep_id = active.sweep.id
        with self._lock:
            if active.sweep.status.is_over or sweep_id in self._active:
                return False
        server = self._store.find_server(sweep_id)
        self._runs.store.requests.send(server or "", action, sweep_id, **arguments)
        return True

    def _serve(self, request: Request) -> None:
        """Do what another process asks for, which has checked whether it may; nothing if the sweep is over by now."""
        with self._lock:
            active = self._active.get(request.subject)
        if active is None:
            return
        sweep_id, owner = request.subject, active.sweep.owner
        match request.action:
            case "stop sweep":
                self.stop(sweep_id, owner=owner)
            case "set status of sweep":
                self._set_status(sweep_id, owner, SweepStatus(request.arguments["status"]))
            case "extend sweep":
                definition = Definition.model_validate_json(request.arguments["definition"])
                self.extend(sweep_id, definition, owner=owner)

    def _add(self, active: ActiveSweep) -> None:
        with self._lock:
            self._active[active.sweep.id] = active
            self._lock.notify_all()

    def _work(self, resume_left: bool) -> None:
        claim_at = 0.0 if resume_left else math.inf
        while True:
            if time.monotonic() >= claim_at:
                self._resume_left()
                claim_at = time.monotonic() + CLAIM_SECONDS
            with self._lock:
                if self._is_closing:
                    return
                going_on = list(self._active.values())
            for active in going_on:
                self._advance(active)
            with self._lock:
                if not self._is_closing:
                    self._lock.wait(POLL_SECONDS if self._active else CLAIM_SECONDS)

    def _resume_left(self) -> None:
        try:
            for sweep_id in self._store.claim_left():
                if (stored := self._store.get(sweep_id)) is not None and (sweep := read_sweep(stored)) is not None:
                    self._add(ActiveSweep(sweep, self._runs, self._store))
        except StoreError as error:  # at the next look
            log.debug("The sweeps that were left unfinished cannot go on: %s", error)

    def _advance(self, active: ActiveSweep) -> None:
        """Advance a sweep; one that is done is from then on read from the store."""
        if time.monotonic() < active.retry_at:
            return
        problem = None
        with active.busy:
            try:
                active.advance()
            except (SentenceError, StoreError) as error:
                problem = error.sentence
            except Exception:  # a defect: the sweep must not end the thread, which serves everybody's
                log.exception("Sweep %s cannot go on.", active.sweep.id)
                problem = Sentence(messages.CANNOT_GO_ON)
            active.retry_at = 0.0 if problem is None else time.monotonic() + RETRY_SECONDS
            if problem != active.sweep.problem:
                active.sweep = replace(active.sweep, problem=problem)
            if active.is_done:
                with self._lock:
                    self._active.pop(active.sweep.id, None)


def _refuse_over(sweep: Sweep) -> None:
    if sweep.status.is_over:
        raise SentenceError(messages.ALREADY_OVER)


def read_sweep(stored: StoredSweep) -> Sweep | None:
    """Read a stored sweep; None if another version of this program wrote it, and this one cannot read it."""
    try:
        definition = Definition.model_validate_json(stored.definition)
        trials = tuple(map(read_trial, stored.trials))
    except ValidationError:
        log.warning("Sweep %s is from another version of this program and cannot be read.", stored.id)
        return None
    return Sweep(stored.id, stored.name, stored.owner, stored.created, stored.status, definition, trials)


_shared: SweepManager | None = None
_shared_lock = threading.Lock()


def shared_sweeps(*, reserved: int = 0) -> SweepManager:
    """Return the sweeps of this process, created at the first call, over the shared RunManager.

    reserved: bytes that pages cache.
    """
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = SweepManager(shared_manager(reserved=reserved))
        return _shared


def shutdown() -> None:
    """End the shared sweeps, if there are any, before the RunManager's shutdown."""
    global _shared
    with _shared_lock:
        sweeps, _shared = _shared, None
    if sweeps is not None:
        sweeps.shutdown()
