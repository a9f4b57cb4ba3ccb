"""The runs on disk."""

import logging
import platform
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from mlpcore.messages import Sentence, write_sentence
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.engine import HASTY_SECONDS, StoreError, address, explained, open_engine, runs_home, writing
from mlpcore.runs.liveness import Liveness
from mlpcore.runs.migrations import migrate
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.rows import COLUMNS, MEASURES, find_accuracies, finite, read_evaluation, read_run, write_run
from mlpcore.runs.schema import (
    ACTIVE,
    EVALUATIONS,
    RUN_COLUMNS,
    RUNS,
    at_least,
    explain_refusal,
    insert_evaluations,
    one_at_a_time,
    unknown,
)
from mlpcore.runs.snapshot_files import SnapshotFiles

__all__ = ["SORTS", "ListedRun", "RunStore", "StoreError", "runs_home"]

INTERRUPTED = Sentence("The program ended while this run was going on; what it had measured until then is kept.")
SORTS = ("created", "name", "best_acc", "last_acc", "seconds")  # what a list can be sorted by

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
      is known to be dead by a lock that the system frees at its end (`mlpcore.runs.liveness`), never by a time-out: no
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
            self._presence, self._site = Liveness(file.with_name(f"{file.name}-servers")), ""
            self.snapshots = SnapshotFiles(file.with_name("sights"))
        else:
            self._presence, self._site = Liveness(runs_home() / "servers"), f"{platform.node()}/"
            self.snapshots = SnapshotFiles(runs_home() / "sights")
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
                    connection.execute(insert(RUNS).values(row | {"server": "" if run.status.is_over else server}))
                except IntegrityError as error:
                    raise ValueError(f"id is {run.id!r}: a run with that id is stored already") from error
                insert_evaluations(connection, run.id, run.evaluations)

    def list_datasets(self) -> list[str]:
        """Name the data sets that the stored runs used."""
        with self._read() as connection:
            found = connection.scalars(select(RUNS.c.dataset).distinct().order_by(RUNS.c.dataset)).all()
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
        values["seconds"] = None if seconds is None else finite("seconds", seconds)
        values = {name: value for name, value in values.items() if value is not None}
        if evaluations:
            last = max(evaluations, key=lambda evaluation: evaluation.step)
            values = {"step": at_least("step", last.step), "seconds": at_least("seconds", last.seconds)} | values
            accuracies = find_accuracies(evaluations)
            values["last_acc"] = accuracies["last_acc"]
            values["best_acc"] = at_least("best_acc", accuracies["best_acc"])
        if not values:
            return
        with self._write(self._writing_hastily if hasty else self._writing) as connection:
            # one statement asks whether the run goes on and changes it, so no other writer can come in between
            going_on = (RUNS.c.id == run_id) & RUNS.c.status.in_(ACTIVE)
            if not connection.execute(update(RUNS).where(going_on).values(values)).rowcount:
                raise explain_refusal(connection, run_id)
            insert_evaluations(connection, run_id, evaluations)

    def get(self, run_id: str) -> Run:
        """Return a run with its evaluations. Raises ValueError if it is unknown or its recipe cannot be read."""
        with self._read() as connection:
            row = connection.execute(select(*RUN_COLUMNS).where(RUNS.c.id == run_id)).first()
            measured = select(*(EVALUATIONS.c[name] for name in MEASURES)).where(EVALUATIONS.c.run_id == run_id)
            evaluations = connection.execute(measured.order_by(EVALUATIONS.c.step)).all()
        if row is None:
            raise unknown(run_id)
        return read_run(row._asdict(), tuple(read_evaluation(values._asdict()) for values in evaluations))

    def read_status(self, run_id: str) -> RunStatus | None:
        """Read where a run stands, without what it measured; None where there is no such run."""
        with self._read() as connection:
            status = connection.scalar(select(RUNS.c.status).where(RUNS.c.id == run_id))
        return None if status is None else RunStatus(status)

    def list_runs(self, *, limit: int = 100, owner: str | None = None) -> list[Run]:
        """Return the newest runs without their evaluations, newest first; of one owner, where one is given.

        A run whose recipe this version cannot read is left out, with a line in the log: the others must not suffer.
        """
        if limit < 1:
            raise ValueError(f"limit is {limit}: it must be at least 1")
        query = select(*RUN_COLUMNS).order_by(RUNS.c.created.desc(), RUNS.c.id.desc()).limit(limit)
        if owner is not None:
            query = query.where(RUNS.c.owner == owner)
        with self._read() as connection:
            rows = connection.execute(query).all()
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
        query = select(*RUN_COLUMNS, RUNS.c.best_acc, RUNS.c.last_acc)
        if statuses is not None:
            query = query.where(RUNS.c.status.in_(statuses))
        for name, value in (("dataset", dataset), ("optimizer", optimizer)):
            if value is not None:
                query = query.where(RUNS.c[name] == value)
        if least_best_acc is not None:
            query = query.where(RUNS.c.best_acc >= least_best_acc)
        if words:
            query = query.where(
                RUNS.c.name.icontains(words, autoescape=True) | RUNS.c.note.icontains(words, autoescape=True)
            )
        if starred:
            query = query.where(RUNS.c.starred == 1)
        order = [RUNS.c[sort].desc(), RUNS.c.id.desc()] if descending else [RUNS.c[sort], RUNS.c.id]
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
            if not connection.execute(update(RUNS).where(RUNS.c.id == run_id).values(values)).rowcount:
                raise unknown(run_id)

    def count(self) -> int:
        """Count the runs that are stored, those of an unreadable recipe too."""
        with self._read() as connection:
            return connection.scalar(select(func.count()).select_from(RUNS)) or 0

    def delete(self, run_id: str) -> None:
        """Remove a run, its evaluations and its snapshot. Raises ValueError if it is unknown or still going on."""
        with self._write() as connection:
            over = (RUNS.c.id == run_id) & RUNS.c.status.not_in(ACTIVE)
            if not connection.execute(delete(RUNS).where(over)).rowcount:
                raise explain_refusal(connection, run_id)
        self.snapshots.delete(run_id)

    def mark_interrupted(self) -> list[str]:
        """Mark the runs that dead processes left going; return their ids, oldest first. To be called at every start."""
        with self._write() as connection:
            one_at_a_time(connection)
            mine = RUNS.c.status.in_(ACTIVE) & RUNS.c.server.startswith(self._site, autoescape=True)
            left = connection.execute(select(RUNS.c.id, RUNS.c.server).where(mine).order_by(RUNS.c.created)).all()
            living = {self._site + token for token in self._presence.living()}
            dead = [row.id for row in left if row.server not in living]
            values = {"status": RunStatus.INTERRUPTED, "message": write_sentence(INTERRUPTED)}
            connection.execute(update(RUNS).where(RUNS.c.id.in_(dead)).values(values))
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
        one_at_a_time(connection)
        try:
            return self._site + self._presence.announce()
        except OSError as error:
            raise StoreError(
                "The folder of the runs cannot be written to ({reason}): allow this program to write in it, free "
                "some space on its disk, or name another folder in MLPCORE_HOME.",
                reason=error.strerror,
            ) from error
