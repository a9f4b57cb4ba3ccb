"""A browser that is slower than its visitor: what it sends twice, and what it sends before it has heard the news."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests

import app
from mlpcore.recipes.flat import flatten
from mlpcore.runs.records import Run
from mlpcore.runs.store import RunStore
from tests.support.image_folders import TINY, make_tiny, share_shapes
from tests.support.servers import Server, serving
from tests.support.websocket_guest import Guest

SLIDER, TEXT = "knob.SGD.lr.slider", "knob.SGD.lr.text"


@pytest.fixture
def server(tmp_path: Path, drawn_shapes: Path) -> Iterator[Server]:
    make_tiny(tmp_path / "data")
    share_shapes(tmp_path / "data", drawn_shapes)
    with serving(tmp_path, data=tmp_path / "data") as server:
        yield server


def read_only_run(server: Server) -> Run:
    """Read the one run that the server has stored."""
    with closing(RunStore(f"sqlite:///{server.home / 'runs.sqlite3'}")) as store:
        (listed,), _total = store.search()
    return listed.run


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
    read_only_run(server)


@pytest.mark.parametrize(
    ("entered", "expected"),
    [
        ({SLIDER: "0.02", TEXT: "0.01"}, {"lr": 0.02}),
        ({SLIDER: "0.01", TEXT: "0.05"}, {"lr": 0.05}),
        ({"knob.train_iter": 7.0, "knob.train_iter.epochs": 0.2}, {"train_iter": 7}),
        ({"knob.batch_size": 5.0, "knob.train_iter.epochs": 0.2}, {"batch_size": 5, "train_iter": 40}),
    ],
)
@pytest.mark.parametrize("is_drawn", [True, False])
def test_start_trains_a_new_value_before_the_browser_or_even_the_page_has_drawn_what_follows_from_it(
    server: Server, entered: dict[str, str | float], expected: dict[str, float], is_drawn: bool
) -> None:
    async def visit() -> None:
        async with Guest(f"{server.url}/?dataset=Tiny&batch_size=1&train_iter=40") as guest:
            if is_drawn:
                await guest.run(values=entered)
            await guest.run(values=entered, click="start")
            assert guest.errors == []

    asyncio.run(visit())
    trained = flatten(read_only_run(server).recipe)
    assert {name: trained[name] for name in expected} == expected


def test_start_trains_a_preset_before_the_browser_has_heard_of_it(server: Server) -> None:
    async def visit() -> None:
        async with Guest(server.url, page="overfitting") as guest:
            await guest.run(click="lab.preset.spiral")
            await guest.run(values={"lab.dataset": "Shapes", "lab.train_iter": "600"}, click="lab.start")
            assert guest.errors == []

    asyncio.run(visit())
    recipe = read_only_run(server).recipe
    assert (recipe.dataset, recipe.train_iter) == ("Spiral", 3000)


def test_timer_takes_nothing_from_a_request_that_waits() -> None:
    assert callable(app.keep_values_from_timers)  # importing the server is what does it
    moved, stale = WidgetStates(), WidgetStates()
    moved.widgets.add(id="slider", double_value=0.02)
    stale.widgets.add(id="slider", double_value=0.01)
    requests = ScriptRequests()
    requests.request_rerun(RerunData(widget_states=moved))
    requests.request_rerun(RerunData(fragment_id="curves", widget_states=stale, is_auto_rerun=True))
    assert requests.on_scriptrunner_ready().rerun_data.widget_states == moved
