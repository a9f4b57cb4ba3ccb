"""The runs on disk."""

import json
import logging
import platform
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Select, case, column, delete, func, insert, select, table, update
from sqlalchemy.exc import IntegrityError

from mlpcore.database import HASTY_SECONDS, StoreError, address, explained, open_engine, runs_home, writing
from mlpcore.messages import Sentence, SentenceError, write_sentence
from mlpcore.migrations import SCHEMA, migrate
from mlpcore.presence import Presence
from mlpcore.recipe import Recipe
from mlpcore.rows import (
    COLUMNS,
    LISTED,
    MEASURES,
    find_accuracies,
    finite,
    read_evaluation,
    read_run,
    write_evaluation,
    write_run,
)
from mlpcore.runs import Evaluation, Run, RunStatus
from mlpcore.sight_files import SightFiles

__all__ = ["SORTS", "ListedRun", "RunStore", "StoreError", "runs_home"]

INTERRUPTED = Sentence("The program ended while this run was going on; what it had measured until then is kept.")
SORTS = ("created", "name", "best_acc", "last_acc", "seconds")  # what a list can be sorted by
ACTIVE = tuple(status for status in RunStatus if not status.is_over)

_runs = table("runs", *map(column, [*COLUMNS, *LISTED, "server"]))
_evaluations = table("evaluations", column("run_id"), *map(column, MEASURES))
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ListedRun:
    """A run as lists show it: without its evaluations, with what they came to."""

    run: Run
    best_acc: float | None  # between 0 and 1; None before the first evaluation
    last_acc: float | None


