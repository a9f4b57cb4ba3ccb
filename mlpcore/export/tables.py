"""Export runs as CSV or JSON, and import runs from JSON."""

import csv
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, fields
from io import StringIO
from itertools import pairwise
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from mlpcore.export import messages
from mlpcore.export.reading import STRICT, read_file
from mlpcore.messages import Sentence, SentenceError, write_sentence
from mlpcore.recipes.flat import flatten
from mlpcore.recipes.recipe import MAX_EVALUATIONS, WrittenRecipe
from mlpcore.runs.records import NAME, Evaluation, Run, RunStatus

FORMAT = "mlp-playground-runs"
VERSION = 3  # in version 1 a message was one finished text; 2 had no stars, submissions and last losses
MAX_RUNS = 1_000
FORM = re.compile(r"\+?,?(\.\d)?[defgs%]?")  # format of a value in a message; a width could make it any length
LARGEST = 2**63  # whole number in a message: one of 400 digits does not fit in a float
MAX_LOSSES = 1_000  # after the last evaluation of a run that diverged
MAX_MESSAGE = 5_000  # characters, with its values

Text = Annotated[str, Field(max_length=1000)]
Whole = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]


class _Strict(BaseModel):
    model_config = STRICT


class _Message(_Strict):
    template: Annotated[str, Field(min_length=1, max_length=1000)]
    values: Annotated[dict[str, Text | Whole | float], Field(max_length=20)] = {}

    @model_validator(mode="after")
    def _check_format(self) -> "_Message":
        for _text, name, form, conversion in Formatter().parse(self.template):
            if name is None:
                continue
            # only plain names: 0 or step.real would reach into a value, or past all of them
            if not name.isidentifier() or name not in self.values or conversion or not FORM.fullmatch(form or ""):
                raise ValueError
        if len(self.template.format(**self.values)) > MAX_MESSAGE:
            raise ValueError
        return self


class _StoredRun(_Strict):
    name: Annotated[str, Field(pattern=NAME)]
    recipe: WrittenRecipe
    status: Literal["finished", "stopped", "diverged", "failed", "interrupted"]
    created: Annotated[float, Field(ge=0, le=1e11)]
    step: Annotated[int, Field(ge=0, le=10_000_000)]
    seconds: Annotated[float, Field(ge=0, le=1e9)]
    device: Annotated[str, Field(max_length=40)] = ""
    versions: Annotated[dict[str, Text], Field(max_length=20)] = {}
    message: _Message | Annotated[str, Field(max_length=500)] | None = None
    note: Annotated[str, Field(max_length=2000)] = ""
    starred: bool = False
    submission: Annotated[str, Field(pattern=r"^\w{0,64}$")] = ""
    last_losses: Annotated[list[float], Field(max_length=MAX_LOSSES)] = []
    evaluations: Annotated[list[Evaluation], Field(max_length=MAX_EVALUATIONS, fail_fast=True)] = []

    @model_validator(mode="after")
    def _check_steps(self) -> "_StoredRun":
        steps = [evaluation.step for evaluation in self.evaluations]
        if any(later <= earlier for earlier, later in pairwise(steps)):
            raise SentenceError(messages.STEPS_OUT_OF_ORDER, where="")
        if max([self.step, *steps]) > self.recipe.train_iter:
            raise SentenceError(messages.TOO_MANY_STEPS, where="")
        return self


class _File(_Strict):
    format: Literal["mlp-playground-runs"]
    version: Literal[1, 2, 3]
    runs: Annotated[list[_StoredRun], Field(max_length=MAX_RUNS, fail_fast=True)]


def to_csv(runs: Sequence[Run]) -> str:
    """Export one row per evaluation; each repeats the run's name, status and hyperparameters."""
    hyperparameters = list(dict.fromkeys(name for run in runs for name in flatten(run.recipe)))
    measures = [field.name for field in fields(Evaluation)]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", "name", "status", *(f"recipe.{name}" for name in hyperparameters), *measures])
    for run in runs:
        flat = flatten(run.recipe)
        own = [run.id, run.name, run.status.value, *(as_cell(flat.get(name)) for name in hyperparameters)]
        for evaluation in run.evaluations:
            writer.writerow([*own, *(as_cell(getattr(evaluation, measure)) for measure in measures)])
    return text.getvalue()


def to_json(runs: Sequence[Run]) -> str:
    """Export recipes and histories in a form that `from_json` reads; owners and tracebacks are left out."""
    stored = []
    for run in runs:
        values = {name: getattr(run, name) for name in _StoredRun.model_fields}
        values |= {
            "recipe": run.recipe.model_dump(mode="json"),
            "status": (run.status if run.status.is_over else RunStatus.INTERRUPTED).value,
            "versions": dict(run.versions),
            "message": json.loads(write_sentence(run.message) or "null"),
            "evaluations": [asdict(evaluation) for evaluation in run.evaluations],
        }
        stored.append(values)
    return json.dumps({"format": FORMAT, "version": VERSION, "runs": stored}, allow_nan=False)


def from_json(data: bytes, *, owner: str) -> list[Run]:
    """Read runs that `to_json` wrote, as runs of `owner` with new ids.

    Raises SentenceError if the file is not one of ours, too large, damaged or of another version.
    """
    read = read_file(data, _File, form=FORMAT, version=VERSION, not_ours=messages.NOT_OURS)
    # new ones too: what is imported twice does not belong together
    submissions = {stored.submission: secrets.token_hex(6) for stored in read.runs if stored.submission}
    return [_build_run(stored, owner, submissions.get(stored.submission, "")) for stored in read.runs]


def _build_run(stored: _StoredRun, owner: str, submission: str) -> Run:
    message = stored.message
    read: dict[str, Any] = {name: getattr(stored, name) for name in _StoredRun.model_fields} | {
        "id": secrets.token_hex(6),
        "owner": owner,
        "submission": submission,
        "status": RunStatus(stored.status),
        "message": Sentence(message.template, message.values)
        if isinstance(message, _Message)
        else Sentence.of_text(message or ""),
        "last_losses": tuple(stored.last_losses),
        "evaluations": tuple(stored.evaluations),
    }
    return Run(**read)


def as_cell(value: Any) -> Any:
    """Write a value as a table's cell: a list with spaces, nothing as an empty cell."""
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "" if value is None else value
