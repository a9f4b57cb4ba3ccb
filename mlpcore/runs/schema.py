"""The statements of SQL that the store puts together: its tables, and how evaluations go in."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, case, column, func, insert, select, table

from mlpcore.messages import SentenceError
from mlpcore.runs.migrations import SCHEMA
from mlpcore.runs.records import Evaluation, RunStatus
from mlpcore.runs.rows import COLUMNS, LISTED, MEASURES, write_evaluation

ACTIVE = tuple(status for status in RunStatus if not status.is_over)
RUNS = table("runs", *map(column, [*COLUMNS, *LISTED, "server"]))
EVALUATIONS = table("evaluations", column("run_id"), *map(column, MEASURES))
RUN_COLUMNS = [RUNS.c[name] for name in COLUMNS]  # of a run without its evaluations


def at_least(name: str, value: float) -> Any:
    """Write a value of a run that never becomes smaller."""
    return case((func.coalesce(RUNS.c[name], value) <= value, value), else_=RUNS.c[name])


def insert_evaluations(connection: Connection, run_id: str, evaluations: Sequence[Evaluation]) -> None:
    """Add evaluations that are not there yet. Raises ValueError where there is another one at the same step."""
    if not evaluations:
        return
    new = {evaluation.step: write_evaluation(run_id, evaluation) for evaluation in evaluations}
    if len(new) < len(evaluations):
        raise ValueError(f"evaluations has {len(evaluations)} entries at {len(new)} steps: each step may come once")
    there = select(EVALUATIONS).where(EVALUATIONS.c.run_id == run_id, EVALUATIONS.c.step >= min(new))
    for stored in connection.execute(there).mappings():
        again = new.pop(stored["step"], None)
        if again is not None and again != dict(stored):
            raise ValueError(f"step is {stored['step']}: run {run_id} has another evaluation at that step")
    if new:
        connection.execute(insert(EVALUATIONS), list(new.values()))


def one_at_a_time(connection: Connection) -> None:
    """Let the other processes' announcing and marking wait: SQLite's write lock does, elsewhere a lock on rows."""
    connection.execute(select(SCHEMA.c.number).with_for_update()).all()


def explain_refusal(connection: Connection, run_id: str) -> ValueError:
    """Say why a run could not be written to, or deleted."""
    status = connection.scalar(select(RUNS.c.status).where(RUNS.c.id == run_id))
    if status is None:
        return unknown(run_id)
    if status in ACTIVE:
        return ValueError(f"Run {run_id} is {status}: it must be stopped before it can be deleted.")
    return ValueError(f"Run {run_id} is {status}: a run that is over never changes.")


def unknown(run_id: str) -> SentenceError:
    """Say that there is no such run."""
    return SentenceError("There is no run {run_id!r}: it may have been deleted.", run_id=run_id)
