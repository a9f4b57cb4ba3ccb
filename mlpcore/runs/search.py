"""Search for stored runs: filters, sort orders, and the SELECT statement built from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from sqlalchemy import Select, select

from mlpcore.runs.records import Run, RunStatus
from mlpcore.runs.schema import RUN_COLUMNS, RUNS

SORTS = ("created", "name", "best_acc", "last_acc", "seconds")  # each has an index


class RunFilters(TypedDict, total=False):
    """Conditions that the found runs meet; one that is missing or None is not asked."""

    owner: str | None
    dataset: str | None
    optimizer: str | None
    statuses: Sequence[RunStatus] | None
    least_best_acc: float | None
    words: str  # in the name or the note, ignoring case
    starred: bool


@dataclass(frozen=True)
class ListedRun:
    """A run as lists show it: without its evaluations, with its best and last test accuracy."""

    run: Run
    best_acc: float | None  # between 0 and 1; None before the first evaluation
    last_acc: float | None


def select_runs(filters: RunFilters) -> Select[Any]:
    """Build the statement that selects the runs, with their accuracies."""
    query = select(*RUN_COLUMNS, RUNS.c.best_acc, RUNS.c.last_acc)
    equal = {"owner": filters.get("owner"), "dataset": filters.get("dataset"), "optimizer": filters.get("optimizer")}
    query = query.where(*(RUNS.c[name] == value for name, value in equal.items() if value is not None))
    if (statuses := filters.get("statuses")) is not None:
        query = query.where(RUNS.c.status.in_(statuses))
    if (least := filters.get("least_best_acc")) is not None:
        query = query.where(RUNS.c.best_acc >= least)
    if words := filters.get("words"):
        in_name, in_note = (RUNS.c[name].icontains(words, autoescape=True) for name in ("name", "note"))
        query = query.where(in_name | in_note)
    if filters.get("starred"):
        query = query.where(RUNS.c.starred == 1)
    return query
