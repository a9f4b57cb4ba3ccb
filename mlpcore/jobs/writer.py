"""The thread that writes runs to the store, so that training never waits for a disk."""

import logging
import threading
import time
from collections.abc import Sequence

from mlpcore.jobs.messages import NOT_STORED_YET, explain_missing
from mlpcore.jobs.queue import ActiveRun, JobQueue
from mlpcore.messages import Sentence
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.store import RunStore, StoreError

STORE_SECONDS = 0.5  # an evaluation older than this and the time of a write is on disk
RETRY_SECONDS = 1.0  # between two attempts while the store fails
LAST_RETRY_SECONDS = 0.1  # the same during shutdown
MAX_WRITE_ATTEMPTS = 3  # of a run that fails for another reason than a StoreError
SNAPSHOT_SECONDS = 5.0  # at least, between two snapshots of a run on disk: 2 ms each

log = logging.getLogger(__name__)


class Writer:
    """Writes new evaluations twice a second, and runs that are over at once; these then leave the queue.

    While the store fails, everything new is kept in memory until a write succeeds.
    """

    def __init__(self, store: RunStore, queue: JobQueue) -> None:
        self._store = store
        self.trouble: Sentence | None = None  # why nothing can be stored at the moment
        self._queue = queue
        self._deadline: float | None = None  # of the last attempts during shutdown
        self._stored_at = time.monotonic()  # what was measured until then is stored
        self._thread = threading.Thread(target=self._work, name="Writer", daemon=True)
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Write what is left, for at most so many seconds, and end the thread."""
        with self._queue.lock:
            self._deadline = time.monotonic() + seconds
            self._queue.lock.notify_all()
        self._thread.join(seconds)

    @property
    def delay(self) -> float:
        """The most seconds that something measured may have waited to be stored; 0 while there is no run."""
        with self._queue.lock:
            return time.monotonic() - self._stored_at if self._queue.runs else 0.0

    def _work(self) -> None:
        lock = self._queue.lock
        while True:
            with lock:
                if not self._queue.runs:
                    lock.wait_for(lambda: self._queue.runs or self._deadline is not None)
                    self._stored_at = time.monotonic()
                lock.wait_for(self._is_due, STORE_SECONDS if self.trouble is None else RETRY_SECONDS)
            self._write_all()
            with lock:
                if self._deadline is not None:
                    if not self._unstored_runs() or time.monotonic() >= self._deadline:
                        return
                    lock.wait(LAST_RETRY_SECONDS)

    def _is_due(self) -> bool:
        if self._deadline is not None:
            return True
        return self.trouble is None and any(active.run.status.is_over for active in self._unstored_runs())

    def _unstored_runs(self) -> list[ActiveRun]:
        return [active for active in self._queue.runs.values() if not active.is_stored]

    def _write_all(self) -> None:
        with self._queue.lock:
            unstored_runs = self._unstored_runs()
            begun_at = time.monotonic()
        trouble = None
        for active in unstored_runs:
            try:
                self._write(active)
            except StoreError as error:  # every other run would have to wait for it too
                self.trouble = error.sentence
                return
            except Exception:  # this run's alone: this thread stores everybody's
                trouble = NOT_STORED_YET
                active.is_stored = False
                if active.failed_writes == 0:
                    log.exception("Run %s could not be stored.", active.run.id)
                active.failed_writes += 1
        self.trouble = trouble
        if trouble is None:
            self._stored_at = begun_at

    def _write(self, active: ActiveRun) -> None:
        """Write a run, and remove it from the queue if it was over when it was written.

        Raises StoreError while the store fails, and anything else for a run that cannot be written as it is. After
        MAX_WRITE_ATTEMPTS of those, evaluations are written one by one, and those that fail are recorded as missing.
        """
        with self._queue.lock:
            run, unstored = active.run, tuple(active.unstored)
            active.is_stored = True
        try:
            self._write_snapshot(active, run)  # before the run is over for others, who may then delete it
            if active.failed_writes < MAX_WRITE_ATTEMPTS:
                self._update(run, unstored, active)
            elif self._is_active_in_store(run):
                self._write_singly(active, run, unstored)
            elif not active.stop_requested:
                log.error("Run %s was deleted or ended by another program: its training stops.", run.id)
                with self._queue.lock:
                    active.request_stop()
                    self._queue.lock.notify_all()
        except StoreError:
            active.is_stored = False
            raise
        with self._queue.lock:
            del active.unstored[: len(unstored)]
            if run.status.is_over:
                del self._queue.runs[run.id]

    def _update(self, run: Run, evaluations: Sequence[Evaluation], active: ActiveRun) -> None:
        status, message = run.status, run.message
        if status.is_over and active.missing_steps:
            message = explain_missing(active.missing_steps)
            status = RunStatus.FAILED if status is RunStatus.FINISHED else status
        self._store.update(
            run.id,
            status=status,
            step=run.step,
            seconds=run.seconds,
            device=run.device,
            message=message,
            traceback=run.traceback,
            last_losses=run.last_losses,
            recipe=run.recipe,
            versions=active.found_versions,
            evaluations=evaluations,
            hasty=True,
        )

    def _is_active_in_store(self, run: Run) -> bool:
        """Return whether the run can still be written: another process may have ended or deleted it."""
        state = self._store.read_state(run.id)
        return state is not None and not state.status.is_over

    def _write_singly(self, active: ActiveRun, run: Run, evaluations: Sequence[Evaluation]) -> None:
        """Write evaluations one by one, and then the run; note the steps of those that cannot be stored."""
        for evaluation in evaluations:
            try:
                self._store.update(run.id, evaluations=[evaluation], hasty=True)
            except StoreError:
                raise
            except Exception:
                log.debug("An evaluation of run %s cannot be stored.", run.id, exc_info=True)
                active.missing_steps.add(evaluation.step)
        self._update(run, (), active)

    def _write_snapshot(self, active: ActiveRun, run: Run) -> None:
        snapshot, now = active.snapshot, time.monotonic()
        is_due = run.status.is_over or now - active.snapshot_stored_at >= SNAPSHOT_SECONDS
        if snapshot is None or snapshot is active.stored_snapshot or not is_due:
            return
        active.stored_snapshot, active.snapshot_stored_at = snapshot, now
        try:
            self._store.snapshots.write(run.id, snapshot)
        except StoreError:
            active.stored_snapshot = None
            if run.status.is_over:  # the last one: it is tried again together with the run
                raise
        except OSError as error:  # one line each time while a disk is full
            log.warning(
                "The snapshot of run %s could not be stored: %s", run.id, error.strerror or type(error).__name__
            )
        except Exception:  # a snapshot less is no reason not to store the run
            log.warning("The snapshot of run %s could not be stored.", run.id, exc_info=True)
