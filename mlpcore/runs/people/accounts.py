"""People in the database: whose runs there are, what signed-in people are called, and quotas of their own."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import column, func, insert, select, table, update

from mlpcore.runs.database.engine import one_at_a_time
from mlpcore.runs.schema import KEPT, RUNS, Access

PEOPLE = table("people", *map(column, ("owner", "name", "quota")))
LONGEST = 100  # characters of a name


@dataclass(frozen=True)
class Person:
    """Somebody who has stored runs."""

    owner: str = field(repr=False)
    name: str  # "" for a browser
    runs: int
    newest: float  # when the newest was started, in seconds since the epoch, UTC
    quota: float | None  # bytes; None for everybody's


class People:
    """Reads and writes what a store knows of people."""

    def __init__(self, read: Access, write: Access) -> None:
        """Use these connections to read and to write."""
        self._read, self._write = read, write

    def list_latest(self, *, limit: int = 1000) -> list[Person]:
        """List the people who have stored runs, those first who started one last."""
        newest, named = func.max(RUNS.c.created), (PEOPLE.c.name, PEOPLE.c.quota)
        counted = select(RUNS.c.owner, func.count().label("runs"), newest.label("newest")).where(KEPT)
        found = counted.group_by(RUNS.c.owner).order_by(newest.desc()).limit(limit).subquery()
        joined = found.outerjoin(PEOPLE, PEOPLE.c.owner == found.c.owner)
        query = select(found, *named).select_from(joined).order_by(found.c.newest.desc(), found.c.owner)
        with self._read() as connection:
            rows = connection.execute(query).all()
        return [Person(row.owner, row.name or "", row.runs, row.newest, row.quota) for row in rows]

    def find_names(self) -> dict[str, str]:
        """Return the names of the people who have signed in, by owner."""
        with self._read() as connection:
            rows = connection.execute(select(PEOPLE.c.owner, PEOPLE.c.name).where(PEOPLE.c.name != ""))
            return {row.owner: row.name for row in rows}

    def get_quota(self, owner: str) -> float | None:
        """Return the bytes that somebody may store; None if everybody's quota is theirs."""
        with self._read() as connection:
            quota: float | None = connection.scalar(select(PEOPLE.c.quota).where(PEOPLE.c.owner == owner))
        return quota

    def note_name(self, owner: str, name: str) -> None:
        """Store what somebody is called; nothing is written if that is known."""
        with self._read() as connection:
            known = connection.scalar(select(PEOPLE.c.name).where(PEOPLE.c.owner == owner))
        if known != name[:LONGEST]:
            self._put(owner, name=name[:LONGEST])

    def set_quota(self, owner: str, quota: float | None) -> None:
        """Store the bytes that somebody may store; None: everybody's quota is theirs."""
        self._put(owner, quota=quota)

    def _put(self, owner: str, **values: Any) -> None:
        with self._write() as connection:
            one_at_a_time(connection)
            if not connection.execute(update(PEOPLE).where(PEOPLE.c.owner == owner).values(values)).rowcount:
                connection.execute(insert(PEOPLE).values({"owner": owner, "name": "", "quota": None} | values))
