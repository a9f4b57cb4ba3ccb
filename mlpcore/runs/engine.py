"""The connection to the database: where it is, and how threads and processes share it."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, TimeoutError

from mlpcore.runs.messages import FOLDER_CANNOT_BE_CREATED, StoreError, explain_database_error

BUSY_SECONDS = 2.0  # wait for another process's write: ours take about 0.2 ms, a big import a second
HASTY_SECONDS = 0.25  # the same, for a caller that tries again later


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors of the database's driver into StoreError."""
    try:
        yield
    except (DBAPIError, TimeoutError) as error:
        raise explain_database_error(getattr(error, "orig", None) or error) from error


def runs_home() -> Path:
    """Return the folder of the runs: MLPCORE_HOME, or one in the user's data folder."""
    home = os.environ.get("MLPCORE_HOME") or platformdirs.user_data_path("mlp-playground", appauthor=False)
    return Path(home).expanduser().resolve()


def database_url(url: str | None) -> URL:
    """Parse the URL of the database; without one, return that of runs.sqlite3 in `runs_home()`, which is created.

    Raises:
        ValueError: the URL is not one of a database, or names a SQLite database that is not a file.
        StoreError: the folder cannot be created.
    """
    if url is None:
        home = runs_home()
        try:  # nobody else may read what people note about their runs
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(FOLDER_CANNOT_BE_CREATED, reason=error.strerror) from error
        return URL.create("sqlite", database=str(home / "runs.sqlite3"))
    try:
        found = make_url(url)
    except ArgumentError as error:  # the URL may hold a password, so it is not repeated
        raise ValueError("url is not one of a database: expected something like sqlite:///runs.sqlite3") from error
    if found.get_backend_name() == "sqlite" and (found.database or ":memory:").startswith((":memory:", "file:")):
        raise ValueError(f"url is {url!r}: a SQLite database must be a file, as in sqlite:///runs.sqlite3")
    return found


def open_engine(url: URL) -> Engine:
    """Create an engine whose transactions read; `writing(engine)` returns one whose transactions write.

    Raises ValueError if the database's driver is not installed.
    """
    try:
        engine = create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise ValueError(f"url names {url.drivername}: the driver of that database is not installed") from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def writing(engine: Engine, *, patience: float = BUSY_SECONDS) -> Engine:
    """Return an engine on the same connections whose transactions take the write lock when they begin.

    SQLite refuses a transaction that reads first and writes later, without waiting, if another one writes meanwhile.
    patience: seconds to wait for another process's write.
    """
    return engine.execution_options(begin="BEGIN IMMEDIATE", patience=patience)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # _begin_sqlite begins transactions, the driver must not
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}").close()
    _use_wal(connection)  # readers and a writer do not wait for each other
    # no commit waits for the disk: a killed process loses nothing, a power cut the last moments
    connection.execute("PRAGMA synchronous = NORMAL").close()
    connection.execute("PRAGMA foreign_keys = ON").close()


def _use_wal(connection: sqlite3.Connection) -> None:
    # when processes open a new file at the same instant, SQLite refuses some at once: 1 in 100 with six processes
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
