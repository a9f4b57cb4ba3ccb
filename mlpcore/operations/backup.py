"""A backup: everything in a store, in one SQLite file, whichever database the store is in.

One way for both back ends, so that a backup of one can be restored into the other: the rows are read in one
transaction, which sees one moment and holds up nobody. SQLite's own backup begins again whenever another process
writes.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Select, TableClause, select

from mlpcore.messages import SentenceError
from mlpcore.operations.messages import FILE_CANNOT_BE_WRITTEN, FILE_EXISTS
from mlpcore.runs.database.engine import explained, open_database, open_engine
from mlpcore.runs.foreign import FOREIGN
from mlpcore.runs.migrations import migrate
from mlpcore.runs.people.accounts import PEOPLE
from mlpcore.runs.schema import EVALUATIONS, KEPT, RUNS
from mlpcore.runs.snapshots import pack_snapshot
from mlpcore.runs.store import RunStore
from mlpcore.runs.sweeps import SWEEPS, TRIALS

ROWS = 2_000  # read and written at a time
SNAPSHOTS = "CREATE TABLE kept_snapshots (run_id TEXT PRIMARY KEY, packed BLOB NOT NULL)"


@dataclass(frozen=True)
class Backup:
    """What a backup holds."""

    runs: int
    sweeps: int
    bytes: int


def write_backup(file: Path, *, url: str | None = None) -> Backup:
    """Write everything that a store keeps into a new file, while servers use the store.

    Runs that are deleted, also those whose deletion could still be undone, are left out.

    Args:
        file: Where to; the file appears when it is complete.
        url: Of the store's database; by default, that of the server.

    Raises:
        SentenceError: The file exists already or cannot be written.
        StoreError: The database cannot be read.
    """
    if file.exists():
        raise SentenceError(FILE_EXISTS, file=str(file))
    part = file.with_name(f"{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # it says what people noted
        prepare(part)
        with closing(RunStore(url)) as store, closing(sqlite3.connect(part, isolation_level=None)) as copy:
            copy.execute("BEGIN")
            with _one_moment(url) as connection:
                kept = select(RUNS.c.id).where(KEPT)
                run_ids = _copy(connection, copy, RUNS, select(RUNS).where(KEPT))
                _copy(connection, copy, EVALUATIONS, select(EVALUATIONS).where(EVALUATIONS.c.run_id.in_(kept)))
                sweeps = _copy(connection, copy, SWEEPS, select(SWEEPS))
                _copy(connection, copy, TRIALS, select(TRIALS))
                _copy(connection, copy, PEOPLE, select(PEOPLE))
                _copy(connection, copy, FOREIGN, select(FOREIGN))
            for run_id in run_ids:
                if (snapshot := store.snapshots.read(run_id)) is not None:
                    copy.execute("INSERT INTO kept_snapshots VALUES (?, ?)", (run_id, pack_snapshot(snapshot)))
            copy.execute("COMMIT")
        part.replace(file)
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error)
        raise SentenceError(FILE_CANNOT_BE_WRITTEN, file=str(file), reason=reason) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return Backup(len(run_ids), len(sweeps), file.stat().st_size)


def prepare(file: Path) -> None:
    """Bring a SQLite file up to date, or make its tables, and leave nothing beside it."""
    engine = open_engine(URL.create("sqlite", database=str(file)))
    try:
        with explained():
            migrate(engine)
    finally:
        engine.dispose()
    with closing(sqlite3.connect(file, isolation_level=None)) as copy:
        copy.execute("PRAGMA journal_mode = DELETE")  # a single file
        copy.execute(SNAPSHOTS.replace("TABLE", "TABLE IF NOT EXISTS"))


@contextmanager
def _one_moment(url: str | None) -> Iterator[Connection]:
    engine = open_database(url)
    try:
        with explained(), engine.begin() as connection:
            yield connection.execution_options(stream_results=True, yield_per=ROWS)
    finally:
        engine.dispose()


def _copy(connection: Connection, copy: sqlite3.Connection, table: TableClause, query: Select[Any]) -> list[str]:
    """Copy the rows that a query selects; return the first column of each, for tables that are not long."""
    names = list(table.c.keys())
    into = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    keys: list[str] = []
    for rows in connection.execute(query).partitions():
        copy.executemany(into, [tuple(row) for row in rows])
        if table is not EVALUATIONS:
            keys += [row[0] for row in rows]
    return keys
