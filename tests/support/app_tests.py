"""Pages run by Streamlit's AppTest: open them, read them, and wait for their runs."""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from mlpcore.runs.records import Run
from mlpcore.runs.store import RunStore
from tests.support.image_folders import share_shapes, write_images
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

SECONDS = 60  # within which a page, or a run of a few iterations, is done on a busy machine
Open = Callable[..., "AppTest"]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, drawn_shapes: Path) -> Path:
    """Return a folder of data sets with Tiny (2 classes, 80 training and 10 test images), where Shapes are drawn."""
    home = tmp_path_factory.mktemp("data")
    write_images(home / "Tiny", {"dark": (10, 110), "light": (150, 250)}, train=40, test=5)
    share_shapes(home, drawn_shapes)
    return home


@pytest.fixture(scope="session")
def installed_components() -> list[Any]:
    """Return what Streamlit would look for anew in each test, reading the metadata of every installed package."""
    from streamlit.components.v2.manifest_scanner import scan_component_manifests

    return scan_component_manifests()


@pytest.fixture
def page_home(tmp_path: Path, empty_database: Path) -> Path:
    """Return the folder of the runs of the pages that `open_page` opens."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(empty_database, home)
    return home


@pytest.fixture
def open_page(
    data: Path, page_home: Path, installed_components: list[Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Open]:
    """Return a function that opens a page of the app at an address; each test has its own store and manager."""
    import streamlit as st
    from streamlit.components.v2 import manifest_scanner
    from streamlit.testing.v1 import AppTest
    from streamlit.testing.v1.element_tree import ElementList

    from mlpcore.jobs import manager
    from mlpcore.sweeps import manager as sweeps
    from pages.components.replay import time_slider

    monkeypatch.setattr(time_slider, "LATE_SECONDS", 0.0)  # this browser hears of everything at once
    monkeypatch.setenv("MLPCORE_DATA", str(data))
    monkeypatch.setenv("MLPCORE_HOME", str(page_home))
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", lambda: installed_components)
    monkeypatch.setattr(ElementList, "__call__", find_by_key)
    monkeypatch.setattr(type(st.context), "cookies", {})  # AppTest puts a mock in the place of the browser
    sweeps.shutdown()
    manager.shutdown()
    st.cache_resource.clear()
    st.cache_data.clear()

    def open_page(path: str = "", **query: str) -> "AppTest":
        page = AppTest.from_file(ROOT / "pages" / "navigation.py", default_timeout=SECONDS)
        if path:
            page.switch_page(path)
        for name, value in (query if path else {"dataset": "Tiny"} | query).items():
            page.query_params[name] = value
        return shown(page.run())

    yield open_page
    sweeps.shutdown()
    manager.shutdown()
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture
def page_store(page_home: Path) -> Iterator[RunStore]:
    """Return the store of the pages that `open_page` opens."""
    with closing(RunStore(f"sqlite:///{page_home / 'runs.sqlite3'}")) as store:
        yield store


def find_by_key(elements: Iterable[Any], key: str) -> Any:
    """Return the element with this key, or with this key and the count of what the page has set in it."""
    counted = re.compile(rf"{re.escape(key)}(\.\d+)?")
    found = sorted(one.key for one in elements if one.key is not None and counted.fullmatch(one.key))
    if not found:
        raise KeyError(key)
    return next(one for one in elements if one.key == found[0])


def key_of(page: "AppTest", key: str) -> str:
    """Return the key under which the session has the value of a widget that the page may have set."""
    counter = f"{key}.sets"
    return f"{key}.{page.session_state[counter]}" if counter in page.session_state else key


def shown(page: "AppTest") -> "AppTest":
    """Check that a page was drawn without an exception, and return it."""
    assert [entry.value for entry in page.exception] == []
    return page


def figure(page: "AppTest", key: str) -> dict[str, Any]:
    """Return the Plotly figure of a live chart."""
    (chart,) = (element for element in page.get("bidi_component") if element.key == key)
    return json.loads(chart.proto.json)["figure"]


def sentences(page: "AppTest") -> list[str]:
    """Return the warnings, errors and captions of a page."""
    return [element.value for kind in (page.warning, page.error, page.caption) for element in kind]


def texts(page: "AppTest") -> list[str]:
    return [element.value for element in page.text]


def says(page: "AppTest", text: str) -> bool:
    return any(text in sentence for sentence in sentences(page))


def wait_for(page: "AppTest", is_reached: Callable[[], bool]) -> "AppTest":
    """Wait until something is reached, then redraw the page, as its timer would."""
    deadline = monotonic() + SECONDS
    pause = Event()
    while not is_reached():
        assert monotonic() < deadline, [element.value for element in page.text]
        pause.wait(0.02)  # redrawing meanwhile would slow the run down
    return shown(page.run())


def show_insight(page: "AppTest", view: str) -> "AppTest":
    """Choose what is shown about a run, below its curves."""
    return shown(page.button_group(key="insight").set_value(view).run())


def await_replay(page: "AppTest", key: str) -> "AppTest":
    """Wait for what a place of the page has asked to be computed of a replayed run, if it has."""
    if "replays" in page.session_state and key in page.session_state["replays"]:
        wait_for(page, page.session_state["replays"][key][1].result.done)
    return shown(page.run())


def get_runs(ids: Sequence[str]) -> list[Run]:
    from mlpcore.jobs import manager

    return [manager.shared_manager().get(run_id) for run_id in ids]


def is_over(run_id: str) -> Callable[[], bool]:
    from mlpcore.jobs import manager

    return lambda: manager.shared_manager().get(run_id).status.is_over
