"""Timers of pages: they run while there is something to wait for, end with it, and a store in trouble ends none."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from mlpcore.analysis.remedies import build_lab_recipe
from mlpcore.data import catalog, loader as library
from mlpcore.data.datasets import load_data
from mlpcore.data.download.sources import ARCHIVES
from mlpcore.jobs import manager
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore, StoreError
from pages.components.overfitting.form import START
from pages.components.shared.heartbeat import SEEN_SECONDS
from pages.components.shared.state import get_downloads
from tests.support.app_tests import SECONDS, Open, is_over, show_insight, shown, wait_for
from tests.support.file_server import FileServer
from tests.support.managers import wait_until
from tests.support.overfitting_page import open_lab
from tests.support.published_archives import cifar_archive, cifar_set
from tests.support.timers import Browser, Gate

TINY = Recipe(dataset="Tiny", train_iter=20, eval_every=10, batch_size=4, hidden_sizes=(8,))
LONG = TINY.model_copy(update={"train_iter": 200_000, "eval_every": 200})
PREPARING = "The images are being prepared: "


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Let images be loaded as always, but not before the gate is opened."""
    gate = Gate()

    def wait_and_load(*args: Any, **options: Any) -> object:
        gate.came += 1
        assert gate.opened.wait(SECONDS)
        return load_data(*args, **options)

    monkeypatch.setattr(library, "load_data", wait_and_load)
    return gate


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    return Browser(monkeypatch)


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let a method of the store fail from now on, as on a full disk."""

    def raise_error(*_args: object) -> None:
        raise StoreError("The disk is full.")

    return lambda method: monkeypatch.setattr(RunStore, method, raise_error)


def open_sheet(open_page: Open, browser: Browser, gate: Gate) -> AppTest:
    """Ask what a finished run sees, after the server was started again: its images are not in memory."""
    gate.opened.set()
    page = open_page()
    (run_id,) = manager.shared_manager().submit([TINY], owner="somebody", names=["a run"])
    wait_for(page, is_over(run_id))
    manager.shutdown()
    st.cache_resource.clear()
    gate.opened.clear()
    page.session_state["run"] = run_id
    shown(page.run())
    assert browser.waiting == []
    return show_insight(page, "images")


def is_loaded() -> bool:
    return all(one.images.done() for one in manager.shared_manager().library._kept.values())


def texts(page: AppTest) -> list[str]:
    return [element.value for element in page.text] + [element.proto.text for element in page.get("progress")]


class TestImages:
    def test_those_of_a_finished_run_are_waited_for_and_then_shown(
        self, open_page: Open, browser: Browser, gate: Gate
    ) -> None:
        page = open_sheet(open_page, browser, gate)
        assert any(text.startswith(PREPARING) for text in texts(page))
        assert len(browser.waiting) == 1
        gate.opened.set()
        wait_for(page, is_loaded)
        assert browser.waiting == []
        assert not any(text.startswith(PREPARING) for text in texts(page))
        assert any("test images are classified wrongly." in text for text in texts(page))

    @pytest.mark.parametrize("path", ["playground.py", "overfitting.py", "images.py"])
    def test_a_timer_that_waited_for_them_ends_and_loads_nothing_again_though_they_are_broken(
        self,
        open_page: Open,
        browser: Browser,
        gate: Gate,
        data: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        path: str,
    ) -> None:
        shutil.copytree(data, tmp_path / "data")
        (tmp_path / "data" / "Tiny" / "train" / "dark" / "0.png").write_bytes(b"no image")
        page = open_page()
        gate.opened.set()
        wait_for(page, is_loaded)
        gate.opened.clear()
        monkeypatch.setenv("MLPCORE_DATA", str(tmp_path / "data"))
        monkeypatch.setattr(library, "RETRY_SECONDS", -1.0)  # whoever may try again does at once
        if path == "playground.py":
            page.run()
        else:
            page.query_params.clear()
            for name, value in (START | {"dataset": "Tiny", "train_size": 40}).items():
                page.session_state[f"lab.{name}"] = value
            page.switch_page(path).run()
        came = gate.came
        shown(page)
        assert len(browser.waiting) == 1
        gate.opened.set()
        loading = next(reversed(manager.shared_manager().library._kept.values()))
        assert loading.images.exception(SECONDS) is not None
        browser.tick(page)
        assert (browser.waiting, gate.came) == ([], came)
        shown(page.run())  # the visitor does something
        assert gate.came == came + 1


KNOBS = {"train_iter": "200000", "eval_every": "200", "batch_size": "4", "hidden_sizes": "8"}


class TestRuns:
    """What shows a run is drawn by timers while it goes on, and by none when it is over."""

    @staticmethod
    def press(open_page: Open, path: str) -> tuple[AppTest, list[str]]:
        """A page on which long runs were started, and those runs."""
        if path == "overfitting.py":
            page = open_lab(open_page, train_iter=50_000)
            shown(page.button(key="lab.start").click().run())
            return page, [page.session_state["lab.run"]]
        page = open_page(**KNOBS)
        if path == "playground.py":
            shown(page.button(key="start").click().run())
            return page, [page.session_state["run"]]
        page.query_params.clear()
        shown(page.switch_page(path).run())
        shown(page.button(key="compare.start").click().run())
        return page, page.session_state["compare.runs"]

    @pytest.mark.parametrize(("path", "parts"), [("playground.py", 2), ("compare.py", 1), ("overfitting.py", 2)])
    def test_that_go_on_and_are_stopped(self, open_page: Open, browser: Browser, path: str, parts: int) -> None:
        page, ids = self.press(open_page, path)
        shared = manager.shared_manager()
        wait_for(page, lambda: all(shared.get(run_id).evaluations for run_id in ids))
        wait_for(page, is_loaded)
        assert len(browser.waiting) == parts
        for run_id in ids:
            shared.stop(run_id, owner=page.session_state["owner"])
        wait_for(page, lambda: all(shared.get(run_id).status.is_over for run_id in ids))
        assert browser.waiting == []

    def test_of_a_claim(self, open_page: Open, browser: Browser, gate: Gate) -> None:
        page = open_page("concepts.py", concept="claims")
        shown(page.selectbox(key="claims.dataset").select("Tiny").run())
        assert browser.waiting == []
        shown(page.button(key="claims.try.memorising").click().run())
        assert len(browser.waiting) == 1
        gate.opened.set()
        wait_for(page, lambda: manager.shared_manager().list_active() == [])
        assert browser.waiting == []


def test_download_is_watched_until_it_is_here(
    open_page: Open, browser: Browser, server: FileServer, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(data, tmp_path / "data")
    monkeypatch.setitem(ARCHIVES, "CIFAR10", cifar_set(server.add("/c", cifar_archive(), hold_after=10)))
    monkeypatch.setattr(catalog, "ARCHIVES", ARCHIVES)
    monkeypatch.setenv("MLPCORE_DATA", str(tmp_path / "data"))
    page = wait_for(shown(open_page().switch_page("images.py").run()), is_loaded)
    assert browser.waiting == []
    shown(page.button(key="download.images.CIFAR10").click().run())
    assert len(browser.waiting) == 1
    server.released.set()
    download = get_downloads().find("CIFAR10")
    assert download is not None
    wait_for(page, lambda: download.progress.status.is_over)
    assert browser.waiting == []
    assert "download.images.CIFAR10" not in [button.key for button in page.button]


def test_remedies_whose_test_figures_are_hidden_show_how_far_they_are_and_free_the_buttons_when_over(
    open_page: Open, browser: Browser
) -> None:
    page = open_page("overfitting.py")
    page.session_state["owner"] = "ann"
    shared = manager.shared_manager()
    base = build_lab_recipe(dataset="Tiny", images=80, train_size=40, width=8, depth=1, train_iter=200_000)
    (run_id,) = shared.submit([base], owner="ann", names=["lab"])
    shared.stop(run_id, owner="ann")
    page.query_params["lab"] = run_id
    wait_for(page, is_over(run_id))
    shown(page.toggle(key="lab.predict").set_value(True).run())
    shown(page.button(key="lab.try.dropout").click().run())
    assert browser.waiting
    assert page.button(key="lab.start").disabled
    assert "Dropout" in texts(page)
    assert sum("of 200,000 iterations" in text for text in texts(page)) == 2  # the base's and its own
    (remedy,) = page.session_state["lab.remedies"]
    shared.stop(remedy, owner="ann")
    wait_until(is_over(remedy), SECONDS)
    browser.tick(page)
    assert not page.button(key="lab.start").disabled


class TestPresence:
    def test_page_that_was_opened_before_the_run_counts(self, open_page: Open, browser: Browser) -> None:
        page = open_page("history.py")
        assert list(browser.timers.values()) == [SEEN_SECONDS]
        page.session_state["owner"] = "ann"
        shared = manager.shared_manager()
        (run_id,) = shared.submit([LONG], owner="ann", names=["a run"], stop_when_disconnected=True)
        begun = shared._queue.runs[run_id].job.seen_at
        browser.tick(page)
        assert shared._queue.runs[run_id].job.seen_at > begun
        shared.stop(run_id, owner="ann")


class TestTrouble:
    def test_is_said_by_what_a_timer_draws(
        self, open_page: Open, browser: Browser, gate: Gate, fail: Callable[[str], None]
    ) -> None:
        page = open_sheet(open_page, browser, gate)
        fail("get")
        browser.tick(page)
        assert "The disk is full." in [element.value for element in page.error]
        gate.opened.set()

    def test_is_said_where_a_run_cannot_be_deleted_and_it_stays_chosen(
        self, open_page: Open, fail: Callable[[str], None]
    ) -> None:
        page = open_page("history.py")
        page.session_state["owner"] = "ann"
        (run_id,) = manager.shared_manager().submit([TINY], owner="ann", names=["a run"])
        wait_for(page, lambda: manager.shared_manager().store.get(run_id).status is RunStatus.FINISHED)
        page.session_state["history.chosen"] = [run_id]
        shown(page.run())
        shown(page.button(key="history.delete").click().run())

        fail("delete")
        shown(page.button(key="history.confirm").click().run())
        assert "⚠ The disk is full." in texts(page)
        assert page.session_state["history.chosen"] == [run_id]
