"""Records of runs as rows of the database, and back."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from mlpcore.messages import read_sentence, write_sentence
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus

MEASURES = [field.name for field in fields(Evaluation)]
COLUMNS = [field.name for field in fields(Run) if field.name != "evaluations"]
LISTED = ["dataset", "optimizer", "best_acc", "last_acc"]  # what lists sort and filter by, kept beside the run


def read_run(values: Mapping[str, Any], evaluations: tuple[Evaluation, ...]) -> Run:
    """Make a run of its row. Raises ValueError where this version cannot read it."""
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
    """Make the row of a run, with what lists need. Raises ValueError where a number is not finite."""
    values = {name: getattr(run, name) for name in COLUMNS} | {
        "recipe": run.recipe.model_dump_json(),
        "versions": json.dumps(dict(run.versions)),
        "message": write_sentence(run.message),
        "created": finite("created", run.created),
        "seconds": finite("seconds", run.seconds),
        "dataset": run.recipe.dataset,
        "optimizer": run.recipe.optimizer.name,
    }
    return values | find_accuracies(run.evaluations)


def read_evaluation(values: Mapping[str, Any]) -> Evaluation:
    """Make an evaluation of its row."""
    return Evaluation(**{**values, "weight_norms": tuple(json.loads(values["weight_norms"]))})


def find_accuracies(evaluations: Sequence[Evaluation]) -> dict[str, float | None]:
    """The best and the last test accuracy, None without evaluations."""
    if not evaluations:
        return {"best_acc": None, "last_acc": None}
    last = max(evaluations, key=lambda evaluation: evaluation.step)
    return {"best_acc": max(evaluation.test_acc for evaluation in evaluations), "last_acc": last.test_acc}


def write_evaluation(run_id: str, evaluation: Evaluation) -> dict[str, Any]:
    """Make the row of an evaluation. Raises ValueError where a number is not finite."""
    row: dict[str, Any] = {"run_id": run_id, "step": int(evaluation.step)}
    for name in MEASURES[1:]:
        value = getattr(evaluation, name)
        if name == "weight_norms":
            row[name] = json.dumps([finite(name, norm) for norm in value])
        else:
            row[name] = None if value is None else finite(name, value)
    return row


def finite(name: str, value: float) -> float:
    """Let finite numbers through. Raises ValueError for others."""
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}: only finite numbers are stored")
    return float(value)
