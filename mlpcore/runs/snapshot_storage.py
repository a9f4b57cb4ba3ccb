"""Where snapshots are kept: in files beside a SQLite database, and in PostgreSQL in a table that every server sees.

A snapshot that is lost can be computed again from the recipe.
"""

import logging
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sqlalchemy import column, delete, func, literal, select, table, text
from sqlalchemy.dialects.postgresql import insert

from mlpcore.runs.schema import RUNS, Access
from mlpcore.runs.snapshots import Snapshot, pack_snapshot, unpack_snapshot

SNAPSHOTS = table("snapshots", *map(column, ("run_id", "written", "packed")))

log = logging.getLogger(__name__)


class SnapshotStorage(Protocol):
    """Keeps the newest snapshot of each run."""

    def write(self, run_id: str, snapshot: Snapshot) -> None:
        """Write a snapshot and replace the older one; the older one stays if this fails.

        Raises OSError or StoreError if it cannot be written, and ValueError if the id cannot be one.
        """

    def read(self, run_id: str) -> Snapshot | None:
        """Read the snapshot of a run; None if there is none or it is damaged."""

    def mark(self, run_id: str) -> int | None:
        """Return a number that changes when the snapshot changes; None if there is none."""

    def measure(self, run_ids: Sequence[str]) -> int:
        """Return the bytes of the snapshots of these runs."""

    def delete(self, run_id: str) -> None:
        """Delete the snapshot of a run, if there is one."""


class SnapshotFiles:
    """Keeps snapshots as .npz files in a folder, as `SnapshotStorage` says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, run_id: str, snapshot: Snapshot) -> None:
        """Write a snapshot. Raises OSError, and ValueError if the id cannot be a file name."""
        file = self._file(run_id)
        unfinished = file.with_suffix(".part")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            unfinished.write_bytes(pack_snapshot(snapshot))
            unfinished.replace(file)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def read(self, run_id: str) -> Snapshot | None:
        """Read the snapshot of a run; None if there is none or its file is damaged."""
        try:
            return unpack_snapshot(self._file(run_id).read_bytes(), run_id)
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            log.warning("The snapshot of run %r cannot be read.", run_id, exc_info=True)
            return None

    def mark(self, run_id: str) -> int | None:
        """Return a number that changes when the file changes; None if there is no file."""
        try:
            return self._file(run_id).stat().st_mtime_ns
        except (OSError, ValueError):
            return None

    def measure(self, run_ids: Sequence[str]) -> int:
        """Return the bytes of the files of these runs."""
        return sum(map(self._size, run_ids))

    def delete(self, run_id: str) -> None:
        """Delete the snapshot of a run, if there is one."""
        try:
            self._file(run_id).unlink(missing_ok=True)
        except (OSError, ValueError):
            log.warning("The snapshot of run %r could not be deleted.", run_id, exc_info=True)

    def _size(self, run_id: str) -> int:
        try:
            return self._file(run_id).stat().st_size
        except (OSError, ValueError):
            return 0

    def _file(self, run_id: str) -> Path:
        if not re.fullmatch(r"[0-9A-Za-z_\-]{1,64}", run_id):
            raise ValueError(f"run_id is {run_id!r}: it must be 1 to 64 letters, digits, hyphens or underscores")
        return self._folder / f"{run_id}.npz"


class SnapshotRows:
    """Keeps snapshots in a table of PostgreSQL, as `SnapshotStorage` says."""

    def __init__(self, read: Access, write: Access) -> None:
        """Use these connections to read and to write."""
        self._read, self._write = read, write

    def write(self, run_id: str, snapshot: Snapshot) -> None:
        """Write a snapshot; nothing is written if the run is no longer there. Raises StoreError."""
        values = (RUNS.c.id, literal(time.time_ns()), literal(pack_snapshot(snapshot)))
        added = insert(SNAPSHOTS).from_select(
            ["run_id", "written", "packed"], select(*values).where(RUNS.c.id == run_id)
        )
        newer = {"written": added.excluded.written, "packed": added.excluded.packed}
        with self._write() as connection:
            connection.execute(text("SET LOCAL synchronous_commit = off"))  # nobody waits for a megabyte on the disk
            connection.execute(added.on_conflict_do_update(index_elements=["run_id"], set_=newer))

    def read(self, run_id: str) -> Snapshot | None:
        """Read the snapshot of a run; None if there is none or it is damaged. Raises StoreError."""
        with self._read() as connection:
            packed = connection.scalar(select(SNAPSHOTS.c.packed).where(SNAPSHOTS.c.run_id == run_id))
        return None if packed is None else unpack_snapshot(packed, run_id)

    def mark(self, run_id: str) -> int | None:
        """Return a number that changes when the snapshot changes; None if there is none. Raises StoreError."""
        with self._read() as connection:
            written: int | None = connection.scalar(select(SNAPSHOTS.c.written).where(SNAPSHOTS.c.run_id == run_id))
        return written

    def measure(self, run_ids: Sequence[str]) -> int:
        """Return the bytes of the snapshots of these runs. Raises StoreError."""
        sizes = select(func.coalesce(func.sum(func.length(SNAPSHOTS.c.packed)), 0))
        with self._read() as connection:
            return int(connection.scalar(sizes.where(SNAPSHOTS.c.run_id == func.any(list(run_ids)))) or 0)

    def delete(self, run_id: str) -> None:
        """Delete the snapshot of a run, if there is one. Raises StoreError."""
        with self._write() as connection:
            connection.execute(delete(SNAPSHOTS).where(SNAPSHOTS.c.run_id == run_id))
