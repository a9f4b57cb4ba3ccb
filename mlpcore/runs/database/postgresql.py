"""Connections to PostgreSQL, which give up on a database that does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection, Dialect
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_SECONDS = 2.0  # wait for another transaction, or for a connection
SILENT_SECONDS = 10.0  # wait for the answer to a statement: ours take milliseconds
CONNECT: dict[str, Any] = {  # a network that is broken is noticed sooner
    "application_name": "mlp-playground",
    "connect_timeout": int(BUSY_SECONDS),
    "keepalives_idle": 5,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}


class PatientConnection(psycopg.Connection[Any]):
    """A connection that closes when the database has not answered for SILENT_SECONDS."""

    patience: float | None = SILENT_SECONDS

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """Wait for an answer. Raises OperationalError if none comes."""
        try:
            return super().wait(gen, *args, **({"timeout": self.patience} | kwargs))
        except psycopg.OperationalError:
            self.close()  # it may be in the middle of an answer
            raise


def connect(_dialect: Dialect, _record: ConnectionPoolEntry, args: list[Any], params: dict[str, Any]) -> Any:
    """Open a connection for SQLAlchemy, as its event `do_connect` asks for."""
    connection = PatientConnection.connect(*args, **params)
    connection.execute(f"SET lock_timeout = {BUSY_SECONDS * 1000:.0f}")
    connection.commit()
    return connection


@contextmanager
def patiently(connection: Connection) -> Iterator[None]:
    """Wait for every answer in a transaction, and for whatever another one has locked, however long it takes."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, PatientConnection)
    driver.patience = None
    connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
    try:
        yield
    finally:
        del driver.patience  # that of the class counts again
