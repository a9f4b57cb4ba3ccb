"""A sweep in a notebook: it blocks, and returns a table."""

import statistics
from contextlib import closing
from pathlib import Path

import pytest

import mlpcore
from mlpcore.messages import SentenceError
from mlpcore.sweeps.definition import read_definition
from tests.support.image_folders import write_colours
from tests.support.present import present

BASE = {"dataset": "colours", "batch_size": 4, "train_iter": 6, "eval_every": 2, "hidden_sizes": [8], "device": "cpu"}


@pytest.fixture(autouse=True)
def homes(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MLPCORE_HOME", str(tmp_path / "runs"))
    monkeypatch.setenv("MLPCORE_DATA", str(tmp_path / "data"))
    write_colours(tmp_path / "data", train=20, test=2)
    return tmp_path


def test_a_sweep_is_a_table_with_a_row_per_trial():
    space = {"optimizer": ["SGD", "Adam"], "lr": [0.01, 0.001], "momentum": [0.0, 0.9]}
    table = mlpcore.sweep({"base": BASE, "space": space, "seeds": 2}, name="mine")
    assert list(table.columns) == [
        *("optimizer", "lr", "momentum"),
        *("seeds", "status", "val_acc", "test_acc", "step", "is_fresh", "runs"),
    ]
    assert list(table["optimizer"]) == ["SGD"] * 4 + ["Adam"] * 2
    assert list(table["status"]) == ["refused", "finished", "refused", "finished", "finished", "finished"]
    assert list(table["seeds"]) == [(0, 1)] * 6
    assert list(table["step"].dropna()) == [6.0] * 4
    assert list(table["momentum"].isna()) == [False] * 4 + [True] * 2
    with closing(mlpcore.RunStore()) as store:
        for _number, row in table[table["status"] == "finished"].iterrows():
            runs = [store.get(run_id) for run_id in row["runs"]]
            assert row["test_acc"] == statistics.fmean(present(run.latest).test_acc for run in runs)
            assert {run.recipe.optimizer.lr for run in runs} == {row["lr"]}


def test_a_definition_gives_the_table_of_its_json():
    given = {"base": BASE | {"validation_size": 4}, "space": {"lr": {}}, "sampler": "sobol", "trials": 4}
    tables = [mlpcore.sweep(one).drop(columns="runs") for one in (given, read_definition(given))]
    assert tables[0].equals(tables[1])
    assert len(tables[0]) == 4


def test_what_cannot_be_trained_here_is_refused_before_it_is_stored(homes):
    with pytest.raises(SentenceError, match="lr is 30: it must be a number from 1e-6 to 10"):
        mlpcore.sweep({"base": BASE, "space": {"lr": [30]}})
    with pytest.raises(SentenceError, match="batch_size is 100: it must be from 1 to 36"):
        mlpcore.sweep({"base": BASE | {"batch_size": 100}, "space": {"lr": [0.1]}})
    assert not (homes / "runs").exists()
