"""The thread that writes what is new of the runs on their way to the store, so that training never waits for a disk."""

import logging
import threading
import time

from mlpcore.jobs.queue import ActiveRun, JobQueue
from mlpcore.messages import Sentence
from mlpcore.runs.records import Run
from mlpcore.runs.store import RunStore, StoreError

STORE_SECONDS = 0.5  # what was measured longer ago than this and a write is on disk
RETRY_SECONDS = 1.0  # between two tries at a store that refused
LAST_RETRY_SECONDS = 0.1  # the same, while the program ends
SNAPSHOT_SECONDS = 5.0  # at least, between two snapshots of a run on disk: 2 ms each

NOT_STORED = Sentence("What this run measured last could not be stored; what was stored before is kept.")

log = logging.getLogger(__name__)


class Writer:
    """Writes every half second, and at once what is over; then it takes those runs off the roster.

    A store that refuses loses nothing, for what is new is kept until it takes it.
    """

    def __init__(self, store: RunStore, roster: JobQueue) -> None:
        self.store = store
        self.trouble: Sentence | None = None  # why nothing can be stored at the moment
        self._roster = roster
        self._deadline: float | None = None  # of the last tries, where the program ends
        self._thread = threading.Thread(target=self._work, name="Writer", daemon=True)
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Write what is left, for so long at most, and end the thread."""
        with self._roster.lock:
            self._deadline = time.monotonic() + seconds
            self._roster.lock.notify_all()
        self._thread.join(seconds)

    def _work(self) -> None:
        while True:
            with self._roster.lock:
                self._roster.lock.wait_for(lambda: self._roster.members or self._deadline is not None)
                self._roster.lock.wait_for(self._is_due, STORE_SECONDS if self.trouble is None else RETRY_SECONDS)
            self._write_all()
            with self._roster.lock:
                if self._deadline is not None:
                    if not self._unstored() or time.monotonic() >= self._deadline:
                        return
                    self._roster.lock.wait(LAST_RETRY_SECONDS)

    def _is_due(self) -> bool:
        if self._deadline is not None:
            return True
        return self.trouble is None and any(member.run.status.is_over for member in self._unstored())

    def _unstored(self) -> list[ActiveRun]:
        return [member for member in self._roster.members.values() if not member.is_stored]

    def _write_all(self) -> None:
        with self._roster.lock:
            unstored = self._unstored()
        for member in unstored:
            try:
                self._write(member)
            except StoreError as error:
                self.trouble = error.sentence
                return
            self.trouble = None

    def _write(self, member: ActiveRun) -> None:
        """Write a run; one that was over when it was written leaves the roster. Raises StoreError."""
        with self._roster.lock:
            run, unstored = member.run, tuple(member.unstored)
            member.is_stored = True
        self._write_snapshot(member, run)  # before the run is over for others, who may delete it then
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
            member.is_stored = False
            raise
        # Another process has ended it, its row is gone, or a value is none that can be kept: whatever it is, this
        # thread goes on, for it stores everybody's runs.
        except Exception:
            log.exception("Run %s can no longer be stored.", run.id)
            if run.status.is_over:
                self._write_end(member, run)
        with self._roster.lock:
            del member.unstored[: len(unstored)]
            if run.status.is_over:
                del self._roster.members[run.id]

    def _write_end(self, member: ActiveRun, run: Run) -> None:
        """Write how a run ended and nothing else: its row must not go on for ever. Raises StoreError."""
        try:
            self.store.update(run.id, status=run.status, message=NOT_STORED, hasty=True)
        except StoreError:
            member.is_stored = False
            raise
        except Exception:  # as above
            log.warning("The end of run %s cannot be stored either.", run.id, exc_info=True)

    def _write_snapshot(self, member: ActiveRun, run: Run) -> None:
        snapshot, now = member.snapshot, time.monotonic()
        is_due = run.status.is_over or now - member.snapshot_stored_at >= SNAPSHOT_SECONDS
        if snapshot is None or snapshot is member.stored_snapshot or not is_due:
            return
        member.stored_snapshot, member.snapshot_stored_at = snapshot, now
        try:
            self.store.snapshots.write(run.id, snapshot)
        except OSError as error:  # as long as a disk is full, one of each snapshot
            log.warning("What run %s sees could not be stored: %s", run.id, error.strerror or type(error).__name__)
        except Exception:  # a picture less: no reason to keep a run from being stored
            log.warning("What run %s sees could not be stored.", run.id, exc_info=True)
