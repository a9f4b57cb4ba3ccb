"""The command lr-test prints what the library finds, and stores nothing."""

import json
from pathlib import Path

import pytest
import torch

from mlpcore.analysis.learning_rate.suggestions import suggest_rates
from mlpcore.cli.main import main
from mlpcore.data.batches import place_images
from mlpcore.data.datasets import load_data
from mlpcore.jobs.lr_test import run_lr_test
from mlpcore.recipes.recipe import Adam, Recipe
from tests.support.image_folders import write_colours

FLAGS = ["--dataset", "colours", "--batch-size", "16", "--hidden-sizes", "16", "--dropout", "0", "--device", "cpu"]
RECIPE = Recipe(dataset="colours", batch_size=16, hidden_sizes=(16,), dropout=0.0, device="cpu")


@pytest.fixture(autouse=True)
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of runs and a folder of data sets of this test's own, with a data set of 40 images."""
    monkeypatch.setenv("MLPCORE_HOME", str(tmp_path / "runs"))
    monkeypatch.setenv("MLPCORE_DATA", str(tmp_path / "data"))
    write_colours(tmp_path / "data", train=20, test=2)
    return tmp_path


def test_three_rules_are_printed_with_their_spreads(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lr-test", *FLAGS]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == ["steepest fall", "minimum / 10", "valley"]
    assert all("over 5 seeds" in line for line in lines)


def test_json_has_all_that_was_measured(homes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lr-test", *FLAGS, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    cpu = torch.device("cpu")
    test = run_lr_test(RECIPE, place_images(*load_data("colours", homes / "data"), cpu), device=cpu)
    assert printed["rates"] == list(test.rates)
    assert printed["losses"] == [list(losses) for losses in test.losses]
    for one, suggestion in zip(printed["suggestions"], suggest_rates(test), strict=True):
        assert one["rule"] == suggestion.rule.value
        assert (one["lr"], one["median"]) == (suggestion.rounded, suggestion.rate)
        assert (one["low"], one["high"]) == (suggestion.found[0], suggestion.found[-1])
        assert one["by_seed"] == list(suggestion.by_seed)


def test_recipe_comes_from_a_file_and_flags_override_it(homes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (homes / "recipe.json").write_text(RECIPE.replace(optimizer=Adam(), batch_size=8).model_dump_json())
    assert main(["lr-test", "--recipe", str(homes / "recipe.json"), "--batch-size", "16", "--json"]) == 0
    from_file = capsys.readouterr().out
    assert main(["lr-test", *FLAGS, "--optimizer", "Adam", "--json"]) == 0
    assert capsys.readouterr().out == from_file


def test_no_run_is_stored(homes: Path) -> None:
    assert main(["lr-test", *FLAGS]) == 0
    assert not (homes / "runs").exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (
            ["--dataset", "gone"],
            "dataset is gone: this machine has colours, Shapes, Moons, Circles, Spiral, Checkerboard, Blobs.",
        ),
        (["--batch-size", "500"], "batch_size is 500"),
        (["--lr", "20"], "lr is 20: it must be a number from 1e-6 to 10."),
    ],
)
def test_what_cannot_be_tested_is_refused_with_a_sentence(
    flags: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lr-test", *FLAGS, *flags]) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.out == ""
