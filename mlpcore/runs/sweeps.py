"""Sweeps in the database: what each is, and the trials it has drawn, with their runs and results."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, column, delete, insert, select, table, update

from mlpcore.messages import N_
from mlpcore.runs.schema import Access
from mlpcore.runs.servers.contract import Liveness

SWEEPS = table("sweeps", *map(column, ("id", "name", "owner", "created", "status", "definition", "server")))
TRIALS = table("trials", *map(column, ("sweep_id", "number", "point", "is_fresh", "run_ids", "result")))


class SweepStatus(StrEnum):
    """The status of a sweep; the store keeps its value."""

    RUNNING = N_("running")
    PAUSED = N_("paused")
    FINISHED = N_("finished")
    STOPPED = N_("stopped")

    @property
    def is_over(self) -> bool:
        """Whether no more trials are drawn, unless somebody extends the sweep."""
        return self in (SweepStatus.FINISHED, SweepStatus.STOPPED)


@dataclass(frozen=True)
class StoredTrial:
    """One trial: its point of the search space, the ids of its runs, and what came of them.

    point and result are JSON. is_fresh: whether it only confirms a choice, with seeds that had no part in it.
    """

    number: int
    point: str
    run_ids: tuple[str, ...]
    is_fresh: bool = False
    result: str = ""  # until all its runs are over


@dataclass(frozen=True)
class StoredSweep:
    """A sweep as it is stored; its definition, points and results are JSON that `mlpcore.sweeps` reads."""

    id: str
    name: str
    owner: str = field(repr=False)
    created: float  # seconds since the epoch, UTC
    status: SweepStatus
    definition: str
    trials: tuple[StoredTrial, ...] = ()


_GOING_ON = SWEEPS.c.status.in_([status for status in SweepStatus if not status.is_over])


class StoredSweeps:
    """Reads and writes the sweeps of a store, with the store's promises."""

    def __init__(self, read: Access, write: Access, liveness: Liveness) -> None:
        """Use these connections; liveness shows which process goes on with a sweep."""
        self._read, self._write, self._liveness = read, write, liveness

    def create(self, *sweeps: StoredSweep) -> None:
        """Store new sweeps, all of them or none; this process goes on with those that are not over."""
        names = ("id", "name", "owner", "created", "status", "definition")
        with self._write() as connection:
            server = self._liveness.announce()
            for sweep in sweeps:
                values = {name: getattr(sweep, name) for name in names}
                connection.execute(insert(SWEEPS).values(values | {"server": server}))
                _insert_trials(connection, sweep.id, sweep.trials)

    def get(self, sweep_id: str) -> StoredSweep | None:
        """Return a sweep with its trials, None if there is none."""
        with self._read() as connection:
            row = connection.execute(select(SWEEPS).where(SWEEPS.c.id == sweep_id)).first()
            trials = select(TRIALS).where(TRIALS.c.sweep_id == sweep_id).order_by(TRIALS.c.number)
            return None if row is None else _read_sweep(row, connection.execute(trials).all())

    def list_newest(self, *, limit: int = 50) -> list[StoredSweep]:
        """List the newest sweeps, newest first, without their trials."""
        newest = select(SWEEPS).order_by(SWEEPS.c.created.desc(), SWEEPS.c.id).limit(limit)
        with self._read() as connection:
            return [_read_sweep(row, ()) for row in connection.execute(newest)]

    def add_trials(self, sweep_id: str, trials: Sequence[StoredTrial]) -> None:
        """Store new trials of a sweep, all of them or none."""
        with self._write() as connection:
            _insert_trials(connection, sweep_id, trials)

    def update_trial(self, sweep_id: str, trial: StoredTrial) -> None:
        """Store the runs and the result of a trial."""
        this = (TRIALS.c.sweep_id == sweep_id) & (TRIALS.c.number == trial.number)
        values = {"run_ids": json.dumps(trial.run_ids), "result": trial.result}
        with self._write() as connection:
            connection.execute(update(TRIALS).where(this).values(values))

    def update(
        self, sweep_id: str, *, status: SweepStatus | None = None, definition: str | None = None, is_mine: bool = False
    ) -> None:
        """Change the status or the definition of a sweep; is_mine: this process goes on with it from now on."""
        values: dict[str, Any] = {"status": status, "definition": definition}
        values = {name: value for name, value in values.items() if value is not None}
        with self._write() as connection:
            if is_mine:
                values["server"] = self._liveness.announce()
            connection.execute(update(SWEEPS).where(SWEEPS.c.id == sweep_id).values(values))

    def find_server(self, sweep_id: str) -> str | None:
        """Return the process that goes on with a sweep; None if there is no such sweep."""
        with self._read() as connection:
            server: str | None = connection.scalar(select(SWEEPS.c.server).where(SWEEPS.c.id == sweep_id))
        return server

    def claim_left(self) -> list[str]:
        """Take over the sweeps that dead processes left unfinished; return their ids, oldest first.

        Those of the command line have no owner who could stop them: they end as stopped.
        """
        others = _GOING_ON & (SWEEPS.c.server != (self._liveness.token or ""))
        with self._read() as connection:
            if connection.scalar(select(SWEEPS.c.id).where(others).limit(1)) is None:  # without waiting for writers
                return []
        with self._write() as connection:
            servers = connection.scalars(select(SWEEPS.c.server).where(others).distinct()).all()
            # of two processes that claim a sweep, the second finds another server in it
            left = _GOING_ON & SWEEPS.c.server.in_(self._liveness.find_dead(servers, connection))
            connection.execute(update(SWEEPS).where(left, SWEEPS.c.owner == "").values(status=SweepStatus.STOPPED))
            if connection.scalar(select(SWEEPS.c.id).where(left).limit(1)) is None:
                return []
            mine = update(SWEEPS).where(left).values(server=self._liveness.announce())
            claimed = connection.execute(mine.returning(SWEEPS.c.created, SWEEPS.c.id)).all()
        return [row.id for row in sorted(claimed)]

    def delete(self, sweep_id: str) -> None:
        """Delete a sweep and its trials; their runs stay."""
        with self._write() as connection:
            connection.execute(delete(TRIALS).where(TRIALS.c.sweep_id == sweep_id))
            connection.execute(delete(SWEEPS).where(SWEEPS.c.id == sweep_id))


def _insert_trials(connection: Connection, sweep_id: str, trials: Sequence[StoredTrial]) -> None:
    for trial in trials:
        values = {"number": trial.number, "point": trial.point, "is_fresh": int(trial.is_fresh), "result": trial.result}
        own = {"sweep_id": sweep_id, "run_ids": json.dumps(trial.run_ids)}
        connection.execute(insert(TRIALS).values(values | own))


def _read_sweep(row: Row[Any], trials: Sequence[Row[Any]]) -> StoredSweep:
    read = tuple(
        StoredTrial(one.number, one.point, tuple(json.loads(one.run_ids)), bool(one.is_fresh), one.result)
        for one in trials
    )
    return StoredSweep(row.id, row.name, row.owner, row.created, SweepStatus(row.status), row.definition, read)
