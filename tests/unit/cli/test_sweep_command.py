"""Sweeps on the command line: what is printed and stored, what is refused, and Ctrl-C."""

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mlpcore.cli.main import main
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run, RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.runs.sweeps import StoredSweep, SweepStatus
from tests.support.image_folders import write_colours
from tests.support.managers import wait_until
from tests.support.paths import ROOT
from tests.support.present import present
from tests.support.stores import list_runs

BASE = {"dataset": "colours", "batch_size": 4, "train_iter": 6, "eval_every": 2, "hidden_sizes": [8], "device": "cpu"}
SWEEP = {"base": BASE, "space": {"optimizer": ["SGD", "Adam"], "lr": [0.01, 0.001]}, "seeds": 2}


@pytest.fixture(autouse=True)
def homes(tmp_path, monkeypatch) -> Path:
    """A folder of runs and a folder of data sets of this test's own, with a data set of 44 images."""
    monkeypatch.setenv("MLPCORE_HOME", str(tmp_path / "runs"))
    monkeypatch.setenv("MLPCORE_DATA", str(tmp_path / "data"))
    write_colours(tmp_path / "data", train=20, test=2)
    return tmp_path


def stored() -> tuple[list[StoredSweep], list[Run]]:
    """The sweeps and the runs."""
    with closing(RunStore()) as store:
        return store.sweeps.list_newest(), [store.get(run.id) for run in list_runs(store, limit=100)]


def sweep(homes: Path, given: Any, *arguments: str) -> int:
    file = homes / "sweep.json"
    file.write_text(json.dumps(given), encoding="utf-8")
    return main(["sweep", str(file), *arguments])


class TestSweep:
    def test_every_trial_is_printed_as_json_with_the_best(self, homes, capsys):
        assert sweep(homes, SWEEP, "--json") == 0
        output = capsys.readouterr()
        printed = json.loads(output.out)
        (kept,), runs = stored()
        assert (printed["sweep"], kept.status, kept.owner) == (kept.id, SweepStatus.FINISHED, "")
        assert [trial["number"] for trial in printed["trials"]] == [0, 1, 2, 3]
        recipes = [Recipe.model_validate(trial["recipe"]) for trial in printed["trials"]]
        assert [(recipe.optimizer.name, recipe.optimizer.lr) for recipe in recipes] == [
            *(("SGD", 0.01), ("SGD", 0.001), ("Adam", 0.01), ("Adam", 0.001)),
        ]
        assert {recipe.validation_size for recipe in recipes} == {4}  # a tenth of 40, as on the pages
        by_id = {run.id: run for run in runs}
        for trial, recipe in zip(printed["trials"], recipes, strict=True):
            own = [by_id[run_id] for run_id in trial["runs"]]
            assert trial["run"] == trial["runs"][0]
            assert [run.recipe for run in own] == [recipe, recipe.replace(seed=1)]
            latest = [present(run.latest) for run in own]
            assert trial["val_acc"] == sum(present(one.val_acc) for one in latest) / 2
            assert trial["test_acc"] == sum(one.test_acc for one in latest) / 2
            assert (trial["status"], trial["is_fresh"]) == ("finished", False)
        assert printed["best"] == max(range(4), key=lambda number: printed["trials"][number]["val_acc"])
        assert "4/4" in output.err

    def test_without_json_the_best_trials_are_a_table(self, homes, capsys):
        given = SWEEP | {"space": {"lr": {"low": 1e-4, "high": 0.1, "points": 7}, "momentum": [0.0, 0.9]}}
        assert sweep(homes, given, "--name", "mine") == 0
        lines = capsys.readouterr().out.splitlines()
        (kept,), _runs = stored()
        assert lines[:3] == [f"sweep   {kept.id}", "status  finished", "trials  14 (7 refused, 7 finished)"]
        assert lines[3].split() == ["trial", "val_acc", "test_acc", "lr", "momentum"]
        shown = [line.split() for line in lines[4:9]]
        assert [row[-1] for row in shown] == ["0.9"] * 5
        accuracies = [float(row[1]) for row in shown]
        assert accuracies == sorted(accuracies, reverse=True)
        assert lines[9:] == [
            "refused: nesterov is on while momentum is 0: turn it off, or set momentum above 0.",
        ]
        assert kept.name == "mine"

    def test_a_sweep_comes_through_the_standard_input(self, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(SWEEP)))
        assert main(["sweep", "-"]) == 0
        (kept,), runs = stored()
        assert (kept.name, len(runs)) == ("sweep optimizer lr", 8)

    def test_the_same_sweep_prints_the_same(self, homes, capsys):
        printed = []
        for _ in range(2):
            sweep(homes, SWEEP | {"sampler": "tpe", "trials": 18, "space": {"lr": {}, "dropout": {}}}, "--json")
            trials = json.loads(capsys.readouterr().out)["trials"]
            numbers = [
                {name: value for name, value in trial.items() if name not in ("run", "runs")} for trial in trials
            ]
            printed.append(numbers)
        assert printed[0] == printed[1]
        assert len(printed[0]) == 18

    def test_one_of_which_every_trial_diverges_or_fails_ends_with_a_sentence(self, homes, capsys):
        base = BASE | {"train_iter": 2000, "eval_every": 500}
        assert sweep(homes, {"base": base, "space": {"lr": [9.0, 10.0]}}) == 1
        assert "The loss became infinite or NaN at step" in capsys.readouterr().err
        (homes / "data" / "colours" / "train" / "red" / "0.png").write_bytes(b"no image")
        assert sweep(homes, SWEEP) == 2
        assert "train/red/0.png is not a readable image: replace or remove it." in capsys.readouterr().err

    @pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
    def test_ctrl_c_stops_the_sweep_which_keeps_what_it_measured(self, homes):
        given = {"base": BASE | {"train_iter": 200_000, "eval_every": 200}, "space": {"lr": [0.01, 0.001]}}
        (homes / "sweep.json").write_text(json.dumps(given), encoding="utf-8")
        # a shell that starts its jobs in the background lets them ignore Ctrl-C: undone here
        code = (
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from mlpcore.cli.main import main; sys.exit(main())"
        )
        command = [sys.executable, "-c", code, "sweep", str(homes / "sweep.json"), "--json"]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=ROOT, **pipes) as process, closing(RunStore()) as store:
            wait_until(lambda: any(run.step for run in list_runs(store)))
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in errors
        assert [trial["status"] for trial in json.loads(output)["trials"]] == ["stopped", "stopped"]
        (kept,), runs = stored()
        assert kept.status is SweepStatus.STOPPED
        assert {run.status for run in runs} == {RunStatus.STOPPED}


