"""What is promised of a recipe that is trained again."""

import platform
from dataclasses import replace

import pytest
import torch

from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.training.reproducibility import is_reproducible

HERE = {"torch": torch.__version__, "python": platform.python_version()}
POINT = Evaluation(10, 1.0, 1.0, 0.5, 1.0, 0.5, 0.01, 1.0)
RUN = Run("a", "a run", Recipe(device="cpu"), RunStatus.STOPPED, 1.0, device="cpu", versions=HERE, evaluations=(POINT,))


def test_run_of_this_cpu_and_these_versions_repeats() -> None:
    assert is_reproducible(RUN)


@pytest.mark.parametrize(
    "change",
    [
        {"device": "cuda"},
        {"device": ""},
        {"versions": {**HERE, "torch": "1.0"}},
        {"versions": {**HERE, "python": "3.0"}},
        {"versions": {}},
        {"recipe": Recipe(device="xpu")},
    ],
)
def test_run_of_another_device_or_other_versions_may_not(change: dict[str, object]) -> None:
    assert not is_reproducible(replace(RUN, **change))


def test_run_without_points_has_none_that_could_differ() -> None:
    assert is_reproducible(replace(RUN, evaluations=(), device="", versions={}))
