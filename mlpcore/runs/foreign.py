"""Runs of other programs, known by their curves only, and where those that a visitor brought are stored."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import column, delete, insert, select, table

from mlpcore.runs.schema import Access

FOREIGN = table("foreign_runs", *map(column, ("owner", "name", "curves")))


@dataclass(frozen=True)
class ForeignRun:
    """What another program measured: no recipe, so nothing about it can be repeated or concluded.

    The measures have a value per step, None where a row had none; an empty one was not measured at all.
    """

    name: str
    steps: Sequence[int]
    train_loss: Sequence[float | None] = ()
    test_acc: Sequence[float | None] = ()  # between 0 and 1
    lr: Sequence[float | None] = ()

    @property
    def best(self) -> float | None:
        """The highest test accuracy, if one was measured."""
        return max((accuracy for accuracy in self.test_acc if accuracy is not None), default=None)


class ForeignRuns:
    """Reads and writes the foreign runs of a store, with the store's promises; each owner sees their own."""

    def __init__(self, read: Access, write: Access) -> None:
        """Use these connections."""
        self._read, self._write = read, write

    def put(self, run: ForeignRun, *, owner: str) -> None:
        """Store a run in place of the owner's run of that name, if there is one."""
        curves = json.dumps({name: values for name, values in asdict(run).items() if name != "name" and values})
        with self._write() as connection:
            connection.execute(delete(FOREIGN).where(FOREIGN.c.owner == owner, FOREIGN.c.name == run.name))
            connection.execute(insert(FOREIGN).values(owner=owner, name=run.name, curves=curves))

    def list_own(self, owner: str) -> list[ForeignRun]:
        """List an owner's runs by name."""
        own = select(FOREIGN.c.name, FOREIGN.c.curves).where(FOREIGN.c.owner == owner).order_by(FOREIGN.c.name)
        with self._read() as connection:
            return [ForeignRun(row.name, **json.loads(row.curves)) for row in connection.execute(own)]

    def delete(self, name: str | None = None, *, owner: str) -> None:
        """Delete this run of an owner, or all of them."""
        these = FOREIGN.c.owner == owner
        with self._write() as connection:
            connection.execute(delete(FOREIGN).where(these if name is None else these & (FOREIGN.c.name == name)))
