"""What is new of the runs on their way, written to the store now and then."""

import logging
import threading
import time
from collections.abc import Sequence

from mlpcore.members import Member
from mlpcore.messages import Sentence
from mlpcore.runs import Run
from mlpcore.store import RunStore, StoreError

SIGHT_SECONDS = 5.0  # at least, between two sights of a run on disk: 2 ms each

log = logging.getLogger(__name__)


class RunWriter:
    """Writes for one thread; a store that refuses loses nothing, for what is new is kept until it takes it.

    lock: what others hold while they change a member.
    """

    def __init__(self, store: RunStore, lock: threading.Condition) -> None:
        self.store = store
        self.trouble: Sentence | None = None  # why nothing can be stored at the moment
        self._lock = lock
        self._stored_at = 0.0

    def write(self, members: Sequence[Member], *, wait: float = 0.0) -> list[Member]:
        """Write what is new, unless it was done less than `wait` seconds ago; what is over is written at once.

        Returns the runs that are over and need no writing any more.
        """
        now = time.monotonic()
        due = now - self._stored_at >= wait
        unstored = [member for member in members if not member.is_stored]
        if not due and (self.trouble or not any(member.run.status.is_over for member in unstored)):
            return []
        self._stored_at = now
        done = []
        for member in unstored:
            if self._write(member):
                done.append(member)
            if self.trouble is not None:
                break  # each try waits for a locked database, 2 s, while nothing trains
        return done

    def _write(self, member: Member) -> bool:
        """Write a run; whether that was for the last time."""
        with self._lock:
            run, unstored = member.run, tuple(member.unstored)
            member.is_stored = True
        self._write_sight(member, run)  # before the run is over for others, who may delete it then
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
            )
            self.trouble = None
        except StoreError as error:
            self.trouble = error.sentence
            member.is_stored = False
            return False
        except ValueError:  # another process has ended it, or its row is gone: nothing more can be kept
            log.exception("Run %s can no longer be stored.", run.id)
        with self._lock:
            del member.unstored[: len(unstored)]
            return member.run.status.is_over and member.is_stored

    def _write_sight(self, member: Member, run: Run) -> None:
        sight, now = member.sight, time.monotonic()
        is_due = run.status.is_over or now - member.sight_stored_at >= SIGHT_SECONDS
        if sight is None or sight is member.stored_sight or not is_due:
            return
        member.stored_sight, member.sight_stored_at = sight, now
        try:
            self.store.sights.write(run.id, sight)
        except OSError as error:
            log.warning("What run %s sees could not be stored: %s", run.id, error.strerror)
