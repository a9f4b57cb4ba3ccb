"""The kept preview: drawn until torch is there, and never after that unless it was right."""

import subprocess
import sys
from array import array
from pathlib import Path

import pytest

from mlpcore.recipes.recipe import Recipe, StepLR
from mlpcore.training.schedules import preview_rates
from pages.components.shared import kept_preview
from pages.components.shared.kept_preview import keep_preview, read_preview
from tests.support.app_tests import Open
from tests.support.image_folders import share_shapes
from tests.support.paths import ROOT
from tests.support.playground_page import planned_rate

RECIPE = Recipe(scheduler=StepLR(step_size=2, gamma=0.5), train_iter=5)
RATES = [0.01, 0.01, 0.005, 0.005, 0.0025]
FIRST = Recipe(dataset="Shapes")  # what a page without an address begins with


def kept_files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_kept_preview_holds_the_rates_that_the_scheduler_gave_bit_for_bit(tmp_path: Path) -> None:
    rates = preview_rates(FIRST)
    keep_preview(tmp_path, FIRST, rates)
    kept = read_preview(tmp_path, FIRST)
    assert kept is not None
    assert list(kept) == rates


def test_another_recipe_another_torch_and_other_code_have_no_kept_preview(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_preview(tmp_path, RECIPE, RATES)
    assert read_preview(tmp_path, RECIPE.model_copy(update={"train_iter": 6})) is None
    with monkeypatch.context() as patch:
        patch.setattr(kept_preview, "version", lambda _package: "9.9.9")
        assert read_preview(tmp_path, RECIPE) is None
    for name in kept_preview.SOURCES:
        (tmp_path / name).write_text("# changed")
    monkeypatch.setattr(kept_preview, "TRAINING", tmp_path)
    assert read_preview(tmp_path, RECIPE) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no rates",
        array("d", RATES).tobytes()[:-1],
        array("d", [*RATES, 0.1]).tobytes(),
        array("d", [*RATES[:-1], float("nan")]).tobytes(),
    ],
)
def test_file_that_cannot_be_a_preview_is_not_read(tmp_path: Path, content: bytes) -> None:
    keep_preview(tmp_path, RECIPE, RATES)
    (file,) = kept_files(tmp_path)
    file.write_bytes(content)
    assert read_preview(tmp_path, RECIPE) is None
    keep_preview(tmp_path, RECIPE, RATES)
    assert file.read_bytes() == array("d", RATES).tobytes()


def test_only_the_newest_preview_is_kept(tmp_path: Path) -> None:
    keep_preview(tmp_path, FIRST, preview_rates(FIRST))
    keep_preview(tmp_path, RECIPE, RATES)
    assert read_preview(tmp_path, FIRST) is None
    assert len(kept_files(tmp_path)) == 1


def test_folder_that_cannot_be_written_is_harmless(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "file" / "preview"
    (tmp_path / "file").write_text("not a folder")
    keep_preview(folder, RECIPE, RATES)
    assert read_preview(folder, RECIPE) is None
    assert "the preview is not kept" in caplog.text


def test_page_whose_torch_is_loaded_never_shows_what_was_kept(open_page: Open, data: Path) -> None:
    recipe = Recipe(dataset="Tiny")
    folder = data / ".cache" / "preview"
    keep_preview(folder, recipe, [0.5] * recipe.train_iter)
    page = open_page()
    assert planned_rate(page, 1) == recipe.optimizer.lr
    kept = read_preview(folder, recipe)
    assert kept is not None
    assert list(kept) == preview_rates(recipe)  # replaced


FIRST_PAGE = """
import sys
import streamlit as st
from streamlit.testing.v1 import AppTest
from tests.support.app_tests import figure, shown
from tests.support.timers import Browser
import pytest

with pytest.MonkeyPatch.context() as patch:
    patch.setattr(type(st.context), "cookies", {})  # AppTest puts a mock there
    browser = Browser(patch)
    page = shown(AppTest.from_file("pages/navigation.py", default_timeout=100).run())
    print("torch" in sys.modules, figure(page, "preview")["data"][0]["y"][0], figure(page, "curves")["data"] != [])
    print(page.button(key="start").disabled)
    browser.tick(page)
    print("torch" in sys.modules, figure(page, "preview")["data"][0]["y"][0])
"""


def test_first_page_draws_the_kept_preview_without_torch_and_replaces_a_wrong_one_at_the_first_tick(
    tmp_path: Path, drawn_shapes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share_shapes(tmp_path / "data", drawn_shapes)
    keep_preview(tmp_path / "data" / ".cache" / "preview", FIRST, [0.5] * FIRST.train_iter)
    for name in ("data", "home"):
        monkeypatch.setenv(f"MLPCORE_{name.upper()}", str(tmp_path / name))
    command = [sys.executable, "-c", FIRST_PAGE]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert result.stdout.split("\n")[:3] == ["False 0.5 True", "False", "True 0.01"], result.stderr
