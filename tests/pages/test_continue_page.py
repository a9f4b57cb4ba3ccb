"""Runs that ended early, continued with one click; runs that stop without their owner; a store in trouble."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from mlpcore.jobs import manager
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run, RunStatus
from tests.support.app_tests import Open, is_over, shown, wait_for

LONG = {"train_iter": "200000", "eval_every": "200", "batch_size": "4"}
SHORT = Recipe(dataset="Tiny", train_iter=3000, eval_every=100, batch_size=4, hidden_sizes=(8,))


def get_run(run_id: str) -> Run:
    return manager.shared_manager().get(run_id)


def start(page: AppTest) -> str:
    shown(page.button(key="start").click().run())
    return page.session_state["run"]


def stop_early(owner: str, *recipes: Recipe) -> list[str]:
    """Runs that were stopped after their first points."""
    shared = manager.shared_manager()
    ids = shared.submit(recipes, owner=owner, names=["a run"] * len(recipes))
    for run_id in ids:
        shared.stop(run_id, owner=owner)
    return ids


def keys(page: AppTest) -> set[str | None]:
    return {button.key for button in page.button}


def test_a_stopped_run_is_continued_with_one_click_and_says_so(open_page: Open) -> None:
    page = open_page(**LONG)
    first = start(page)
    assert "continue" not in keys(page)
    wait_for(page, lambda: bool(get_run(first).evaluations))
    wait_for(shown(page.button(key="stop").click().run()), is_over(first))
    shown(page.button(key="continue").click().run())
    second = page.session_state["run"]
    assert second != first
    assert (get_run(second).continues, get_run(second).recipe) == (first, get_run(first).recipe)
    assert get_run(first).status is RunStatus.STOPPED
    assert any("continued" in element.value for element in page.markdown)
    assert "continue" not in keys(page)
    wait_for(page, lambda: len(get_run(second).evaluations) >= len(get_run(first).evaluations))
    before, now = ([one.train_loss for one in get_run(run_id).evaluations] for run_id in (first, second))
    assert now[: len(before)] == before


@pytest.mark.parametrize("count", [1, 2])
def test_history_continues_runs_and_goes_where_they_can_be_watched(open_page: Open, count: int) -> None:
    page = open_page("history.py")
    ended = stop_early("ann", *[SHORT.model_copy(update={"seed": seed}) for seed in range(count)])
    wait_for(page, lambda: all(manager.shared_manager().store.get(run_id).status.is_over for run_id in ended))
    page.session_state["history.chosen"] = ended
    shown(page.run())
    shown(page.button(key="history.continue").click().run())
    state = page.session_state
    ids = state["compare.runs"] if count > 1 else [state["run"]]
    assert [get_run(run_id).continues for run_id in ids] == ended
    assert {get_run(run_id).owner for run_id in ids} == {state["owner"]}


def test_history_continues_nothing_that_came_to_its_end(open_page: Open) -> None:
    page = open_page("history.py")
    recipe = SHORT.model_copy(update={"train_iter": 10})
    (run_id,) = manager.shared_manager().submit([recipe], owner="ann", names=["a run"])
    wait_for(page, lambda: manager.shared_manager().store.get(run_id).status is RunStatus.FINISHED)
    page.session_state["history.chosen"] = [run_id]
    shown(page.run())
    assert "history.compare" in keys(page)
    assert "history.continue" not in keys(page)


@pytest.mark.parametrize("wanted", [True, False])
def test_a_run_stops_without_its_owner_only_where_that_was_switched_on(open_page: Open, wanted: bool) -> None:
    page = open_page(**LONG)
    shown(page.toggle(key="stop_when_disconnected").set_value(wanted).run())
    start(page)
    assert manager.shared_manager().note_seen(page.session_state["owner"]) is wanted


def test_a_page_says_why_nothing_can_be_stored_while_training_goes_on(open_page: Open, tmp_path: Path) -> None:
    page = open_page(**LONG)
    run_id = start(page)
    wait_for(page, lambda: bool(get_run(run_id).evaluations))
    with closing(sqlite3.connect(tmp_path / "home" / "runs.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        wait_for(page, lambda: manager.shared_manager().trouble is not None)
        sentence = "Another program keeps the database of the runs locked: close it, or wait until it is done."
        assert sentence in [element.value for element in page.text]
        other.execute("ROLLBACK")
    wait_for(page, lambda: manager.shared_manager().trouble is None)
    assert sentence not in [element.value for element in page.text]
