"""A sweep whose process is killed in the middle, and another process that goes on with it."""

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from mlpcore.recipes.recipe import SGD, NoScheduler, Recipe
from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.sweeps.definition import Definition, read_definition
from mlpcore.sweeps.manager import SweepManager
from mlpcore.sweeps.trials import Sweep
from tests.support.image_folders import make_tiny
from tests.support.paths import ROOT
from tests.support.present import present
from tests.support.stores import list_runs
from tests.support.sweeps import measured, wait_for_sweep

TINY = Recipe(
    dataset="Tiny",
    validation_size=20,
    hidden_sizes=(16,),
    batch_size=16,
    train_iter=240,
    eval_every=80,
    optimizer=SGD(lr=0.01),
    scheduler=NoScheduler(),
    device="cpu",
)
SPACE = {"optimizer": ["SGD", "Adam"], "lr": {"low": 1e-4, "high": 0.1}, "dropout": {"low": 0.0, "high": 0.8}}


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.sweep_process", *arguments],
        cwd=ROOT,
        env=os.environ | {"MLPCORE_HOME": str(folder / "home"), "MLPCORE_DATA": str(folder / "data")},
        stdout=subprocess.PIPE,
        text=True,
    )


def read_lines(process: subprocess.Popen[str], *, until_drawn: int) -> str:
    """Read what a process says until it has drawn more trials than that; return the id of its sweep."""
    lines = map(json.loads, present(process.stdout))
    sweep_id = next(lines)["id"]
    assert any(line["drawn"] > until_drawn for line in lines), "the sweep was over before"
    return sweep_id


@pytest.mark.parametrize("sampler", ["sobol", "tpe"])
def test_a_killed_sweep_that_another_process_goes_on_with_comes_to_the_same_result(
    tmp_path: Path, sampler: str
) -> None:
    make_tiny(tmp_path / "data")
    definition = read_definition({"base": TINY, "space": SPACE, "sampler": sampler, "trials": 20, "seeds": 2})
    (tmp_path / "sweep.json").write_text(definition.model_dump_json(), encoding="utf-8")
    with start(tmp_path, "new", str(tmp_path / "sweep.json")) as process:
        sweep_id = read_lines(process, until_drawn=16)
        process.kill()
    with start(tmp_path, sweep_id) as process:
        process.communicate(timeout=120)
    assert process.returncode == 0
    with closing(RunStore(f"sqlite:///{tmp_path / 'home' / 'runs.sqlite3'}")) as store:
        runs = [run for run in list_runs(store, limit=200) if run.submission == sweep_id]
        taken_up, whole = train_whole(store, sweep_id, definition, tmp_path / "data")
    assert measured(taken_up) == measured(whole)
    assert [trial.number for trial in taken_up.trials] == list(range(20))
    finished = Counter(run.recipe for run in runs if run.status is RunStatus.FINISHED)
    assert len(finished) == 40
    assert set(finished.values()) == {1}  # no trial was trained to its end twice
    interrupted = [run for run in runs if run.status is RunStatus.INTERRUPTED]
    assert len(runs) == 40 + len(interrupted)
    assert 0 < len(interrupted) <= 8


def train_whole(store: RunStore, sweep_id: str, definition: Definition, data: Path) -> tuple[Sweep, Sweep]:
    """Return a stored sweep, and what the same definition comes to in one go."""
    from mlpcore.data.loader import DatasetLoader
    from mlpcore.jobs.manager import RunManager

    manager = RunManager(store, DatasetLoader(lambda: data))
    sweeps = SweepManager(manager)
    try:
        taken_up = present(sweeps.get(sweep_id))
        return taken_up, wait_for_sweep(sweeps, sweeps.start(definition, owner="me", name="again"))
    finally:
        sweeps.shutdown()
        manager.shutdown()
