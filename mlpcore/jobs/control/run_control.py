"""What people ask of an active run: done here, or sent to the process that trains it."""

from collections.abc import Callable, Mapping
from typing import Any

from mlpcore.jobs import messages
from mlpcore.jobs.queue import ActiveRun, JobQueue
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import with_change
from mlpcore.runs.messages import NOT_YOURS
from mlpcore.runs.people.rights import Rights
from mlpcore.runs.records import RunStatus, is_same_owner
from mlpcore.runs.servers.requests import Request
from mlpcore.runs.store import RunStore


class RunControl:
    """Stops, pauses, resumes and changes the runs of a queue, and asks other processes to do so with theirs."""

    def __init__(self, queue: JobQueue, store: RunStore, rights: Rights) -> None:
        """Control the runs of a queue; the store knows those of other processes."""
        self._queue, self._store, self._rights = queue, store, rights

    def ask(self, action: str, run_id: str, *, owner: str, **arguments: float) -> None:
        """Do an action, one of ACTIONS, for somebody who may; of a run elsewhere, within about two seconds.

        Raises:
            SentenceError: They may not, the run is over, or an argument is out of range.
            StoreError: The run is not here, and the database cannot be used.
        """
        may = self._rights.may_end if action == "stop" else is_same_owner
        with self._queue.lock:
            if (active := self._queue.runs.get(run_id)) is not None:
                _refuse(active.run.status, is_allowed=may(active.run.owner, owner))
                self._do(active, action, arguments)
                return
        state = self._store.read_state(run_id)  # without the lock, which training and every page would wait for
        if state is None:
            raise SentenceError(messages.ALREADY_OVER)
        _refuse(state.status, is_allowed=may(state.owner, owner))
        if arguments:
            run = self._store.get(run_id)
            with_change(run.recipe, run.step, arguments)
        self._store.requests.send(state.server, action, run_id, **arguments)

    def serve(self, request: Request) -> None:
        """Do what another process asks for, which has checked whether it may; nothing if the run is over by now."""
        with self._queue.lock:
            active = self._queue.runs.get(request.subject)
            if active is not None and not active.run.status.is_over:
                self._do(active, request.action, request.arguments)

    def _do(self, active: ActiveRun, action: str, arguments: Mapping[str, Any]) -> None:
        ACTIONS[action](active, **arguments)
        self._queue.lock.notify_all()


def _refuse(status: RunStatus, *, is_allowed: bool) -> None:
    if status.is_over:
        raise SentenceError(messages.ALREADY_OVER)
    if not is_allowed:
        raise SentenceError(NOT_YOURS)


def _stop(active: ActiveRun) -> None:
    active.request_stop()


def _pause(active: ActiveRun) -> None:
    active.job.paused = True
    active.job.step_times.clear()
    active.job.set_status(RunStatus.PAUSED)


def _resume(active: ActiveRun) -> None:
    active.job.paused = False
    active.job.set_status(RunStatus.RUNNING if active.job.has_begun else RunStatus.QUEUED)


def _change(active: ActiveRun, **hyperparameters: float) -> None:
    requested = active.requested_change | hyperparameters
    with_change(active.run.recipe, active.job.step, requested)
    active.request_change(requested)


ACTIONS: dict[str, Callable[..., None]] = {"stop": _stop, "pause": _pause, "resume": _resume, "change": _change}
