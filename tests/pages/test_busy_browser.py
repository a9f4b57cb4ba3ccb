"""A browser that is slower than its visitor: what it sends twice, and what it sends before it has heard the news."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests

import app
from mlpcore.runs.store import RunStore
from tests.support.image_folders import TINY, make_tiny
from tests.support.servers import Server, serving
from tests.support.websocket_guest import Guest

SLIDER, TEXT = "knob.SGD.lr.slider", "knob.SGD.lr.text"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    make_tiny(tmp_path / "data")
    with serving(tmp_path, data=tmp_path / "data") as server:
        yield server


def test_timer_that_fires_between_a_click_and_its_message_neither_repeats_nor_undoes_it(server: Server) -> None:
    async def visit() -> str:
        async with Guest(f"{server.url}/?{TINY}&train_iter=200000&eval_every=100") as guest:
            await guest.run(fragment=min(guest.timers), click="start")
            await guest.run(click="start")
            moved = {SLIDER: "0.02", TEXT: "0.01"}
            await guest.run(fragment=min(guest.timers), values=moved)
            await guest.run(values=moved)
            assert guest.errors == []
            return guest.query

    assert "lr=0.02" in asyncio.run(visit())
    with closing(RunStore(f"sqlite:///{server.home / 'runs.sqlite3'}")) as store:
        assert store.count() == 1


@pytest.mark.parametrize(("slider", "text", "lr"), [("0.02", "0.01", 0.02), ("0.01", "0.05", 0.05)])
def test_click_before_the_browser_has_heard_of_a_new_rate_starts_with_that_rate(
    server: Server, slider: str, text: str, lr: float
) -> None:
    async def visit() -> None:
        async with Guest(f"{server.url}/?{TINY}&train_iter=1") as guest:
            await guest.run(values={SLIDER: slider, TEXT: text})
            await guest.run(values={SLIDER: slider, TEXT: text}, click="start")
            assert guest.errors == []
            assert f"lr={lr}" in guest.query

    asyncio.run(visit())
    with closing(RunStore(f"sqlite:///{server.home / 'runs.sqlite3'}")) as store:
        (started,), _total = store.search()
    assert started.run.recipe.optimizer.lr == lr


def test_timer_takes_nothing_from_a_request_that_waits() -> None:
    assert callable(app.keep_values_from_timers)  # importing the server is what does it
    moved, stale = WidgetStates(), WidgetStates()
    moved.widgets.add(id="slider", double_value=0.02)
    stale.widgets.add(id="slider", double_value=0.01)
    requests = ScriptRequests()
    requests.request_rerun(RerunData(widget_states=moved))
    requests.request_rerun(RerunData(fragment_id="curves", widget_states=stale, is_auto_rerun=True))
    assert requests.on_scriptrunner_ready().rerun_data.widget_states == moved
