"""Runs that leave the app as CSV, JSON or one HTML file, and runs that come back from JSON."""

import csv
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from io import StringIO
from itertools import pairwise
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mlpcore.messages import Sentence, SentenceError, write_sentence
from mlpcore.recipes.flat import flatten
from mlpcore.recipes.recipe import MAX_EVALUATIONS, Recipe
from mlpcore.recipes.validation import shorten
from mlpcore.runs.records import NAME, Evaluation, Run, RunStatus

FORMAT = "mlp-playground-runs"
VERSION = 2  # 1 had a run's message as finished text
MAX_BYTES = 20_000_000  # of a file that is read: 2,000 runs of 60 evaluations are 25 MB, 1,500 are 19
MAX_RUNS = 1_000
MAX_KEYS = 100  # of any object in a file: a million unknown ones would be as many complaints, 2 GB
FORM = re.compile(r"\+?,?(\.\d)?[defgs%]?")  # of a value in a message; a width could make a text of any length
LARGEST = 2**63  # of a whole number in a message: one of 400 digits is no float
MAX_MESSAGE = 5_000  # characters, once its values are put in

Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(max_length=1000)]
Whole = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Point(_Strict):
    step: Annotated[int, Field(ge=1, le=10_000_000)]
    train_loss: float
    train_eval_loss: float
    train_acc: Share
    test_loss: float
    test_acc: Share
    lr: float
    seconds: float
    weight_norms: Annotated[list[float], Field(max_length=10, fail_fast=True)] = []
    val_loss: float | None = None
    val_acc: Share | None = None


class _Message(_Strict):
    template: Annotated[str, Field(min_length=1, max_length=1000)]
    values: Annotated[dict[str, Text | Whole | float], Field(max_length=20)] = {}

    @model_validator(mode="after")
    def _can_be_said(self) -> "_Message":
        for _text, name, form, conversion in Formatter().parse(self.template):
            if name is None:
                continue
            # what is no plain name, as 0 or step.real, would reach into a value, or past all of them
            if not name.isidentifier() or name not in self.values or conversion or not FORM.fullmatch(form):
                raise ValueError
        if len(self.template.format(**self.values)) > MAX_MESSAGE:
            raise ValueError
        return self


class _KeptRun(_Strict):
    name: Annotated[str, Field(pattern=NAME)]
    recipe: Recipe
    status: Literal["finished", "stopped", "diverged", "failed", "interrupted"]
    created: Annotated[float, Field(ge=0, le=1e11)]
    step: Annotated[int, Field(ge=0, le=10_000_000)]
    seconds: Annotated[float, Field(ge=0, le=1e9)]
    device: Annotated[str, Field(max_length=40)] = ""
    versions: Annotated[dict[str, Text], Field(max_length=20)] = {}
    message: _Message | Annotated[str, Field(max_length=500)] | None = None
    note: Annotated[str, Field(max_length=2000)] = ""
    evaluations: Annotated[list[_Point], Field(max_length=MAX_EVALUATIONS, fail_fast=True)] = []

    @model_validator(mode="after")
    def _steps_ascend(self) -> "_KeptRun":
        steps = [point.step for point in self.evaluations]
        if any(later <= earlier for earlier, later in pairwise(steps)):
            raise SentenceError("The file is damaged at {where}: the steps of its evaluations do not ascend.", where="")
        if max([self.step, *steps]) > self.recipe.train_iter:
            raise SentenceError("The file is damaged at {where}: it has more steps than its recipe.", where="")
        return self


class _File(_Strict):
    format: Literal["mlp-playground-runs"]
    version: Literal[1, 2]
    runs: Annotated[list[_KeptRun], Field(max_length=MAX_RUNS, fail_fast=True)]


def to_csv(runs: Sequence[Run]) -> str:
    """Write one row an evaluation, the run's name and knobs repeated in each."""
    knobs = list(dict.fromkeys(name for run in runs for name in flatten(run.recipe)))
    measures = [field.name for field in fields(Evaluation)]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", "name", "status", *(f"recipe.{knob}" for knob in knobs), *measures])
    for run in runs:
        flat = flatten(run.recipe)
        own = [run.id, run.name, run.status.value, *(_as_cell(flat.get(knob)) for knob in knobs)]
        for evaluation in run.evaluations:
            writer.writerow([*own, *(_as_cell(getattr(evaluation, measure)) for measure in measures)])
    return text.getvalue()


