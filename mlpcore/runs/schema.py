"""The tables of the database: records as rows and back, and the SQL statements that the store is built from."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from functools import partial
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, case, column, func, select, table
from sqlalchemy.dialects import postgresql, sqlite

from mlpcore.messages import read_sentence, write_sentence
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.messages import unknown_run
from mlpcore.runs.records import Evaluation, Run, RunStatus

MEASURES = [field.name for field in fields(Evaluation)]
PER_LAYER = ("weight_norms", "gradient_norms", "update_ratios", "stuck_units")  # stored as JSON
COLUMNS = [field.name for field in fields(Run) if field.name != "evaluations"]
LISTED = ["dataset", "optimizer", "best_acc", "last_acc"]  # kept beside the run, to sort and filter lists by

ACTIVE = tuple(status for status in RunStatus if not status.is_over)
RUNS = table("runs", *map(column, [*COLUMNS, *LISTED, "server"]))
DELETED = table("deleted_runs", column("run_id"), column("deleted"))
KEPT = RUNS.c.id.not_in(select(DELETED.c.run_id))
EVALUATIONS = table("evaluations", column("run_id"), *map(column, MEASURES))
Access = Callable[[], AbstractContextManager[Connection]]  # opens a connection, to read or to write
RUN_COLUMNS = [RUNS.c[name] for name in COLUMNS]  # a run without its evaluations


def read_run(values: Mapping[str, Any], evaluations: tuple[Evaluation, ...] = ()) -> Run:
    """Build a run from its row. Raises ValueError if this version cannot read it."""
    try:
        read = {
            "recipe": Recipe.model_validate_json(values["recipe"]),
            "status": RunStatus(values["status"]),
            "versions": MappingProxyType(json.loads(values["versions"])),
            "message": read_sentence(values["message"]),
            "starred": bool(values["starred"]),
            "last_losses": tuple(map(float, json.loads(values["last_losses"]))),
        }
    except (ValueError, TypeError) as error:
        raise ValueError(f"Run {values['id']} was stored in a form that this version cannot read.") from error
    return Run(**{**values, **read}, evaluations=evaluations)


def write_changes(given: Mapping[str, Any]) -> dict[str, Any]:
    """Build what changes in the row of a run; None and an empty tuple change nothing. Raises ValueError too."""
    written: dict[str, Callable[[Any], Any]] = {
        "seconds": partial(finite, "seconds"),
        "recipe": Recipe.model_dump_json,
        "versions": lambda versions: json.dumps(dict(versions)),
        "message": write_sentence,
        "traceback": storable,
        "note": storable,
        "starred": int,
        "last_losses": write_losses,
    }
    changes = {name: value for name, value in given.items() if value is not None and value != ()}
    return {name: written[name](value) if name in written else value for name, value in changes.items()}


def write_run(run: Run) -> dict[str, Any]:
    """Build the row of a run, with the values that lists need. Raises ValueError if a number is not finite."""
    return {name: getattr(run, name) for name in COLUMNS} | {
        "recipe": run.recipe.model_dump_json(),
        "versions": json.dumps(dict(run.versions)),
        "message": write_sentence(run.message),
        "starred": int(run.starred),
        "note": storable(run.note),
        "traceback": storable(run.traceback),
        "last_losses": write_losses(run.last_losses),
        "created": finite("created", run.created),
        "seconds": finite("seconds", run.seconds),
        "dataset": run.recipe.dataset,
        "optimizer": run.recipe.optimizer.name,
        "best_acc": run.best and run.best.test_acc,
        "last_acc": run.latest and run.latest.test_acc,
    }


def storable(text: str) -> str:
    """Return a text without NUL, which PostgreSQL cannot store."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def write_losses(losses: Sequence[float]) -> str:
    """Write losses as JSON. Raises ValueError if one is not finite."""
    return json.dumps([finite("last_losses", loss) for loss in losses])


def read_evaluation(values: Mapping[str, Any]) -> Evaluation:
    """Build an evaluation from its row."""
    return Evaluation(**{**values, **{name: tuple(json.loads(values[name])) for name in PER_LAYER}})


def write_evaluation(run_id: str, evaluation: Evaluation) -> dict[str, Any]:
    """Build the row of an evaluation. Raises ValueError if a number is not finite."""
    row: dict[str, Any] = {"run_id": run_id, "step": int(evaluation.step)}
    for name in MEASURES[1:]:
        value = getattr(evaluation, name)
        if name in PER_LAYER:
            row[name] = json.dumps([finite(name, number) for number in value])
        else:
            row[name] = None if value is None else finite(name, value)
    return row


def finite(name: str, value: float) -> float:
    """Return a finite number unchanged. Raises ValueError for any other."""
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}: only finite numbers are stored")
    return float(value)


def follow_evaluations(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """Build the values of a run that follow new evaluations."""
    if not evaluations:
        return {}
    last = max(evaluations, key=lambda evaluation: evaluation.step)
    best = max(evaluation.test_acc for evaluation in evaluations)
    grown = {"step": last.step, "seconds": last.seconds, "best_acc": best}
    return {name: _at_least(name, value) for name, value in grown.items()} | {"last_acc": last.test_acc}


def _at_least(name: str, value: float) -> Any:
    """Build the new value of a column that never decreases."""
    return case((func.coalesce(RUNS.c[name], value) <= value, value), else_=RUNS.c[name])


def insert_evaluations(connection: Connection, run_id: str, evaluations: Sequence[Evaluation]) -> None:
    """Insert the evaluations that are not stored yet. Raises ValueError if a stored one differs at the same step."""
    if not evaluations:
        return
    new = {evaluation.step: write_evaluation(run_id, evaluation) for evaluation in evaluations}
    if len(new) < len(evaluations):
        raise ValueError(f"evaluations has {len(evaluations)} entries at {len(new)} steps: each step may come once")
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    added = insert(EVALUATIONS).on_conflict_do_nothing()
    done = connection.execute(added, list(new.values()), execution_options={"preserve_rowcount": True})
    if done.rowcount == len(new):
        return
    there = select(EVALUATIONS).where(EVALUATIONS.c.run_id == run_id, EVALUATIONS.c.step >= min(new))
    for stored in connection.execute(there).mappings():
        if new.get(stored["step"], stored) != dict(stored):
            raise ValueError(f"step is {stored['step']}: run {run_id} has another evaluation at that step")


def explain_refusal(connection: Connection, run_id: str) -> ValueError:
    """Say why a run cannot be written to, or deleted."""
    status = connection.scalar(select(RUNS.c.status).where(RUNS.c.id == run_id, KEPT))
    if status is None:
        return unknown_run(run_id)
    if status in ACTIVE:
        return ValueError(f"Run {run_id} is {status}: it must be stopped before it can be deleted.")
    return ValueError(f"Run {run_id} is {status}: a run that is over never changes.")
