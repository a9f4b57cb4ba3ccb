"""The database's schema: Alembic's revisions, which bring a database of any earlier version up to date.

A released revision is never edited: a change is added as the next one in `versions/`, with the next number. Each one
spells out the tables as they were when it was written, so it always does the same.
"""

import threading
from contextlib import AbstractContextManager, nullcontext

from sqlalchemy import Connection, Engine, inspect, text

from mlpcore.runs.database.engine import one_at_a_time, writing
from mlpcore.runs.messages import NEWER_SCHEMA, StoreError
from mlpcore.runs.migrations import numbered

HEAD = 17  # the number of the newest revision
WAIT_SECONDS = 600.0  # for another process's write to a SQLite file, which may be a migration of many runs

_one_thread = threading.Lock()  # Alembic keeps the migration that it runs in a global variable


def migrate(engine: Engine) -> None:
    """Bring a database up to date, or make its tables; if that fails, it stays as it was.

    Several processes may do so at once: one does it and the others wait, then find it done.
    Raises StoreError, and changes nothing, if the database is newer than this program.
    """
    with engine.connect() as connection:
        version = read_version(connection)
    if version < HEAD:
        with _one_thread, writing(engine, patience=WAIT_SECONDS).begin() as connection, _waiting(connection):
            one_at_a_time(connection)
            version = read_version(connection)  # again: another process may have done it meanwhile
            if version < HEAD:
                _upgrade(connection)
    if version > HEAD:
        raise StoreError(NEWER_SCHEMA, found=version, known=HEAD)


def read_version(connection: Connection) -> int:
    """Return the number of a database's newest revision, or of its newest step from before Alembic; 0 if empty."""
    tables = inspect(connection)
    if tables.has_table("alembic_version"):
        return int(connection.scalar(text("SELECT version_num FROM alembic_version")) or 0)
    return numbered.read_version(connection) if tables.has_table(numbered.SCHEMA.name) else 0


def _upgrade(connection: Connection) -> None:
    from alembic import command  # 0.15 s to import, for databases that are not up to date
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "mlpcore.runs:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _waiting(connection: Connection) -> AbstractContextManager[None]:
    """Wait for a PostgreSQL, however many rows a revision changes, here or in another process."""
    if connection.dialect.name != "postgresql":
        return nullcontext()
    from mlpcore.runs.database.postgresql import patiently

    return patiently(connection)