def to_json(runs: Sequence[Run]) -> str:
    """Write recipes and histories, to be read again by `from_json`; owners and tracebacks stay here."""
    kept = []
    for run in runs:
        values = {name: getattr(run, name) for name in _KeptRun.model_fields}
        values |= {
            "recipe": run.recipe.model_dump(mode="json"),
            "status": (run.status if run.status.is_over else RunStatus.INTERRUPTED).value,
            "versions": dict(run.versions),
            "message": json.loads(write_sentence(run.message) or "null"),
            "evaluations": [asdict(evaluation) for evaluation in run.evaluations],
        }
        kept.append(values)
    return json.dumps({"format": FORMAT, "version": VERSION, "runs": kept}, allow_nan=False)


def from_json(data: bytes, *, owner: str) -> list[Run]:
    """Read runs that `to_json` wrote, as runs of `owner` with new ids.

    Raises ValueError, with a sentence, where the file is none of ours, too large, damaged or of another version.
    """
    if len(data) > MAX_BYTES:
        template = "The file has {size:.0f} MB: at most {most:.0f} MB are read."
        raise SentenceError(template, size=len(data) / 1e6, most=MAX_BYTES / 1e6)
    try:
        json.loads(data, object_pairs_hook=_refuse_many)
        read = _File.model_validate_json(data)
    except (ValueError, RecursionError) as error:
        raise _explain(error, data) from error
    return [
        Run(
            id=secrets.token_hex(6),
            name=kept.name,
            recipe=kept.recipe,
            status=RunStatus(kept.status),
            created=kept.created,
            owner=owner,
            step=kept.step,
            seconds=kept.seconds,
            device=kept.device,
            versions=kept.versions,
            message=_as_sentence(kept.message),
            note=kept.note,
            evaluations=tuple(
                Evaluation(**point.model_dump() | {"weight_norms": tuple(point.weight_norms)})
                for point in kept.evaluations
            ),
        )
        for kept in read.runs
    ]


def to_html(figure: Mapping[str, Any], *, title: str) -> str:
    """Write a chart as one HTML file that needs nothing else: plotly.js is in it, 5 MB."""
    from plotly import graph_objects, io  # 0.3 s: not before it is needed

    chart = graph_objects.Figure(figure)
    chart.update_layout(template="plotly_white", title=None, height=700)
    page = io.to_html(chart, include_plotlyjs=True, full_html=True, config={"displaylogo": False})
    return page.replace("<head>", f"<head><title>{title}</title>", 1)


def _as_sentence(kept: _Message | str | None) -> Sentence | None:
    return Sentence(kept.template, kept.values) if isinstance(kept, _Message) else Sentence.of_text(kept or "")


def _refuse_many(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > MAX_KEYS:
        raise ValueError(f"an object of {len(pairs):,} names")


def _explain(error: Exception, data: bytes) -> SentenceError:
    if not isinstance(error, ValidationError):  # no JSON, nested without end, or of too many names
        return SentenceError("This is no file of runs that this program wrote.")
    first = error.errors(include_url=False, include_input=False)[0]
    # of a message pydantic names what it might have been as well
    places = first["loc"][: first["loc"].index("message") + 1 if "message" in first["loc"] else 6]
    where = ".".join(shorten(str(part)) for part in places)
    if first["type"] == "json_invalid" or f'"{FORMAT}"'.encode() not in data[:200]:
        return SentenceError("This is no file of runs that this program wrote.")
    if first["loc"] == ("version",):
        template = "This file was written by another version of this program: this one reads version {version}."
        return SentenceError(template, version=VERSION)
    reason = first.get("ctx", {}).get("error")
    if isinstance(reason, SentenceError) and "where" in reason.sentence.values:
        return SentenceError(reason.sentence.template, where=where)
    return SentenceError("The file is damaged at {where}: what stands there cannot be read.", where=where)


def _as_cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "" if value is None else value
