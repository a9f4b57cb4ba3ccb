"""What is asked often is read off an index on each database, however many runs there are: EXPLAIN shows no scan."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import SORTS, RunStore
from tests.support.stores import evaluation, run

RUNS = 300


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunStore]:
    if request.param == "sqlite":
        with closing(RunStore(f"sqlite:///{tmp_path_factory.mktemp('plans') / 'runs.sqlite3'}")) as store:
            fill(store)
            yield store
        return
    cluster = request.getfixturevalue("postgresql")
    with cluster.new_schema() as url, closing(RunStore(url)) as store:
        fill(store)
        with cluster.connect(url.rpartition("%3D")[2]) as connection:
            connection.execute("VACUUM (ANALYZE)")  # as PostgreSQL does by itself within minutes
        yield store


def fill(store: RunStore) -> None:
    measured = (evaluation(1), evaluation(2), evaluation(3))
    runs = [
        run(
            f"{number}",
            created=float(number),
            owner=f"browser:{number % 30}",
            submission=f"s{number // 3}" if number % 2 else "",
            status=RunStatus.FINISHED,
            evaluations=measured,
        )
        for number in range(RUNS)
    ]
    store.create_many([*runs, run("going on", created=float(RUNS), evaluations=measured)])


@contextmanager
def watch(store: RunStore) -> Iterator[list[tuple[str, Any]]]:
    """Note the statements that are executed, with their values."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    event.listen(store._engine, "before_cursor_execute", note)
    yield asked
    event.remove(store._engine, "before_cursor_execute", note)


def explain(store: RunStore, statement: str, values: Any) -> str:
    is_sqlite = store._engine.dialect.name == "sqlite"
    with store._write() as connection:
        if not is_sqlite:  # which reads so few rows whole where it can choose
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        rows = connection.exec_driver_sql(f"EXPLAIN {'QUERY PLAN' if is_sqlite else ''} {statement}", values).all()
    return "\n".join(str(row[-1]) for row in rows)


def full_scans(plan: str) -> list[str]:
    """Find where a plan reads every row of runs or evaluations; an index that has all that is needed may be counted."""
    return re.findall(r"Seq Scan on (?:runs|evaluations)\b.*|SCAN (?:runs|evaluations)(?! USING)\b.*", plan)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("ask", [RunStore.search, RunStore.search_submissions])
def test_a_page_of_the_history_reads_no_table_whole(store: RunStore, ask: Callable[..., Any], sort: str) -> None:
    with watch(store) as asked:
        assert len(ask(store, sort=sort)[0]) == 50
    assert len(asked) >= 2
    for statement, values in [one for one in asked if one[0].startswith("SELECT")]:
        plan = explain(store, statement, values)
        assert full_scans(plan) == [], plan


def test_filters_of_the_history_read_no_table_whole(store: RunStore) -> None:
    with watch(store) as asked:
        assert store.list_values("dataset") == ["Shapes"]
        assert store.list_values("lesson") == []
        assert not store.is_empty()
        store.deletion.find_deletable("browser:1")
        store.deletion.find_restorable("browser:1")
        store.search(owner="browser:1")
        store.search(statuses=[RunStatus.RUNNING])
    for statement, values in [one for one in asked if one[0].startswith(("SELECT", "WITH"))]:
        plan = explain(store, statement, values)
        assert full_scans(plan) == [], plan


def test_a_run_and_what_is_stored_of_it_are_found_by_their_keys(store: RunStore) -> None:
    with watch(store) as asked:
        store.get("1")
        store.read_state("1")
        store.update("going on", evaluations=[evaluation(4)])
        store.measure_usage("browser:1")
        store.mark_interrupted()
        store.requests.take()
    statements = [one for one in asked if one[0].startswith(("SELECT", "UPDATE", "DELETE"))]
    assert len(statements) > 6
    for statement, values in statements:
        plan = explain(store, statement, values)
        assert full_scans(plan) == [], plan
