"""Requests from one server to another that shares the database: a run is stopped, paused or changed by its process.

A table that each process reads once a second, on every back end: a row waits until its process has a connection again,
while a NOTIFY of PostgreSQL is lost on whoever does not listen at that moment.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import column, delete, insert, select, table

from mlpcore.runs.schema import ACTIVE, RUNS, Access

REQUESTS = table("requests", *map(column, ("number", "server", "action", "subject", "arguments", "created")))


@dataclass(frozen=True)
class Request:
    """What a process is asked to do: an action on a subject, such as a run by its id."""

    action: str
    subject: str
    arguments: dict[str, Any]


class Requests:
    """Sends requests to other processes, and takes those to this one."""

    def __init__(self, read: Access, write: Access, own_token: Callable[[], str | None]) -> None:
        """Use these connections; own_token names this process once it has something that others may ask about."""
        self._read, self._write, self._own_token = read, write, own_token

    def find_servers(self, owners: Sequence[str]) -> list[tuple[str, str]]:
        """Return which other processes train runs of which of these owners, as pairs of owner and server."""
        theirs = RUNS.c.status.in_(ACTIVE) & RUNS.c.owner.in_(owners)
        others = theirs & (RUNS.c.server != (self._own_token() or ""))
        with self._read() as connection:
            found = connection.execute(select(RUNS.c.owner, RUNS.c.server).where(others).distinct()).all()
        return [(row.owner, row.server) for row in found]

    def send(self, server: str, action: str, subject: str, **arguments: Any) -> None:
        """Ask another process for something. Raises StoreError."""
        values = {"server": server, "action": action, "subject": subject, "created": time.time()}
        with self._write() as connection:
            connection.execute(insert(REQUESTS).values(values | {"arguments": json.dumps(arguments)}))

    def take(self) -> list[Request]:
        """Return what this process was asked for, oldest first, each request once. Raises StoreError."""
        token = self._own_token()
        if token is None:
            return []
        mine = select(REQUESTS).where(REQUESTS.c.server == token).order_by(REQUESTS.c.number)
        with self._read() as connection:
            rows = connection.execute(mine).all()
        if rows:
            taken = delete(REQUESTS).where(REQUESTS.c.server == token, REQUESTS.c.number <= rows[-1].number)
            with self._write() as connection:
                connection.execute(taken)
        return [Request(row.action, row.subject, json.loads(row.arguments)) for row in rows]