class RunStore:
    """Every run and its evaluations, in a SQLite file or in the database that a SQLAlchemy URL names.

    What it promises:
    - It may be used by several threads and by several processes at once. A write is whole or not there at all.
    - A reader gets a copy that is never changed later; a run and its evaluations are of one moment.
    - A run that is over never changes, but for its name, note and star: writing to it raises ValueError. The last
      evaluations and the status that ends the run go into one write, `update(run_id, status=…, evaluations=…)`.
    - What a call has stored when it returns survives a killed process. (A power cut may take the last moments with it,
      never what is older, and never the database.)
    - Runs that a dead process left going are marked interrupted by `mark_interrupted`, with what they had. A process
      is known to be dead by a lock that the system frees at its end (`mlpcore.presence`), never by a time-out: no
      living process loses a run however slow it is, and a dead one's runs can be marked at once. On SQLite the
      locks lie beside the file; on another database each machine marks the runs it started itself.
    - Adding an evaluation again that is there already changes nothing, so a caller may repeat a write that failed.
    - Floats come back bit for bit (-0.0 as 0.0). One that is not finite is refused: ValueError.
    - Where the disk is full, the database locked or the folder read-only, a call raises StoreError, whose sentence says
      what to do, within about 2 seconds, and nothing is lost that was stored before; the next call may succeed.
    - A database that a newer version of this program has written is left untouched: StoreError.
    """

    def __init__(self, url: str | None = None) -> None:
        """Open the database, or create it. Without a URL: runs.sqlite3 in `runs_home()`."""
        self._engine = open_engine(address(url))
        self._writing = writing(self._engine)
        self._writing_hastily = writing(self._engine, patience=HASTY_SECONDS)
        self._one_writer = threading.Lock()  # threads take turns here: SQLite's own waiting sleeps, and may starve one
        self._closed = False
        self._warned: set[str] = set()
        if self._engine.dialect.name == "sqlite":
            file = Path(str(self._engine.url.database)).resolve()
            self._presence, self._site = Presence(file.with_name(f"{file.name}-servers")), ""
            self.sights = SightFiles(file.with_name("sights"))
        else:
            self._presence, self._site = Presence(runs_home() / "servers"), f"{platform.node()}/"
            self.sights = SightFiles(runs_home() / "sights")
        try:
            with explained():
                migrate(self._engine)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give everything back. Runs of this store that are not over yet count as left by a dead process."""
        with self._one_writer:
            self._closed = True
            self._presence.close()
            self._engine.dispose()

    def create(self, run: Run) -> None:
        """Store a new run, with the evaluations it has. Raises ValueError if the id is taken."""
        self.create_many([run])

    def create_many(self, runs: Sequence[Run]) -> None:
        """Store new runs with the evaluations they have, all of them or none. Raises ValueError if an id is taken."""
        rows = [write_run(run) for run in runs]
        with self._write() as connection:
            going_on = any(not run.status.is_over for run in runs)
            server = self._announce(connection) if going_on else ""
            for run, row in zip(runs, rows, strict=True):
                try:
                    connection.execute(insert(_runs).values(row | {"server": "" if run.status.is_over else server}))
                except IntegrityError as error:
                    raise ValueError(f"id is {run.id!r}: a run with that id is stored already") from error
                _insert_evaluations(connection, run.id, run.evaluations)

    def list_datasets(self) -> list[str]:
        """Name the data sets that the stored runs used."""
        with self._read() as connection:
            found = connection.scalars(select(_runs.c.dataset).distinct().order_by(_runs.c.dataset)).all()
        return [name for name in found if name]

    def add_evaluations(self, run_id: str, evaluations: Sequence[Evaluation]) -> None:
        """Add what was measured; the run's step and seconds follow. Raises ValueError if it is over or unknown."""
        self.update(run_id, evaluations=evaluations)

    def update(
        self,
        run_id: str,
        *,
        status: RunStatus | None = None,
        step: int | None = None,
        seconds: float | None = None,
        device: str | None = None,
        versions: Mapping[str, str] | None = None,
        message: Sentence | None = None,
        traceback: str | None = None,
        recipe: Recipe | None = None,
        evaluations: Sequence[Evaluation] = (),
        hasty: bool = False,
    ) -> None:
        """Change what is given, all of it or nothing; a status that is over seals the run.

        hasty: wait for a locked database no longer than HASTY_SECONDS, as who tries again later does.
        Raises ValueError if the run is over or unknown, or has another evaluation at the same step.
        """
        values: dict[str, Any] = {"status": status, "step": step, "device": device}
        values |= {"traceback": traceback, "recipe": recipe and recipe.model_dump_json()}
        values["message"] = None if message is None else write_sentence(message)
        values["versions"] = None if versions is None else json.dumps(dict(versions))
        values["seconds"] = None if seconds is None else finite("seconds", seconds)
        values = {name: value for name, value in values.items() if value is not None}
        if evaluations:
            last = max(evaluations, key=lambda evaluation: evaluation.step)
            values = {"step": _at_least("step", last.step), "seconds": _at_least("seconds", last.seconds)} | values
            accuracies = find_accuracies(evaluations)
            values["last_acc"] = accuracies["last_acc"]
            values["best_acc"] = _at_least("best_acc", accuracies["best_acc"])
        if not values:
            return
        with self._write(self._writing_hastily if hasty else self._writing) as connection:
            # one statement asks whether the run goes on and changes it, so no other writer can come in between
            going_on = (_runs.c.id == run_id) & _runs.c.status.in_(ACTIVE)
            if not connection.execute(update(_runs).where(going_on).values(values)).rowcount:
                raise _why_not(connection, run_id)
            _insert_evaluations(connection, run_id, evaluations)

    def get(self, run_id: str) -> Run:
        """Return a run with its evaluations. Raises ValueError if it is unknown or its recipe cannot be read."""
        with self._read() as connection:
            row = connection.execute(select(*_columns()).where(_runs.c.id == run_id)).first()
            measured = select(*(_evaluations.c[name] for name in MEASURES)).where(_evaluations.c.run_id == run_id)
            evaluations = connection.execute(measured.order_by(_evaluations.c.step)).all()
        if row is None:
            raise _unknown(run_id)
        return read_run(row._asdict(), tuple(read_evaluation(values._asdict()) for values in evaluations))

    def read_status(self, run_id: str) -> RunStatus | None:
        """Read where a run stands, without what it measured; None where there is no such run."""
        with self._read() as connection:
            status = connection.scalar(select(_runs.c.status).where(_runs.c.id == run_id))
        return None if status is None else RunStatus(status)

    def list_runs(
        self,
        *,
        limit: int = 100,
        offset: int = 0,
        owner: str | None = None,
        statuses: Sequence[RunStatus] | None = None,
    ) -> list[Run]:
        """Return runs without their evaluations, newest first.

        A run whose recipe this version cannot read is left out, with a line in the log: the others must not suffer.
        """
        if limit < 1 or offset < 0:
            raise ValueError(f"limit is {limit} and offset is {offset}: they must be at least 1 and 0")
        newest_first = _filtered(select(*_columns()), owner, statuses).order_by(
            _runs.c.created.desc(), _runs.c.id.desc()
        )
        with self._read() as connection:
            rows = connection.execute(newest_first.limit(limit).offset(offset)).all()
        runs = [self._read_or_skip(row._asdict()) for row in rows]
        return [run for run in runs if run is not None]

    def search(
        self,
        *,
        sort: str = "created",
        descending: bool = True,
        limit: int = 50,
        offset: int = 0,
        dataset: str | None = None,
        optimizer: str | None = None,
        statuses: Sequence[RunStatus] | None = None,
        least_best_acc: float | None = None,
        words: str = "",
        starred: bool = False,
    ) -> tuple[list[ListedRun], int]:
        """Find runs by what lists show; return one page of them, without evaluations, and how many there are in all.

        sort: one of SORTS, each with an index. words: found in the name or the note, whatever their case.
        """
        if sort not in SORTS:
            raise ValueError(f"sort is {sort!r}: it must be one of {', '.join(SORTS)}")
        query = _filtered(select(*_columns(), _runs.c.best_acc, _runs.c.last_acc), None, statuses)
        for name, value in (("dataset", dataset), ("optimizer", optimizer)):
            if value is not None:
                query = query.where(_runs.c[name] == value)
        if least_best_acc is not None:
            query = query.where(_runs.c.best_acc >= least_best_acc)
        if words:
            query = query.where(
                _runs.c.name.icontains(words, autoescape=True) | _runs.c.note.icontains(words, autoescape=True)
            )
        if starred:
            query = query.where(_runs.c.starred == 1)
        order = [_runs.c[sort].desc(), _runs.c.id.desc()] if descending else [_runs.c[sort], _runs.c.id]
        with self._read() as connection:
            total = connection.scalar(select(func.count()).select_from(query.subquery())) or 0
            rows = connection.execute(query.order_by(*order).limit(limit).offset(offset)).all()
        listed = []
        for row in rows:
            *values, best_acc, last_acc = row
            run = self._read_or_skip(dict(zip(COLUMNS, values, strict=True)))
            if run is not None:
                listed.append(ListedRun(run, best_acc, last_acc))
        return listed, total

    def annotate(
        self, run_id: str, *, name: str | None = None, note: str | None = None, starred: bool | None = None
    ) -> None:
        """Rename a run, write its note or star it, over or not. Raises ValueError if it is unknown."""
        values = {"name": name, "note": note, "starred": None if starred is None else int(starred)}
        values = {key: value for key, value in values.items() if value is not None}
        if not values:
            return
        with self._write() as connection:
            if not connection.execute(update(_runs).where(_runs.c.id == run_id).values(values)).rowcount:
                raise _unknown(run_id)

    def count(self, *, owner: str | None = None, statuses: Sequence[RunStatus] | None = None) -> int:
        """Count the runs that are stored, those of an unreadable recipe too."""
        with self._read() as connection:
            return connection.scalar(_filtered(select(func.count()).select_from(_runs), owner, statuses)) or 0

    def delete(self, run_id: str) -> None:
        """Remove a run, its evaluations and its sight. Raises ValueError if it is unknown or still going on."""
        with self._write() as connection:
            over = (_runs.c.id == run_id) & _runs.c.status.not_in(ACTIVE)
            if not connection.execute(delete(_runs).where(over)).rowcount:
                raise _why_not(connection, run_id)
        self.sights.delete(run_id)

    def mark_interrupted(self) -> list[str]:
        """Mark the runs that dead processes left going; return their ids, oldest first. To be called at every start."""
        with self._write() as connection:
            _one_at_a_time(connection)
            mine = _runs.c.status.in_(ACTIVE) & _runs.c.server.startswith(self._site, autoescape=True)
            left = connection.execute(select(_runs.c.id, _runs.c.server).where(mine).order_by(_runs.c.created)).all()
            living = {self._site + token for token in self._presence.living()}
            dead = [row.id for row in left if row.server not in living]
            values = {"status": RunStatus.INTERRUPTED, "message": write_sentence(INTERRUPTED)}
            connection.execute(update(_runs).where(_runs.c.id.in_(dead)).values(values))
        return dead

    def _read_or_skip(self, values: dict[str, Any]) -> Run | None:
        """Make a run of its row; one that this version cannot read is named in the log, once."""
        try:
            return read_run(values, ())
        except ValueError as error:
            if values["id"] not in self._warned:
                self._warned.add(values["id"])
                _log.warning("%s It is left out of lists.", error)
            return None

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with explained(), self._open(self._engine) as connection:
            yield connection

    @contextmanager
    def _write(self, engine: Engine | None = None) -> Iterator[Connection]:
        with self._one_writer, explained(), self._open(engine or self._writing) as connection:
            yield connection

    @contextmanager
    def _open(self, engine: Engine) -> Iterator[Connection]:
        if self._closed:
            raise StoreError("The store of the runs is closed: start the program again.")
        with engine.begin() as connection:
            yield connection

    def _announce(self, connection: Connection) -> str:
        _one_at_a_time(connection)
        try:
            return self._site + self._presence.announce()
        except OSError as error:
            raise StoreError(
                "The folder of the runs cannot be written to ({reason}): allow this program to write in it, free "
                "some space on its disk, or name another folder in MLPCORE_HOME.",
                reason=error.strerror,
            ) from error


