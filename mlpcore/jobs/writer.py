"""The thread that writes runs to the store, so that training never waits for a disk."""

import logging
import threading
import time

from mlpcore.jobs.failure_messages import NOT_STORED
from mlpcore.jobs.queue import ActiveRun, JobQueue
from mlpcore.messages import Sentence
from mlpcore.runs.records import Run
from mlpcore.runs.store import RunStore, StoreError

STORE_SECONDS = 0.5  # an evaluation older than this and the time of a write is on disk
RETRY_SECONDS = 1.0  # between two attempts while the store fails
LAST_RETRY_SECONDS = 0.1  # the same during shutdown
SNAPSHOT_SECONDS = 5.0  # at least, between two snapshots of a run on disk: 2 ms each

log = logging.getLogger(__name__)


class Writer:
    """Writes new evaluations twice a second, and runs that are over at once; these then leave the queue.

    While the store fails, everything new is kept in memory until a write succeeds.
    """

    def __init__(self, store: RunStore, queue: JobQueue) -> None:
        self.store = store
        self.trouble: Sentence | None = None  # why nothing can be stored at the moment
        self._queue = queue
        self._deadline: float | None = None  # of the last attempts during shutdown
        self._thread = threading.Thread(target=self._work, name="Writer", daemon=True)
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Write what is left, for at most so many seconds, and end the thread."""
        with self._queue.lock:
            self._deadline = time.monotonic() + seconds
            self._queue.lock.notify_all()
        self._thread.join(seconds)

    def _work(self) -> None:
        lock = self._queue.lock
        while True:
            with lock:
                lock.wait_for(lambda: self._queue.runs or self._deadline is not None)
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
        for active in unstored_runs:
            try:
                self._write(active)
            except StoreError as error:
                self.trouble = error.sentence
                return
            self.trouble = None

    def _write(self, active: ActiveRun) -> None:
        """Write a run, and remove it from the queue if it was over when it was written. Raises StoreError."""
        with self._queue.lock:
            run, unstored = active.run, tuple(active.unstored)
            active.is_stored = True
        self._write_snapshot(active, run)  # before the run is over for others, who may then delete it
        try:
            self.store.update(
                run.id,
                status=run.status,
                step=run.step,
                seconds=run.seconds,
                device=run.device,
                message=run.message,
                traceback=run.traceback,
                recipe=run.recipe,
                evaluations=unstored,
                hasty=True,
            )
        except StoreError:
            active.is_stored = False
            raise
        # Another process has ended the run, its row is gone or a value cannot be stored. Whatever it is, this thread
        # goes on, since it stores everybody's runs.
        except Exception:
            log.exception("Run %s can no longer be stored.", run.id)
            if run.status.is_over:
                self._write_end(active, run)
        with self._queue.lock:
            del active.unstored[: len(unstored)]
            if run.status.is_over:
                del self._queue.runs[run.id]

    def _write_end(self, active: ActiveRun, run: Run) -> None:
        """Write only how a run ended: its row must not stay active for ever. Raises StoreError."""
        try:
            self.store.update(run.id, status=run.status, message=NOT_STORED, hasty=True)
        except StoreError:
            active.is_stored = False
            raise
        except Exception:  # as above
            log.warning("The end of run %s cannot be stored either.", run.id, exc_info=True)

    def _write_snapshot(self, active: ActiveRun, run: Run) -> None:
        snapshot, now = active.snapshot, time.monotonic()
        is_due = run.status.is_over or now - active.snapshot_stored_at >= SNAPSHOT_SECONDS
        if snapshot is None or snapshot is active.stored_snapshot or not is_due:
            return
        active.stored_snapshot, active.snapshot_stored_at = snapshot, now
        try:
            self.store.snapshots.write(run.id, snapshot)
        except OSError as error:  # one line each time while a disk is full
            log.warning(
                "The snapshot of run %s could not be stored: %s", run.id, error.strerror or type(error).__name__
            )
        except Exception:  # a snapshot less is no reason not to store the run
            log.warning("The snapshot of run %s could not be stored.", run.id, exc_info=True)
