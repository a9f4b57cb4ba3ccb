"""Shared by the tests of the store: made-up runs and evaluations, and a store on every backend."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlpcore.recipes.recipe import Adam, MultiStepLR, Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.store import RunStore
from tests.support.clock import Clock

RECIPE = Recipe(optimizer=Adam(lr=3e-4), scheduler=MultiStepLR(milestones=(100, 200)), hidden_sizes=(32,))


def evaluation(step: int, *, train_loss: float = 2.0) -> Evaluation:
    return Evaluation(step, train_loss, 1.9, 0.2, 2.1, 0.1, 0.01, step / 100)


def run(run_id: str = "a", **values: Any) -> Run:
    started = Run(id=run_id, name="first try", recipe=RECIPE, status=RunStatus.RUNNING, created=1_700_000_000.25)
    return replace(started, **values)


def list_runs(store: RunStore, **asked: Any) -> list[Run]:
    """The stored runs without their evaluations, newest first."""
    return [listed.run for listed in store.search(**asked)[0]]


def execute(store: RunStore, statement: str) -> None:
    """Execute a statement on the store's database, around the store."""
    with store._write() as connection:
        connection.exec_driver_sql(statement)


def count_rows(store: RunStore, rows: str) -> int:
    """Count rows of the store's database: a table, or a table and a condition."""
    with store._read() as connection:
        return connection.exec_driver_sql(f"SELECT count(*) FROM {rows}").scalar_one()


def age_deletions(store: RunStore, *, minutes: float) -> None:
    """Make every deletion so many minutes older."""
    execute(store, f"UPDATE deleted_runs SET deleted = deleted - {60 * minutes}")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database without a run, to be copied: to make its tables takes fifteen times as long."""
    file = tmp_path_factory.mktemp("database") / "runs.sqlite3"
    RunStore(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'runs.sqlite3'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty database, on each back end."""
    monkeypatch.setenv("MLPCORE_HOME", str(tmp_path / "home"))
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_store(store_url: str, clock: Clock) -> Iterator[Callable[[], RunStore]]:
    """A function that opens a store; the stores share a clock."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(RunStore(store_url, clock=clock)))


def watch(look: Callable[[], list[str]], clock: Clock, *, seconds: float = 150.0) -> list[str]:
    """Look for what dead processes left, every ten seconds as servers do; return what was found."""
    found = look()
    for _ in range(int(seconds / 10)):
        clock.now += 10.0
        found += look()
    return found


def find_left(look: Callable[[], list[str]], clock: Clock) -> list[str]:
    """Look, every ten seconds of the clock, until something is found: PostgreSQL may notice a death late."""
    deadline = time.monotonic() + 30.0
    while not (found := look()):
        assert time.monotonic() < deadline, "nothing was found"
        clock.now += 10.0
    return found
