"""Bring back what a backup holds: what is missing is added, and nothing that is there changes."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, TableClause, insert, select

from mlpcore.messages import SentenceError, write_sentence
from mlpcore.operations.backup import prepare
from mlpcore.operations.messages import NO_BACKUP
from mlpcore.runs.database.engine import explained, open_database, writing
from mlpcore.runs.foreign import FOREIGN
from mlpcore.runs.messages import INTERRUPTED
from mlpcore.runs.migrations import HEAD
from mlpcore.runs.people.accounts import PEOPLE
from mlpcore.runs.records import RunStatus
from mlpcore.runs.schema import ACTIVE, EVALUATIONS, RUNS
from mlpcore.runs.snapshots import unpack_snapshot
from mlpcore.runs.store import RunStore
from mlpcore.runs.sweeps import SWEEPS, TRIALS

RUNS_AT_ONCE = 50  # per write, so that other writers need not wait
NOBODY = "restored"  # a process that is not there


@dataclass(frozen=True)
class Restored:
    """How many runs of a backup were missing and are there again, and how many were there."""

    added: int
    there: int


def restore_backup(file: Path, *, url: str | None = None) -> Restored:
    """Add the runs, sweeps and people of a backup that the store lacks, while servers use the store.

    What went on when the backup was made counts as left by a dead server: runs are marked as interrupted, and the next
    start of a server goes on with a sweep. If this fails half-way, it may be repeated.

    Args:
        file: The backup, which is not changed; also a database of an earlier version.
        url: Of the store's database; by default, that of the server.

    Raises:
        SentenceError: The file is no backup.
        StoreError: The database cannot be written, or the backup was made by a newer version.
    """
    with closing(RunStore(url)) as store, _open_backup(file) as backup:
        engine = open_database(url)
        try:
            with explained():
                return _restore(backup, engine, store)
        finally:
            engine.dispose()


def _restore(backup: sqlite3.Connection, engine: Engine, store: RunStore) -> Restored:
    wanted = [key for (key,) in backup.execute("SELECT id FROM runs ORDER BY created, id")]
    added = 0
    for start in range(0, len(wanted), RUNS_AT_ONCE):
        some = wanted[start : start + RUNS_AT_ONCE]
        new = _add(backup, engine, RUNS, "id", some, also=EVALUATIONS)
        for run_id in new:
            packed = backup.execute("SELECT packed FROM kept_snapshots WHERE run_id = ?", (run_id,)).fetchone()
            if packed is not None and (snapshot := unpack_snapshot(packed[0], run_id)) is not None:
                store.snapshots.write(run_id, snapshot)
        added += len(new)
    # of somebody who has foreign runs already, none is added
    for table, key, also in ((SWEEPS, "id", TRIALS), (PEOPLE, "owner", None), (FOREIGN, "owner", None)):
        keys = [one for (one,) in backup.execute(f"SELECT DISTINCT {key} FROM {table.name}")]
        for start in range(0, len(keys), RUNS_AT_ONCE):
            _add(backup, engine, table, key, keys[start : start + RUNS_AT_ONCE], also=also)
    return Restored(added, len(wanted) - added)


def _add(
    backup: sqlite3.Connection,
    engine: Engine,
    table: TableClause,
    key: str,
    keys: Sequence[str],
    *,
    also: TableClause | None,
) -> list[str]:
    """Add those of these rows that are missing, and what belongs to them in another table; return their keys."""
    with writing(engine).begin() as connection:
        there = set(connection.scalars(select(table.c[key]).where(table.c[key].in_(keys))))
        new = [one for one in keys if one not in there]
        if new:
            connection.execute(insert(table), [_settle(row) for row in _read(backup, table, key, new)])
        if new and also is not None and (rows := _read(backup, also, also.c.keys()[0], new)):
            connection.execute(insert(also), rows)
    return new


def _read(backup: sqlite3.Connection, table: TableClause, key: str, keys: Sequence[str]) -> list[dict[str, Any]]:
    names = list(table.c.keys())
    query = f"SELECT {', '.join(names)} FROM {table.name} WHERE {key} IN ({', '.join('?' * len(keys))})"
    return [dict(zip(names, row, strict=True)) for row in backup.execute(query, list(keys))]


def _settle(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a run or a sweep as that of a dead process."""
    settled = dict(row) | ({"server": NOBODY} if "server" in row else {})
    if "recipe" in row and row["status"] in ACTIVE:
        settled |= {"status": RunStatus.INTERRUPTED, "message": write_sentence(INTERRUPTED)}
    return settled


@contextmanager
def _open_backup(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a backup to read it; of one from an earlier version, a copy that is brought up to date."""
    with tempfile.TemporaryDirectory() as folder:
        if _read_version(file) != HEAD:
            copied = Path(folder) / "backup.sqlite3"
            shutil.copyfile(file, copied)
            prepare(copied)
            file = copied
        with closing(_connect(file)) as backup:
            yield backup


def _read_version(file: Path) -> int:
    """Return the version of a backup, 0 for one from before Alembic. Raises SentenceError if it is none."""
    try:
        with closing(_connect(file)) as backup:
            tables = {name for (name,) in backup.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not {"runs", "evaluations"} <= tables:
                raise SentenceError(NO_BACKUP, file=str(file))
            if not {"alembic_version", "kept_snapshots"} <= tables:
                return 0
            return int(backup.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    except sqlite3.Error as error:
        raise SentenceError(NO_BACKUP, file=str(file)) from error


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
