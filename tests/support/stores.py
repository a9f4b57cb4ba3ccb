"""Shared by the tests of the store: made-up runs and evaluations, and a store on every backend."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from mlpcore.recipes.recipe import Adam, MultiStepLR, Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.store import RunStore, runs_home

RECIPE = Recipe(optimizer=Adam(lr=3e-4), scheduler=MultiStepLR(milestones=(100, 200)), hidden_sizes=(32,))


def evaluation(step: int, *, train_loss: float = 2.0) -> Evaluation:
    return Evaluation(step, train_loss, 1.9, 0.2, 2.1, 0.1, 0.01, step / 100)


def run(run_id: str = "a", **values: Any) -> Run:
    started = Run(id=run_id, name="first try", recipe=RECIPE, status=RunStatus.RUNNING, created=1_700_000_000.25)
    return replace(started, **values)


def list_runs(store: RunStore, **asked: Any) -> list[Run]:
    """The stored runs without their evaluations, newest first."""
    return [listed.run for listed in store.search(**asked)[0]]


def age_deletions(store: RunStore, *, minutes: float) -> None:
    """Make every deletion so many minutes older."""
    with store._write() as connection:
        connection.exec_driver_sql(f"UPDATE deleted_runs SET deleted = deleted - {60 * minutes}")


@pytest.fixture(params=["the default", "by URL"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str | None:
    monkeypatch.setenv("MLPCORE_HOME", str(tmp_path / "home"))
    return None if request.param == "the default" else f"sqlite:///{tmp_path / 'other.db'}"


@pytest.fixture
def open_store(store_url: str | None) -> Iterator[Callable[[], RunStore]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(RunStore(store_url)))


@pytest.fixture
def store_file(store_url: str | None) -> Path:
    """The database's file."""
    if store_url is None:
        return runs_home() / "runs.sqlite3"
    database = make_url(store_url).database
    assert database is not None
    return Path(database)
