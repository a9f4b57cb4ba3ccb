"""The tables of the database, and the SQL statements that the store is built from."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, case, column, func, insert, select, table

from mlpcore.runs.migrations import SCHEMA
from mlpcore.runs.records import Evaluation, RunStatus
from mlpcore.runs.rows import COLUMNS, LISTED, MEASURES, write_evaluation
from mlpcore.runs.store_messages import unknown_run

ACTIVE = tuple(status for status in RunStatus if not status.is_over)
RUNS = table("runs", *map(column, [*COLUMNS, *LISTED, "server"]))
EVALUATIONS = table("evaluations", column("run_id"), *map(column, MEASURES))
RUN_COLUMNS = [RUNS.c[name] for name in COLUMNS]  # a run without its evaluations


def at_least(name: str, value: float) -> Any:
    """Build the new value of a column that never decreases."""
    return case((func.coalesce(RUNS.c[name], value) <= value, value), else_=RUNS.c[name])


def insert_evaluations(connection: Connection, run_id: str, evaluations: Sequence[Evaluation]) -> None:
    """Insert the evaluations that are not stored yet. Raises ValueError if a stored one differs at the same step."""
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
    """Make other processes that announce themselves or mark runs wait, also on databases without a write lock."""
    connection.execute(select(SCHEMA.c.number).with_for_update()).all()


def explain_refusal(connection: Connection, run_id: str) -> ValueError:
    """Say why a run cannot be written to, or deleted."""
    status = connection.scalar(select(RUNS.c.status).where(RUNS.c.id == run_id))
    if status is None:
        return unknown_run(run_id)
    if status in ACTIVE:
        return ValueError(f"Run {run_id} is {status}: it must be stopped before it can be deleted.")
    return ValueError(f"Run {run_id} is {status}: a run that is over never changes.")
