"""The command line against the library it runs: the same recipe, the same history, the same store."""

import gzip
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import mlpcore.cli.main as command_line
from mlpcore.cli.main import main
from mlpcore.data.batches import place_images
from mlpcore.data.datasets import load_data
from mlpcore.recipes.hyperparameters import Hyperparameters
from mlpcore.recipes.points import POINT_SETS
from mlpcore.recipes.recipe import OPTIMIZERS, SCHEDULERS, Adam, NoScheduler, Recipe
from mlpcore.runs.records import Run, RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.training.kernels import matmul
from mlpcore.training.lockstep import train_cohort
from tests.support.file_server import FileServer
from tests.support.image_folders import write_colours
from tests.support.paths import ROOT
from tests.support.present import present
from tests.support.published_archives import cifar_archive, cifar_set, fashion_files, fashion_set
from tests.support.stores import list_runs

SMALL = ["--dataset", "colours", "--batch-size", "4", "--train-iter", "6", "--eval-every", "2", "--hidden-sizes", "8"]
SMALL += ["--device", "cpu"]
SMALL_RECIPE = Recipe(dataset="colours", batch_size=4, train_iter=6, eval_every=2, hidden_sizes=(8,), device="cpu")


@pytest.fixture(autouse=True)
def homes(tmp_path, monkeypatch) -> Path:
    """A folder of runs and a folder of data sets of this test's own, with a data set of 16 images."""
    monkeypatch.setenv("MLPCORE_HOME", str(tmp_path / "runs"))
    monkeypatch.setenv("MLPCORE_DATA", str(tmp_path / "data"))
    write_colours(tmp_path / "data", train=6, test=2)
    return tmp_path


def stored() -> list[Run]:
    store = RunStore()
    runs = [store.get(run.id) for run in list_runs(store)]
    store.close()
    return runs


