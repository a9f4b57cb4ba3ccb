"""Convert runs and evaluations to rows of the database, and back."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from mlpcore.messages import read_sentence, write_sentence
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus

MEASURES = [field.name for field in fields(Evaluation)]
COLUMNS = [field.name for field in fields(Run) if field.name != "evaluations"]
LISTED = ["dataset", "optimizer", "best_acc", "last_acc"]  # kept beside the run, to sort and filter lists by


def read_run(values: Mapping[str, Any], evaluations: tuple[Evaluation, ...] = ()) -> Run:
    """Build a run from its row. Raises ValueError if this version cannot read it."""
    try:
        read = {
            "recipe": Recipe.model_validate_json(values["recipe"]),
            "status": RunStatus(values["status"]),
            "versions": MappingProxyType(json.loads(values["versions"])),
            "message": read_sentence(values["message"]),
            "starred": bool(values["starred"]),
        }
    except (ValueError, TypeError) as error:
        raise ValueError(f"Run {values['id']} was stored in a form that this version cannot read.") from error
    return Run(**{**values, **read}, evaluations=evaluations)


def write_run(run: Run) -> dict[str, Any]:
    """Build the row of a run, with the values that lists need. Raises ValueError if a number is not finite."""
    return {name: getattr(run, name) for name in COLUMNS} | {
        "recipe": run.recipe.model_dump_json(),
        "versions": json.dumps(dict(run.versions)),
        "message": write_sentence(run.message),
        "created": finite("created", run.created),
        "seconds": finite("seconds", run.seconds),
        "dataset": run.recipe.dataset,
        "optimizer": run.recipe.optimizer.name,
        "best_acc": run.best and run.best.test_acc,
        "last_acc": run.latest and run.latest.test_acc,
    }


def read_evaluation(values: Mapping[str, Any]) -> Evaluation:
    """Build an evaluation from its row."""
    return Evaluation(**{**values, "weight_norms": tuple(json.loads(values["weight_norms"]))})


def write_evaluation(run_id: str, evaluation: Evaluation) -> dict[str, Any]:
    """Build the row of an evaluation. Raises ValueError if a number is not finite."""
    row: dict[str, Any] = {"run_id": run_id, "step": int(evaluation.step)}
    for name in MEASURES[1:]:
        value = getattr(evaluation, name)
        if name == "weight_norms":
            row[name] = json.dumps([finite(name, norm) for norm in value])
        else:
            row[name] = None if value is None else finite(name, value)
    return row


def finite(name: str, value: float) -> float:
    """Return a finite number unchanged. Raises ValueError for any other."""
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}: only finite numbers are stored")
    return float(value)