def _one_at_a_time(connection: Connection) -> None:
    """Let the other processes' announcing and marking wait: SQLite's write lock does, elsewhere a lock on rows."""
    connection.execute(select(SCHEMA.c.number).with_for_update()).all()


def _columns() -> list[Any]:
    return [_runs.c[name] for name in COLUMNS]


def _filtered(query: Select[Any], owner: str | None, statuses: Sequence[RunStatus] | None) -> Select[Any]:
    if owner is not None:
        query = query.where(_runs.c.owner == owner)
    if statuses is not None:
        query = query.where(_runs.c.status.in_(statuses))
    return query


def _insert_evaluations(connection: Connection, run_id: str, evaluations: Sequence[Evaluation]) -> None:
    if not evaluations:
        return
    new = {evaluation.step: write_evaluation(run_id, evaluation) for evaluation in evaluations}
    if len(new) < len(evaluations):
        raise ValueError(f"evaluations has {len(evaluations)} entries at {len(new)} steps: each step may come once")
    there = select(_evaluations).where(_evaluations.c.run_id == run_id, _evaluations.c.step >= min(new))
    for stored in connection.execute(there).mappings():
        again = new.pop(stored["step"], None)
        if again is not None and again != dict(stored):
            raise ValueError(f"step is {stored['step']}: run {run_id} has another evaluation at that step")
    if new:
        connection.execute(insert(_evaluations), list(new.values()))


def _at_least(name: str, value: float) -> Any:
    return case((func.coalesce(_runs.c[name], value) <= value, value), else_=_runs.c[name])


def _why_not(connection: Connection, run_id: str) -> ValueError:
    status = connection.scalar(select(_runs.c.status).where(_runs.c.id == run_id))
    if status is None:
        return _unknown(run_id)
    if status in ACTIVE:
        return ValueError(f"Run {run_id} is {status}: it must be stopped before it can be deleted.")
    return ValueError(f"Run {run_id} is {status}: a run that is over never changes.")


def _unknown(run_id: str) -> SentenceError:
    return SentenceError("There is no run {run_id!r}: it may have been deleted.", run_id=run_id)
