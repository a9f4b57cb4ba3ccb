"""RunStore: every run and its evaluations, in a database."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal, Unpack

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from mlpcore.messages import Sentence, write_sentence
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.database.engine import HASTY_SECONDS, explained, open_database, runs_home, writing
from mlpcore.runs.deletion import Deletion
from mlpcore.runs.foreign import ForeignRuns
from mlpcore.runs.messages import CLOSED, INTERRUPTED, StoreError, unknown_run
from mlpcore.runs.migrations import migrate
from mlpcore.runs.people.accounts import People
from mlpcore.runs.quota import Usage, measure_rows
from mlpcore.runs.records import Evaluation, Run, RunState, RunStatus
from mlpcore.runs.schema import (
    ACTIVE,
    COLUMNS,
    EVALUATIONS,
    KEPT,
    MEASURES,
    RUN_COLUMNS,
    RUNS,
    explain_refusal,
    follow_evaluations,
    insert_evaluations,
    read_evaluation,
    read_run,
    write_changes,
    write_run,
)
from mlpcore.runs.search import SORTS, ListedRun, RunSearch, find_runs, find_submissions, list_distinct
from mlpcore.runs.servers.contract import Liveness
from mlpcore.runs.servers.file_locks import FileLocks
from mlpcore.runs.servers.requests import REQUESTS, Requests
from mlpcore.runs.snapshot_storage import SnapshotFiles, SnapshotRows, SnapshotStorage
from mlpcore.runs.sweeps import StoredSweeps

__all__ = ["SORTS", "ListedRun", "RunStore", "StoreError", "runs_home"]

SNAPSHOT_FOLDER = "sights"  # its name since the first version

log = logging.getLogger(__name__)


class RunStore:
    """Stores every run and its evaluations, in a SQLite file or in the PostgreSQL database that a SQLAlchemy URL names.

    It promises:
    - Several threads and several processes may use it at once. A write is stored as a whole or not at all.
    - A reader gets a copy that never changes later; a run and its evaluations belong to the same moment.
    - A run that is over never changes, except for its name, note and star: other writes raise ValueError. The last
      evaluations and the status that ends the run go into one write, `update(run_id, status=…, evaluations=…)`.
    - A deletion can be undone for a minute (`mlpcore.runs.deletion`); after that, a later call removes the runs.
    - What a call has stored when it returns survives a killed process. A power cut may lose the last moments, but
      nothing older, and it never damages the database.
    - `mark_interrupted` marks the runs that dead processes left running; they keep what was stored. A process is
      recognised as dead by a lock that it cannot hold any more (`mlpcore.runs.servers`), never by a heartbeat: a slow
      process never loses a run. On SQLite that is known at once; on PostgreSQL, where a lock is also lost with the
      connection, the lock must stay free for two minutes.
    - Adding an evaluation that is already stored changes nothing, so a write that failed may be repeated.
    - Floats come back bit for bit (except -0.0, which becomes 0.0). Numbers that are not finite raise ValueError.
    - If the disk is full, the database locked or the folder read-only, a call raises StoreError within about 2 seconds.
      Its sentence says what to do. Nothing that was stored is lost, and the next call may succeed.
    - A database that a newer version of this program has written is not touched: StoreError.
    """

    def __init__(self, url: str | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Open the database, or create it.

        Args:
            url: SQLAlchemy URL of the database; by default, MLPCORE_STORE, or runs.sqlite3 in `runs_home()`.
            clock: Seconds, for how long another process has not been seen alive.

        Raises:
            ValueError: the URL does not name a database that can be used.
            StoreError: the database cannot be opened.
        """
        self._engine = open_database(url)
        self._writing = writing(self._engine)
        self._writing_hastily = writing(self._engine, patience=HASTY_SECONDS)
        self._closed, self._warned = False, set[str]()
        self._liveness: Liveness
        self.snapshots: SnapshotStorage
        if self._engine.dialect.name == "sqlite":
            file = Path(str(self._engine.url.database)).resolve()
            # threads queue here: SQLite's own waiting sleeps, and can starve one
            self._write_lock: AbstractContextManager[object] = threading.Lock()
            self._liveness = FileLocks(file.with_name(f"{file.name}-servers"))
            self.snapshots = SnapshotFiles(file.with_name(SNAPSHOT_FOLDER))
        else:
            self._write_lock = nullcontext()
            from mlpcore.runs.servers.advisory_locks import AdvisoryLocks  # with its driver

            self._liveness = AdvisoryLocks(self._engine, clock=clock)
            self.snapshots = SnapshotRows(self._read, self._write)
        self.deletion = Deletion(self._read, self._write, self.snapshots)
        self.people = People(self._read, self._write)
        self.requests = Requests(self._read, self._write, lambda: self._liveness.token)
        self.sweeps = StoredSweeps(self._read, self._write, self._liveness)
        self.foreign = ForeignRuns(self._read, self._write)
        try:
            with explained():
                migrate(self._engine)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the database. Runs of this store that are not over now count as left by a dead process."""
        with self._write_lock:
            self._closed = True
            self._liveness.close()
            self._engine.dispose()

    def create_many(self, runs: Sequence[Run]) -> None:
        """Store new runs with their evaluations, all of them or none. Raises ValueError if an id is taken."""
        rows = [write_run(run) for run in runs]
        with self._write() as connection:
            any_active = any(not run.status.is_over for run in runs)
            server = self._liveness.announce() if any_active else ""
            for run, row in zip(runs, rows, strict=True):
                try:
                    connection.execute(insert(RUNS).values(row | {"server": "" if run.status.is_over else server}))
                except IntegrityError as error:
                    raise ValueError(f"id is {run.id!r}: a run with that id is stored already") from error
                insert_evaluations(connection, run.id, run.evaluations)
        self.deletion.remove_old()

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
        last_losses: Sequence[float] = (),
        recipe: Recipe | None = None,
        versions: Mapping[str, str] | None = None,
        evaluations: Sequence[Evaluation] = (),
        hasty: bool = False,
    ) -> None:
        """Change the given values of a run and add evaluations, in one write.

        The run's step and seconds follow its evaluations. A status that is over seals the run.

        Args:
            hasty: Wait for a locked database only HASTY_SECONDS, for callers that try again later.

        Raises:
            ValueError: the run is over or unknown, or has another evaluation at the same step.
        """
        values = write_changes(
            {"status": status, "step": step, "seconds": seconds, "device": device, "message": message}
            | {"traceback": traceback, "last_losses": last_losses, "recipe": recipe, "versions": versions}
        )
        values = follow_evaluations(evaluations) | values
        if not values:
            return
        with self._write(self._writing_hastily if hasty else self._writing) as connection:
            # one statement checks that the run is not over and changes it, so no other writer comes in between
            is_active = (RUNS.c.id == run_id) & RUNS.c.status.in_(ACTIVE)
            if not connection.execute(update(RUNS).where(is_active).values(values)).rowcount:
                raise explain_refusal(connection, run_id)
            insert_evaluations(connection, run_id, evaluations)

    def get(self, run_id: str) -> Run:
        """Return a run with its evaluations. Raises ValueError if it is unknown or its recipe cannot be read."""
        with self._read() as connection:
            row = connection.execute(select(*RUN_COLUMNS).where(RUNS.c.id == run_id, KEPT)).first()
            measured = select(*(EVALUATIONS.c[name] for name in MEASURES)).where(EVALUATIONS.c.run_id == run_id)
            evaluations = connection.execute(measured.order_by(EVALUATIONS.c.step)).all()
        if row is None:
            raise unknown_run(run_id)
        return read_run(row._asdict(), tuple(read_evaluation(values._asdict()) for values in evaluations))

    def read_state(self, run_id: str) -> RunState | None:
        """Return the state of a run, without reading its evaluations; None if there is no such run."""
        query = select(RUNS.c.owner, RUNS.c.status, RUNS.c.server).where(RUNS.c.id == run_id, KEPT)
        with self._read() as connection:
            row = connection.execute(query).first()
        return None if row is None else RunState(row.owner, RunStatus(row.status), row.server)

    def search(self, **asked: Unpack[RunSearch]) -> tuple[list[ListedRun], int]:
        """Find runs; return one page of them, without evaluations, and how many there are in all.

        A run whose recipe this version cannot read is left out, with a warning in the log.
        """
        with self._read() as connection:
            rows, total = find_runs(connection, asked)
        return self._list_readable(rows), total

    def search_submissions(self, **asked: Unpack[RunSearch]) -> tuple[list[list[ListedRun]], int]:
        """Find runs as `search` does, those together that were started together; return a page of such groups."""
        with self._read() as connection:
            groups, total = find_submissions(connection, asked)
        return [listed for rows in groups if (listed := self._list_readable(rows))], total

    def list_values(self, name: Literal["dataset", "lesson"]) -> list[str]:
        """List the data sets that the stored runs used, or the lessons in which they were started."""
        with self._read() as connection:
            return list_distinct(connection, name)

    def is_empty(self) -> bool:
        """Return whether no run is stored."""
        with self._read() as connection:
            return connection.scalar(select(RUNS.c.id).where(KEPT).limit(1)) is None

    def count(self) -> int:
        """Count the stored runs, also those that this version cannot read."""
        with self._read() as connection:
            return connection.scalar(select(func.count()).select_from(RUNS).where(KEPT)) or 0

    def count_by_status(self) -> dict[RunStatus, int]:
        """Count the stored runs of each status that occurs."""
        counts = select(RUNS.c.status, func.count()).where(KEPT).group_by(RUNS.c.status)
        with self._read() as connection:
            return {RunStatus(status): count for status, count in connection.execute(counts)}

    def annotate(
        self, run_id: str, *, name: str | None = None, note: str | None = None, starred: bool | None = None
    ) -> None:
        """Change the name, note or star of a run, whether it is over or not. Raises ValueError if it is unknown."""
        values = write_changes({"name": name, "note": note, "starred": starred})
        if not values:
            return
        with self._write() as connection:
            if not connection.execute(update(RUNS).where(RUNS.c.id == run_id, KEPT).values(values)).rowcount:
                raise unknown_run(run_id)

    def delete(self, run_ids: Sequence[str]) -> None:
        """Delete runs, as `Deletion.delete` does."""
        self.deletion.delete(run_ids)

    def measure_usage(self, owner: str) -> Usage:
        """Measure the space that an owner's runs take in the database and as snapshots."""
        with self._read() as connection:
            run_ids, size = measure_rows(connection, owner)
        return Usage(len(run_ids), size + self.snapshots.measure(run_ids))

    def mark_interrupted(self) -> list[str]:
        """Mark the runs that dead processes left running; return their ids, oldest first. To call every few seconds."""
        active = RUNS.c.status.in_(ACTIVE)
        others = select(RUNS.c.server).where(active, RUNS.c.server != (self._liveness.token or "")).distinct()
        with self._read() as connection:
            if connection.scalar(others.limit(1)) is None:  # without waiting for other writers
                return []
        values = {"status": RunStatus.INTERRUPTED, "message": write_sentence(INTERRUPTED)}
        with self._write() as connection:
            dead = self._liveness.find_dead(connection.scalars(others).all(), connection)
            left = update(RUNS).where(active, RUNS.c.server.in_(dead)).values(values)
            marked = connection.execute(left.returning(RUNS.c.created, RUNS.c.id)).all()
            connection.execute(delete(REQUESTS).where(REQUESTS.c.server.in_(dead)))
        return [row.id for row in sorted(marked)]

    def _list_readable(self, rows: Sequence[Row[Any]]) -> list[ListedRun]:
        listed = []
        for row in rows:
            *values, best_acc, last_acc = tuple(row)
            if (run := self._read_or_skip(dict(zip(COLUMNS, values, strict=True)))) is not None:
                listed.append(ListedRun(run, best_acc, last_acc))
        return listed

    def _read_or_skip(self, values: dict[str, Any]) -> Run | None:
        """Build a run from its row; None, with one warning in the log, if this version cannot read it."""
        try:
            return read_run(values)
        except ValueError as error:
            if values["id"] not in self._warned:
                self._warned.add(values["id"])
                log.warning("%s It is left out of lists.", error)
            return None

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with explained(), self._open(self._engine) as connection:
            yield connection

    @contextmanager
    def _write(self, engine: Engine | None = None) -> Iterator[Connection]:
        with self._write_lock, explained(), self._open(engine or self._writing) as connection:
            yield connection

    @contextmanager
    def _open(self, engine: Engine) -> Iterator[Connection]:
        if self._closed:
            raise StoreError(CLOSED)
        with engine.begin() as connection:
            yield connection