def as_process(code: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class TestTrain:
    def test_a_run_has_the_history_of_its_recipe_and_is_stored(self, homes, capsys):
        assert main(["train", *SMALL]) == 0
        (run,) = stored()
        assert (run.recipe, run.status, run.step, run.name) == (SMALL_RECIPE, RunStatus.FINISHED, 6, "SGD 0.01")

        cpu = torch.device("cpu")
        images = place_images(*load_data("colours", homes / "data"), cpu)
        expected = [e for p in train_cohort([SMALL_RECIPE], images, device=cpu) for e in p.evaluations.values()]
        assert [evaluation.step for evaluation in run.evaluations] == [2, 4, 6]
        assert [replace(e, seconds=0) for e in run.evaluations] == [replace(e, seconds=0) for e in expected]

        output = capsys.readouterr()
        lines = dict(line.split(maxsplit=1) for line in output.out.splitlines())
        assert (lines["run"], lines["status"], lines["step"]) == (run.id, "finished", "6")
        latest = present(run.latest)
        assert float(lines["test_acc"]) == latest.test_acc
        assert "6/6" in output.err
        assert f"train_loss={latest.train_loss:.3f}, test_acc={latest.test_acc:.3f}" in output.err

    def test_flags_override_the_file(self, homes):
        recipe = SMALL_RECIPE.model_copy(update={"optimizer": Adam(betas=(0.8, 0.99), eps=1e-6), "seed": 7})
        (homes / "recipe.json").write_text(recipe.model_dump_json())
        arguments = ["--lr", "3e-3", "--scheduler", "none", "--name", "quick one"]
        assert main(["train", "--recipe", str(homes / "recipe.json"), *arguments]) == 0
        (run,) = stored()
        optimizer = Adam(betas=(0.8, 0.99), eps=1e-6, lr=3e-3)
        assert run.recipe == recipe.model_copy(update={"optimizer": optimizer, "scheduler": NoScheduler()})
        assert run.name == "quick one"

    def test_another_optimizer_drops_the_knobs_of_the_files(self, homes):
        (homes / "recipe.json").write_text('{"optimizer": {"name": "SGD", "nesterov": false, "lr": 0.5}}')
        assert main(["train", "--recipe", str(homes / "recipe.json"), *SMALL, "--optimizer", "Adam"]) == 0
        assert stored()[0].recipe.optimizer == Adam()

    def test_a_recipe_comes_through_the_standard_input(self):
        command = [sys.executable, "-m", "mlpcore", "train", "--recipe", "-"]
        subprocess.run(command, cwd=ROOT, input=SMALL_RECIPE.model_dump_json(), text=True, check=True)
        assert stored()[0].recipe == SMALL_RECIPE

    def test_a_diverged_run_ends_with_a_sentence(self, capsys):
        assert main(["train", *SMALL, "--train-iter", "2000", "--lr", "10", "--eval-every", "100"]) == 1
        assert stored()[0].status is RunStatus.DIVERGED
        assert "The loss became infinite or NaN at step" in capsys.readouterr().err

    def test_a_failed_run_is_stored_with_its_traceback_and_ends_with_a_sentence(self, capsys):
        assert main(["train", *SMALL, "--train-size", "100"]) == 2
        (run,) = stored()
        assert run.status is RunStatus.FAILED
        assert "draw_training_set" in run.traceback
        errors = capsys.readouterr().err
        assert "train_size is 100: it must be from 1 to 12" in errors
        assert "Traceback" not in errors

    @pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
    def test_ctrl_c_stops_the_run_which_keeps_its_evaluations(self):
        # a shell that starts its jobs in the background lets them ignore Ctrl-C: undone here
        code = (
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from mlpcore.cli.main import main; sys.exit(main())"
        )
        with as_process(code, "train", *SMALL, "--train-iter", "200000", "--eval-every", "200") as process:
            shown = ""
            while "test_acc" not in shown:
                character = present(process.stderr).read(1)
                assert character, shown
                shown += character
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in shown + errors
        (run,) = stored()
        assert run.status is RunStatus.STOPPED
        assert run.evaluations
        assert f"step            {present(run.latest).step}\n" in output


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--lr", "30"], "lr is 30: it must be a number from 1e-6 to 10."),
            (["--lr", "fast"], "lr is fast: it must be a number from 1e-6 to 10."),
            (["--optimizer", "Adm"], f"optimizer is Adm: it must be one of {', '.join(OPTIMIZERS)}."),
            (["--batch-size", "0.5"], "batch_size is 0.5: it must be a whole number from 1 to 100,000."),
            (["--momentum", "0"], "nesterov is on while momentum is 0: turn it off, or set momentum above 0."),
            (
                ["--dataset", "zoo"],
                "dataset is zoo: it must be one of CIFAR10, FashionMNIST, MNIST, colours, Shapes, "
                "Moons, Circles, Spiral, Checkerboard, Blobs.",
            ),
            (["--device", "gpu"], "device is gpu: it must be one of auto, cpu, cuda, mps, xpu."),
            (["--name", "<b>"], "name is <b>: it must be 1 to 40 letters, digits, spaces, dots, hyphens or"),
            (["--recipe", "missing.json"], "missing.json cannot be read: No such file or directory."),
        ],
    )
    def test_bad_input_is_one_sentence_and_exit_code_2(self, capsys, arguments, sentence):
        assert main(["train", *arguments]) == 2
        output = capsys.readouterr()
        assert output.err.startswith(sentence)
        assert output.err.count("\n") == 1
        assert output.out == ""
        assert stored() == []

    @pytest.mark.parametrize("text", ["", "[1", "\N{SNOWMAN}", "[" * 100_000, "[1]", "3", '{"optimizer": "SGD"}'])
    @pytest.mark.parametrize("flags", [[], ["--lr", "0.1"]])
    def test_a_file_that_is_no_recipe_is_refused(self, homes, capsys, text, flags):
        (homes / "recipe.json").write_text(text, encoding="utf-8")
        assert main(["train", "--recipe", str(homes / "recipe.json"), *flags]) == 2
        assert capsys.readouterr().err.count("\n") == 1

    def test_a_store_that_cannot_be_used_is_one_sentence(self, homes, capsys, monkeypatch):
        (homes / "file").write_text("")
        monkeypatch.setenv("MLPCORE_HOME", str(homes / "file"))
        assert main(["train", *SMALL]) == 2
        assert "name another folder in MLPCORE_HOME" in capsys.readouterr().err

    def test_a_run_that_fails_says_why_in_a_sentence_and_no_more(self, homes):
        (homes / "data" / "colours" / "train" / "red" / "0.png").write_bytes(b"no image")
        code = "import sys; from mlpcore.cli.main import main; sys.exit(main(sys.argv[1:]))"
        process = as_process(code, "train", *SMALL)
        _out, said = process.communicate()
        assert process.returncode == 2
        assert "Traceback" not in said
        assert said.endswith("train/red/0.png is not a readable image: replace or remove it.\n")


