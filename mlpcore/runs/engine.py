"""Where the runs' database is, opened so that threads and processes share it; its errors read as sentences."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, TimeoutError

from mlpcore.messages import N_, Sentence

BUSY_SECONDS = 2.0  # how long to wait for another process's write: ours take about 0.2 ms, a big import a second
HASTY_SECONDS = 0.25  # the same, for who tries again later

# by the second word of SQLite's own name for the error: SQLITE_IOERR_WRITE is an IOERR
_SENTENCES = {
    "FULL": N_("The disk is full, so nothing more can be stored: free some space on it."),
    "BUSY": N_("Another program keeps the database of the runs locked: close it, or wait until it is done."),
    "READONLY": N_(
        "The database of the runs cannot be written to: allow this program to write in the folder of the runs, or name "
        "another folder in MLPCORE_HOME."
    ),
    "CANTOPEN": N_(
        "The database of the runs cannot be opened: allow this program to read and write in the folder of the runs, or "
        "name another folder in MLPCORE_HOME."
    ),
    "IOERR": N_("The disk of the runs could not be read or written: see whether it is full, unplugged or failing."),
    "CORRUPT": N_("The database of the runs is damaged: put a copy of it back, or move its file away to start anew."),
    "NOTADB": N_("The file of the runs is not a database: put a copy of it back, or move the file away to start anew."),
}
_OTHERWISE = N_("The database of the runs could not be used ({error}): the server's log has the details.")


class StoreError(RuntimeError):
    """The database could not be read or written. Its sentence says what to do, and names no path and no address."""

    def __init__(self, template: str, **values: Any) -> None:
        self.sentence = Sentence(template, values)
        super().__init__(str(self.sentence))


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the database's driver raises into a StoreError."""
    try:
        yield
    except (DBAPIError, TimeoutError) as error:
        cause = getattr(error, "orig", None) or error
        kind = (getattr(cause, "sqlite_errorname", None) or "_").split("_")[1]
        raise StoreError(_SENTENCES.get(kind, _OTHERWISE), error=type(cause).__name__) from error


def runs_home() -> Path:
    """Return the folder of the runs: MLPCORE_HOME, or one in the user's data folder."""
    return (
        Path(os.environ.get("MLPCORE_HOME") or platformdirs.user_data_path("mlp-playground", appauthor=False))
        .expanduser()
        .resolve()
    )


def address(url: str | None) -> URL:
    """Return where the database is: at the URL, or in `runs_home()`. Raises ValueError, StoreError."""
    if url is None:
        home = runs_home()
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)  # it holds the tokens of the runs' owners
        except OSError as error:
            raise StoreError(
                "The folder of the runs cannot be made ({reason}): name another folder in MLPCORE_HOME.",
                reason=error.strerror,
            ) from error
        return URL.create("sqlite", database=str(home / "runs.sqlite3"))
    try:
        found = make_url(url)
    except ArgumentError as error:  # the URL may hold a password: it is not repeated
        raise ValueError("url is not one of a database: expected something like sqlite:///runs.sqlite3") from error
    if found.get_backend_name() == "sqlite" and (found.database or ":memory:").startswith((":memory:", "file:")):
        raise ValueError(f"url is {url!r}: a SQLite database must be a file, as in sqlite:///runs.sqlite3")
    return found


def open_engine(url: URL) -> Engine:
    """Build the engine whose transactions read; `writing(engine)` gives the one whose transactions write.

    Raises ValueError where the database's driver is not installed.
    """
    try:
        engine = create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise ValueError(f"url names {url.drivername}: the driver of that database is not installed") from error
    if url.get_backend_name() != "sqlite":
        return engine
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def writing(engine: Engine, *, patience: float = BUSY_SECONDS) -> Engine:
    """Return an engine on the same connections whose transactions take the write lock at once.

    A transaction that reads first and writes later could not wait for another writer: SQLite refuses it at once.
    patience: for how many seconds it waits for another process's write.
    """
    return engine.execution_options(begin="BEGIN IMMEDIATE", patience=patience)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: _begin_sqlite does
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}").close()
    _use_wal(connection)  # readers and a writer do not wait for each other
    # a killed process loses nothing, a power cut the last moments; in return no commit waits for the disk
    connection.execute("PRAGMA synchronous = NORMAL").close()
    connection.execute("PRAGMA foreign_keys = ON").close()


def _use_wal(connection: sqlite3.Connection) -> None:
    # of processes that open a new file at the same instant SQLite refuses some here without waiting: 1 in 100 of six
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {options.get('patience', BUSY_SECONDS) * 1000:.0f}").close()
    connection.exec_driver_sql(options.get("begin", "BEGIN"))
