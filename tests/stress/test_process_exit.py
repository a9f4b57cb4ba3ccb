"""A process that used a RunManager ends with its own exit code at any moment; its runs are marked as interrupted."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from mlpcore.runs.records import Run, RunStatus
from mlpcore.runs.store import RunStore
from tests.support.image_folders import make_tiny
from tests.support.paths import ROOT

SUBMIT = """
import sys, time
from mlpcore.jobs.manager import shared_manager
from mlpcore.recipes.recipe import Recipe
manager = shared_manager()
knobs = dict(dataset={dataset!r}, batch_size=32, train_iter=200_000, eval_every=50, device="cpu")
recipes = [Recipe(**knobs, hidden_sizes=(64,), seed=seed) for seed in range(2)] + [Recipe(**knobs, hidden_sizes=(9,))]
ids = manager.submit(recipes, owner="me", names=["a run"] * 3)
while {waits_for}:
    assert not manager.get(ids[0]).status.is_over
    time.sleep(0.01)
"""
PAGES = """
import streamlit as st
from streamlit.testing.v1 import AppTest
type(st.context).cookies = {}  # AppTest has no browser, and puts a mock in its place
for path in ("", "compare.py", "overfitting.py", "concepts.py", "history.py", "images.py"):
    page = AppTest.from_file("pages/navigation.py", default_timeout=60)
    if path:
        page.switch_page(path)
    page.run()
    assert not page.exception, page.exception
"""
SHUT_DOWN_WHILE_LOADING = """
import sys, threading
import torch
from mlpcore.data import loader
from mlpcore.data.catalog import data_home
from mlpcore.jobs.manager import RunManager
from mlpcore.recipes.points import DataSource
from mlpcore.runs.store import RunStore
started = threading.Event()
def place_images(*_):  # as one of a large data set, which is inside torch for a while
    started.set()
    for _ in range(50):
        torch.ones(200_000).sort()
loader.place_images = place_images
manager = RunManager(RunStore(), loader.DatasetLoader(data_home))
manager.library.request(DataSource("Tiny"), torch.device("cpu"))
started.wait()
manager.shutdown()
sys.exit(3)
"""
SERVE = """
import asyncio, sys, threading
import app
app.FIRST_PAGE = 0.0  # seconds until torch is imported
async def serve():
    async with app.lifespan(app.app):
        if {page_imports}:
            threading.Thread(target=__import__, args=("mlpcore.jobs.manager",), daemon=True).start()
        await asyncio.sleep({seconds})
asyncio.run(serve())
sys.exit(3)
"""

TRAINS = "len(manager.get(ids[0]).evaluations) < 2"
# what a script waits for, how it ends, its exit code; the first two are the short form
ENDS = [
    (TRAINS, "", 0),
    (TRAINS, "raise ValueError('the script has a defect')", 1),
    (TRAINS, "sys.exit(3)", 3),
    ("False", "", 0),
]
# how long a server is up, in seconds, and whether a page imports at the same time; the first three are the short form
SHUTDOWNS = [(0.0, True), (0.2, False), (1.0, True), (0.0, False), (0.2, True), (1.0, False)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    make_tiny(data)
    return data


def run_script(script: str, home: Path, data: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"MLPCORE_HOME": str(home), "MLPCORE_DATA": str(data), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100
    )


def read_runs(home: Path) -> list[Run]:
    with closing(RunStore(f"sqlite:///{home / 'runs.sqlite3'}")) as store:
        return [store.get(listed.run.id) for listed in store.search()[0]]


def test_a_script_that_simply_ends_keeps_its_exit_code_and_its_runs(tmp_path: Path, data: Path, is_long: bool) -> None:
    for number, (waits_for, end, code) in enumerate(ENDS if is_long else ENDS[:2]):
        home = tmp_path / str(number)
        done = run_script(SUBMIT.format(dataset="Tiny", waits_for=waits_for) + end, home, data)
        assert done.returncode == code, done.stderr
        assert ("the script has a defect" in done.stderr) == (code == 1)
        runs = read_runs(home)
        assert [run.status for run in runs] == [RunStatus.INTERRUPTED] * 3
        assert str(runs[0].message) == "The server was shut down. The evaluations made until then are kept."
        assert any(run.evaluations for run in runs) == (waits_for == TRAINS)


@pytest.mark.parametrize("waits_for", ["False", "not manager.loading_progress(ids[0])"])
def test_a_script_that_ends_while_images_are_made_keeps_its_exit_code(waits_for: str, tmp_path: Path) -> None:
    done = run_script(SUBMIT.format(dataset="Shapes", waits_for=waits_for) + "sys.exit(3)", tmp_path, tmp_path / "data")
    assert done.returncode == 3, done.stderr
    assert [run.status for run in read_runs(tmp_path)] == [RunStatus.INTERRUPTED] * 3
    assert "Traceback" not in done.stderr


def test_a_script_that_shuts_down_while_images_are_loaded_keeps_its_exit_code(tmp_path: Path, data: Path) -> None:
    done = run_script(SHUT_DOWN_WHILE_LOADING, tmp_path, data)
    assert done.returncode == 3, done.stderr


def test_all_pages_in_a_test_of_streamlit_end_with_the_exit_code_of_their_script(tmp_path: Path, data: Path) -> None:
    done = run_script(PAGES + SUBMIT.format(dataset="Tiny", waits_for="False") + "sys.exit(3)", tmp_path, data)
    assert done.returncode == 3, done.stderr
    assert [run.status for run in read_runs(tmp_path)] == [RunStatus.INTERRUPTED] * 3


def test_a_server_that_is_shut_down_while_modules_are_imported_ends_cleanly(
    tmp_path: Path, data: Path, is_long: bool
) -> None:
    for seconds, page_imports in SHUTDOWNS if is_long else SHUTDOWNS[:3]:
        done = run_script(SERVE.format(page_imports=page_imports, seconds=seconds), tmp_path, data)
        assert done.returncode == 3, done.stderr
        assert "Traceback" not in done.stderr
