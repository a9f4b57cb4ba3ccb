"""Search for stored runs: filters, sort orders, and the SELECT statements built from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from sqlalchemy import Connection, Row, Select, func, select

from mlpcore.runs.records import Run, RunStatus
from mlpcore.runs.schema import KEPT, RUN_COLUMNS, RUNS

SORTS = ("created", "name", "best_acc", "last_acc", "seconds")  # each has an index
NULLABLE = ("best_acc", "last_acc")
SUBMISSION = func.coalesce(func.nullif(RUNS.c.submission, ""), RUNS.c.id)  # a run of an earlier version is one alone


class RunFilters(TypedDict, total=False):
    """Conditions that the found runs meet; one that is missing or None is not asked."""

    owner: str | None
    dataset: str | None
    optimizer: str | None
    lesson: str | None
    statuses: Sequence[RunStatus] | None
    least_best_acc: float | None
    words: str  # in the name or the note, ignoring case
    starred: bool


class RunSearch(RunFilters, total=False):
    """Filters, the order of what is found, and which part of it is wanted."""

    sort: str  # one of SORTS; "created" by default
    descending: bool  # by default
    limit: int  # 50 by default
    offset: int


@dataclass(frozen=True)
class ListedRun:
    """A run as lists show it: without its evaluations, with its best and last test accuracy."""

    run: Run
    best_acc: float | None  # between 0 and 1; None before the first evaluation
    last_acc: float | None


def select_runs(filters: RunFilters) -> Select[Any]:
    """Build the statement that selects the runs, with their accuracies."""
    query = select(*RUN_COLUMNS, RUNS.c.best_acc, RUNS.c.last_acc).where(KEPT)
    equal = {name: filters.get(name) for name in ("owner", "dataset", "optimizer", "lesson")}
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


def find_runs(connection: Connection, asked: RunSearch) -> tuple[Sequence[Row[Any]], int]:
    """Return one page of the rows of runs, and how many there are in all. Raises ValueError for an unknown `sort`."""
    query, columns = select_runs(asked), (_sort_column(asked), RUNS.c.id)
    total = connection.scalar(select(func.count()).select_from(query.subquery())) or 0
    return connection.execute(_page(query, columns, asked)).all(), total


def find_submissions(connection: Connection, asked: RunSearch) -> tuple[list[list[Row[Any]]], int]:
    """Return one page of submissions, each as the rows of its runs that meet the filters, and how many there are.

    A submission stands where its first run stands, so the runs are read in their order until the page is full.
    """
    query = select_runs(asked)
    groups = select(query.with_only_columns(SUBMISSION.label("submission")).distinct().subquery())
    total = connection.scalar(select(func.count()).select_from(groups.subquery())) or 0
    first, limit = asked.get("offset", 0), asked.get("limit", 50)
    ordered = query.with_only_columns(SUBMISSION).order_by(*_order((_sort_column(asked), RUNS.c.id), asked))
    found: dict[str, None] = {}
    with connection.execute(ordered, execution_options={"stream_results": True, "max_row_buffer": 500}) as rows:
        for submission in rows.scalars():
            found[submission] = None
            if len(found) == first + limit:
                break
    members: dict[str, list[Row[Any]]] = {submission: [] for submission in list(found)[first:]}
    is_alone = (RUNS.c.submission == "") & RUNS.c.id.in_(members)
    theirs = query.where(RUNS.c.submission.in_(members) & (RUNS.c.submission != "") | is_alone)
    for row in connection.execute(theirs.order_by(RUNS.c.created, RUNS.c.id)):
        members[row.submission or row.id].append(row)
    return list(members.values()), total


def list_distinct(connection: Connection, name: str) -> list[str]:
    """List the values of a column that has an index, without "", by one jump in the index for each of them."""
    value = RUNS.c[name]
    found = select(func.min(value).label("value")).cte("found", recursive=True)
    following = select(func.min(value)).where(value > found.c.value).scalar_subquery()
    found = found.union_all(select(following).where(found.c.value.is_not(None)))
    return [value for value in connection.scalars(select(found.c.value)) if value]


def _sort_column(asked: RunSearch) -> Any:
    sort = asked.get("sort", "created")
    if sort not in SORTS:
        raise ValueError(f"sort is {sort!r}: it must be one of {', '.join(SORTS)}")
    return RUNS.c[sort]


def _page(query: Select[Any], columns: Sequence[Any], asked: RunSearch) -> Select[Any]:
    return query.order_by(*_order(columns, asked)).limit(asked.get("limit", 50)).offset(asked.get("offset", 0))


def _order(columns: Sequence[Any], asked: RunSearch) -> list[Any]:
    """Order by columns as their indexes do; rows without a value come last among descending ones on every database."""
    is_descending = asked.get("descending", True)
    order = [column.desc() if is_descending else column.asc() for column in columns]
    if columns[0].name in NULLABLE:
        order[0] = order[0].nulls_last() if is_descending else order[0].nulls_first()
    return order
