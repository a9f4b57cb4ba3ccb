"""Deletion of runs: they are set aside first, so that it can be undone, and removed minutes later."""

import time
from collections.abc import Sequence

from sqlalchemy import delete, insert, literal, or_, select

from mlpcore.runs.schema import ACTIVE, DELETED, KEPT, RUNS, Access, explain_refusal
from mlpcore.runs.snapshot_storage import SnapshotStorage

UNDO_SECONDS = 60.0  # during which a deletion can be undone
REMOVED_AFTER = 2 * UNDO_SECONDS  # a click in the last second still finds the runs


class Deletion:
    """Deletes the runs of a store, undoes it, and removes what nobody wanted back."""

    def __init__(self, read: Access, write: Access, snapshots: SnapshotStorage) -> None:
        """Delete through these connections, and with each run its snapshot."""
        self._read, self._write, self._snapshots = read, write, snapshots

    def delete(self, run_ids: Sequence[str]) -> None:
        """Delete runs, all of them or none. Raises ValueError if one is unknown or not over."""
        with self._write() as connection:
            for run_id in run_ids:
                over = select(RUNS.c.id, literal(time.time())).where(
                    RUNS.c.id == run_id, RUNS.c.status.not_in(ACTIVE), KEPT
                )
                statement = insert(DELETED).from_select(["run_id", "deleted"], over)
                if not connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount:
                    raise explain_refusal(connection, run_id)
        self.remove_old()

    def find_deletable(self, owner: str) -> list[str]:
        """Return the ids of an owner's runs that are over and not starred."""
        deletable = (RUNS.c.owner == owner) & (RUNS.c.starred == 0) & RUNS.c.status.not_in(ACTIVE) & KEPT
        with self._read() as connection:
            return list(connection.scalars(select(RUNS.c.id).where(deletable)))

    def find_restorable(self, owner: str, *, also: Sequence[str] = ()) -> list[str]:
        """Return the ids of an owner's runs, and of others named, that were deleted within the last UNDO_SECONDS."""
        recent = select(DELETED.c.run_id).where(DELETED.c.deleted > time.time() - UNDO_SECONDS)
        wanted = or_(RUNS.c.owner == owner, RUNS.c.id.in_(also))
        with self._read() as connection:
            return list(connection.scalars(select(RUNS.c.id).where(wanted, RUNS.c.id.in_(recent))))

    def restore(self, run_ids: Sequence[str]) -> None:
        """Bring deleted runs back as they were; one that was removed meanwhile stays so."""
        with self._write() as connection:
            connection.execute(delete(DELETED).where(DELETED.c.run_id.in_(run_ids)))

    def remove_old(self) -> None:
        """Remove the runs whose deletion can no longer be undone, with their evaluations and snapshots."""
        old = select(DELETED.c.run_id).where(DELETED.c.deleted < time.time() - REMOVED_AFTER)
        with self._read() as connection:
            if connection.scalar(old.limit(1)) is None:  # without waiting for other writers
                return
        with self._write() as connection:
            run_ids = list(connection.scalars(old))
            connection.execute(delete(RUNS).where(RUNS.c.id.in_(old)))
        for run_id in run_ids:
            self._snapshots.delete(run_id)
