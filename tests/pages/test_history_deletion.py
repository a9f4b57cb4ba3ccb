"""Deleting runs on the history's page: a dialog that names them, only one's own, and a minute to undo it."""

import pytest

from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.runs.stored_runs import StoredRuns
from pages.components.history import deletion
from tests.support.app_tests import Open, shown, texts
from tests.support.history_page import ANN, ME, make_run, names, open_history
from tests.support.stores import age_deletions, list_runs


def test_deleting_is_confirmed_in_a_dialog_that_names_the_runs(open_page: Open, page_store: RunStore) -> None:
    page_store.create_many([make_run("a"), make_run("b", created=2.0)])
    page = open_history(open_page, "a")
    shown(page.button(key="history.delete").click().run())
    assert "1 run and all its measurements will be deleted. You can undo it for a minute." in texts(page)
    assert "• run a" in texts(page)
    assert page.button(key="history.confirm").label == ":red[**Delete 1 run**]"
    shown(page.button(key="history.cancel").click().run())
    assert "• run a" not in texts(page)
    assert page_store.count() == 2
    shown(page.button(key="history.delete").click().run())
    shown(page.button(key="history.confirm").click().run())
    assert names(page) == ["run b"]
    assert page_store.count() == 1


def test_long_dialog_names_the_first_runs_and_counts_the_others(open_page: Open, page_store: RunStore) -> None:
    ids = [f"{n:02}" for n in range(10)]
    page_store.create_many([make_run(run_id) for run_id in ids])
    page = open_history(open_page, *ids)
    shown(page.button(key="history.delete").click().run())
    assert "\n".join([*(f"• run {run_id}" for run_id in ids[:8]), "and 2 more"]) in texts(page)


def test_deletion_is_undone_for_a_minute(open_page: Open, page_store: RunStore) -> None:
    page_store.create_many([make_run("a"), make_run("b", created=2.0), make_run("c", owner=ANN)])
    page = open_history(open_page, "a", "b")
    shown(page.button(key="history.delete").click().run())
    shown(page.button(key="history.confirm").click().run())
    assert "2 runs were deleted." in texts(page)
    shown(page.button(key="history.undo").click().run())
    assert sorted(run.id for run in list_runs(page_store)) == ["a", "b", "c"]
    assert page_store.get("a") == make_run("a")
    assert "history.undo" not in [button.key for button in page.button]
    page_store.delete(["a"])
    age_deletions(page_store, minutes=1)
    shown(page.run())
    assert "history.undo" not in [button.key for button in page.button]
    page_store.delete(["c"])  # which somebody else did
    shown(page.run())
    assert "history.undo" not in [button.key for button in page.button]


@pytest.mark.usefixtures("open_page")
def test_only_ones_own_runs_that_are_over_are_deleted_whatever_is_asked(
    page_store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_store.create_many([make_run("a"), make_run("b", owner=ANN), make_run("c", status=RunStatus.RUNNING)])
    monkeypatch.setattr(deletion, "get_stored_runs", lambda: StoredRuns(page_store))
    monkeypatch.setattr(deletion, "read_owner", lambda: ME)
    for others in (["b"], ["c"]):
        deletion.delete_runs(["a", *others])
        assert page_store.count() == 3
    deletion.delete_runs(["a", "never there"])
    assert sorted(run.id for run in list_runs(page_store)) == ["b", "c"]


def test_all_ones_own_runs_without_a_star_are_deleted(open_page: Open, page_store: RunStore) -> None:
    page_store.create_many([make_run("a"), make_run("starred", starred=True), make_run("anns", owner=ANN)])
    page = open_history(open_page)
    page.session_state["compare.foreign.runs"] = ["what Compare has drawn"]
    shown(page.button(key="history.delete_all").click().run())
    assert "1 run that is over and has no star will be deleted. You can undo it for a minute." in texts(page)
    assert "You have stored 2 runs, which take 0.0 MB of 10,000 MB." in texts(page)
    assert page_store.count() == 3
    shown(page.button(key="history.confirm_all").click().run())
    assert sorted(run.id for run in list_runs(page_store)) == ["anns", "starred"]
    assert "compare.foreign.runs" not in page.session_state