def test_every_knob_of_a_recipe_is_a_flag(capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", "-h"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    models: list[type[Hyperparameters]] = [Recipe, *OPTIMIZERS.values(), *SCHEDULERS.values(), *POINT_SETS.values()]
    fields = {name for model in models for name in model.model_fields}
    assert [name for name in fields - {"changes", "points"} if f"--{name.replace('_', '-')}" not in shown] == []
    meanings = "The share of lr that is used at first. (ConstantLR) The factor of each drop of the learning rate. "
    assert f"--factor N {meanings}(ReduceLROnPlateau)" in " ".join(shown.split())


@pytest.mark.parametrize("arguments", [["-h"], ["train", "-h"], ["data"], ["train", "--lr", "30"]])
def test_torch_is_not_loaded_where_nothing_is_trained(arguments):
    code = (
        "import sys; from mlpcore.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    with as_process(code, *arguments) as process:
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_devices_are_listed(capsys):
    assert main(["devices"]) == 0
    assert "cpu" in capsys.readouterr().out.split("\n")


def test_devices_say_which_library_multiplies_and_that_onednn_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(matmul, "processor_vendor", lambda: "AuthenticAMD")
    main(["devices"])
    assert "matrix products on the CPU: oneDNN from 4 million\n" in capsys.readouterr().out
    monkeypatch.setattr(matmul, "has_onednn", lambda: False)
    main(["devices"])
    assert "matrix products on the CPU: MKL (this torch lacks oneDNN's operator)" in capsys.readouterr().out


class TestData:
    @pytest.fixture
    def server(self, server, monkeypatch) -> FileServer:
        """The server from which small archives are fetched, instead of the published ones."""
        small = {"CIFAR10": cifar_set(f"{server.url}/c"), "FashionMNIST": fashion_set(f"{server.url}/f/")}
        monkeypatch.setattr(command_line, "ARCHIVES", small)
        return server

    def test_data_sets_are_listed_with_images_origin_and_state(self, homes, capsys, monkeypatch, archive_sets):
        monkeypatch.setattr(command_line, "ARCHIVES", archive_sets)
        (homes / "data" / "broken" / "train" / "red").mkdir(parents=True)
        (homes / "data" / "MNIST" / "raw").mkdir(parents=True)
        for name in fashion_files():
            (homes / "data" / "MNIST" / "raw" / name).write_bytes(b"-")
        assert main(["data"]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "CIFAR10            60,000  download, 170 MB      not here: python -m mlpcore data cifar10",
            "FashionMNIST       70,000  download, 31 MB       not here: python -m mlpcore data fashionmnist",
            "MNIST              70,000  downloaded            ready",
            "broken                  -  folder of images      not ready: broken/train needs 2 to 1,000 folders of "
            "images, one per class: it has 1.",
            "colours                16  folder of images      ready",
            "Shapes             60,000  drawn by the program  ready",
            "Moons               1,500  points, drawn here    ready",
            "Circles             1,500  points, drawn here    ready",
            "Spiral              1,500  points, drawn here    ready",
            "Checkerboard        1,500  points, drawn here    ready",
            "Blobs               1,500  points, drawn here    ready",
        ]

    def test_a_data_set_is_downloaded_whatever_the_case_of_its_name(self, homes, server, capsys):
        for name, content in fashion_files().items():
            server.add(f"/f/{name}.gz", gzip.compress(content, mtime=1))
        assert main(["data", "fashionMnist"]) == 0
        output = capsys.readouterr()
        assert output.out == "Fashion-MNIST is ready.\n"
        assert "FashionMNIST: 100%" in output.err
        assert "B/s" in output.err
        folder = homes / "data" / "FashionMNIST" / "raw"
        assert {name: (folder / name).read_bytes() for name in fashion_files()} == fashion_files()

    def test_a_download_that_fails_is_one_sentence_and_exit_code_2(self, server, capsys):
        server.add("/c", b"", status=404)
        assert main(["data", "cifar10"]) == 2
        last = capsys.readouterr().err.split("\n")[-2]
        assert last.startswith("cifar-10-python.tar.gz could not be downloaded completely from 127.0.0.1. Try again")

    def test_a_name_nobody_publishes_is_refused(self, capsys):
        assert main(["data", "colours"]) == 2
        assert capsys.readouterr().err == "dataset is colours: it must be one of CIFAR10, FashionMNIST, MNIST.\n"

    def test_train_downloads_what_it_needs(self, server, capsys):
        assert main(["train", *SMALL, "--dataset", "FashionMNIST"]) == 2
        assert "train-images-idx3-ubyte.gz could not be downloaded completely" in capsys.readouterr().err
        assert server.requests
        assert stored() == []

    @pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
    def test_ctrl_c_cancels_a_download_and_keeps_what_has_arrived(self, homes, server):
        url = server.add("/c", cifar_archive(), hold_after=100_000)
        code = (
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "sys.path.insert(0, 'tests')\n"
            "from tests.support.published_archives import cifar_set; import mlpcore.cli.main as command_line\n"
            "command_line.ARCHIVES = {'CIFAR10': cifar_set(sys.argv.pop())}; sys.exit(command_line.main())"
        )
        part = homes / "data" / "cifar-10-python.tar.gz.part"
        with as_process(code, "data", "cifar10", url) as process:
            assert server.files["/c"].holding.wait(60)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in errors
        assert errors.endswith(
            "The download of CIFAR-10 was cancelled. The next one continues where this one stopped.\n"
        )
        assert cifar_archive().startswith(part.read_bytes())