class TestRefusals:
    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            (SWEEP | {"space": {"lr": [30]}}, "lr is 30: it must be a number from 1e-6 to 10."),
            (SWEEP | {"trials": 0}, "trials is 0: it must be a whole number from 1 to 1,000."),
            (SWEEP | {"base": BASE | {"dataset": "zoo"}}, "validation_size is 0: a sweep chooses by held-out images"),
            (
                SWEEP | {"base": BASE | {"dataset": "zoo", "validation_size": 5}},
                "dataset is zoo: it must be one of CIFAR10, FashionMNIST, MNIST, colours, Shapes, "
                "Moons, Circles, Spiral, Checkerboard, Blobs.",
            ),
            (
                SWEEP | {"base": BASE | {"batch_size": 100}},
                "batch_size is 100: it must be from 1 to 36, the number of images to train on.",
            ),
            ([1], "[1] is not a sweep: it must be a JSON object"),
        ],
    )
    def test_a_sweep_that_is_wrong_is_one_sentence_and_exit_code_2(self, homes, capsys, given, sentence):
        assert sweep(homes, given) == 2
        output = capsys.readouterr()
        assert output.err.startswith(sentence)
        assert (output.err.count("\n"), output.out) == (1, "")
        assert stored() == ([], [])

    def test_a_file_or_a_name_that_cannot_be_used_is_one_sentence(self, homes, capsys):
        assert main(["sweep", "missing.json"]) == 2
        assert capsys.readouterr().err == "missing.json cannot be read: No such file or directory.\n"
        assert sweep(homes, SWEEP, "--name", "<b>") == 2
        assert capsys.readouterr().err.startswith("name is <b>: it must be 1 to 40 letters")

    def test_a_wrong_one_is_refused_without_torch(self, homes):
        (homes / "sweep.json").write_text('{"space": {"lr": 3}}')
        code = "import sys; from mlpcore.cli.main import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
        command = [sys.executable, "-c", code, "sweep", str(homes / "sweep.json")]
        assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0
