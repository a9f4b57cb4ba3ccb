"""The connection to the database: where it is, and how threads and processes share it."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, TimeoutError

from mlpcore.runs.messages import (
    BAD_ADDRESS,
    FOLDER_CANNOT_BE_CREATED,
    NO_CONNECTION_FREE,
    StoreError,
    explain_database_error,
)

BUSY_SECONDS = 2.0  # wait for another process's write: ours take about 0.2 ms, a big import a second
HASTY_SECONDS = 0.25  # the same on SQLite, where everybody else waits too, for a caller that tries again later
ONE_AT_A_TIME = 0x6D6C70636F7265  # "mlpcore", the number of a lock of PostgreSQL
CONNECTIONS = 15  # to PostgreSQL, that a process has open at most for reading and writing


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors of the database's driver, and of the pool of connections, into StoreError."""
    try:
        yield
    except DBAPIError as error:
        raise explain_database_error(error.orig or error) from error
    except TimeoutError as error:
        raise StoreError(NO_CONNECTION_FREE) from error


def runs_home() -> Path:
    """Return the folder of the runs: MLPCORE_HOME, or one in the user's data folder."""
    home = os.environ.get("MLPCORE_HOME") or platformdirs.user_data_path("mlp-playground", appauthor=False)
    return Path(home).expanduser().resolve()


def open_database(url: str | None) -> Engine:
    """Open the database that a URL names, else the one of MLPCORE_STORE, else runs.sqlite3 in `runs_home()`.

    The engine's transactions read; `writing(engine)` returns one whose transactions write.

    Raises:
        ValueError: the URL is not one of a SQLite file or of PostgreSQL.
        StoreError: MLPCORE_STORE is not, or the folder cannot be created.
    """
    if url is not None:
        return open_engine(parse_url(url))
    if not (named := os.environ.get("MLPCORE_STORE")):
        return open_engine(_default_url())
    try:
        return open_engine(parse_url(named))
    except ValueError as error:
        raise StoreError(BAD_ADDRESS) from error


def parse_url(url: str) -> URL:
    """Parse the URL of a database. Raises ValueError if it is none, or names a SQLite database that is not a file."""
    try:
        found = make_url(url)
    except ArgumentError as error:  # the URL may hold a password, so it is not repeated
        raise ValueError("url is not one of a database: expected something like sqlite:///runs.sqlite3") from error
    if found.get_backend_name() == "sqlite" and (found.database or ":memory:").startswith((":memory:", "file:")):
        raise ValueError(f"url is {url!r}: a SQLite database must be a file, as in sqlite:///runs.sqlite3")
    return found


def _default_url() -> URL:
    home = runs_home()
    try:  # nobody else may read what people note about their runs
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(FOLDER_CANNOT_BE_CREATED, reason=error.strerror) from error
    return URL.create("sqlite", database=str(home / "runs.sqlite3"))


def open_engine(url: URL) -> Engine:
    """Create the engine of a URL. Raises ValueError for a database that is not supported, or without its driver."""
    backend = url.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise ValueError(f"url names {url.drivername}: runs are stored in SQLite or PostgreSQL")
    try:
        return _open_sqlite(url) if backend == "sqlite" else _open_postgresql(url)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise ValueError(
            f"url names {url.drivername}: its driver is not installed (pip install -r requirements-postgresql.txt)"
        ) from error


def _open_sqlite(url: URL) -> Engine:
    engine = create_engine(url)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _open_postgresql(url: URL) -> Engine:
    from mlpcore.runs.database.postgresql import BUSY_SECONDS, CONNECT, connect

    engine = create_engine(
        url,
        connect_args=CONNECT,
        isolation_level="REPEATABLE READ",  # a transaction that reads sees one moment
        pool_pre_ping=True,  # a restart of the database leaves dead connections in the pool
        pool_timeout=BUSY_SECONDS,
        pool_size=5,
        max_overflow=CONNECTIONS - 5,
    )
    event.listen(engine, "do_connect", connect)
    return engine


def writing(engine: Engine, *, patience: float = BUSY_SECONDS) -> Engine:
    """Return an engine on the same connections whose transactions write.

    On SQLite they take the write lock when they begin: it refuses a transaction that reads first and writes later,
    without waiting, if another one writes meanwhile. On PostgreSQL each statement sees what others have written.
    patience: seconds to wait for another process's write on SQLite.
    """
    if engine.dialect.name == "sqlite":
        return engine.execution_options(begin="BEGIN IMMEDIATE", patience=patience)
    return engine.execution_options(isolation_level="READ COMMITTED")


def one_at_a_time(connection: Connection) -> None:
    """Make other processes that would do the same wait; on SQLite, whoever writes has the write lock already."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(ONE_AT_A_TIME)))


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
