"""What is promised of a recipe that is trained again, and what is recorded for it."""

import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch

from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.kernel_rule import KernelRule
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.training.kernels import matmul
from mlpcore.training.reproducibility import Repeatability, compare_environment, count_threads, describe_environment
from tests.support.paths import ROOT

HERE = describe_environment()
EVALUATION = Evaluation(10, 1.0, 1.0, 0.5, 1.0, 0.5, 0.01, 1.0)
RUN = Run(
    "a", "a run", Recipe(device="cpu"), RunStatus.STOPPED, 1.0, device="cpu", versions=HERE, evaluations=(EVALUATION,)
)


def test_run_of_this_cpu_and_this_environment_repeats() -> None:
    assert compare_environment(RUN) is Repeatability.EXACT


@pytest.mark.parametrize(
    "change",
    [
        {"device": "cuda"},
        {"device": ""},
        *({"versions": {**HERE, key: "another"}} for key in HERE),
        {"versions": {"torch": "1.0"}},
        {"recipe": Recipe(device="xpu")},
    ],
)
def test_run_of_another_device_or_environment_may_not(change: dict[str, Any]) -> None:
    assert compare_environment(replace(RUN, **change)) is Repeatability.SIMILAR


def test_a_run_is_compared_by_its_own_rule_for_matrix_products(monkeypatch: pytest.MonkeyPatch) -> None:
    older = {name: value for name, value in HERE.items() if name != "kernels"}
    monkeypatch.setattr(matmul, "processor_vendor", lambda: "AuthenticAMD")  # whose new runs use oneDNN
    for versions in (older, older | {"kernels": KernelRule.MKL}, older | {"kernels": KernelRule.ONEDNN}):
        assert compare_environment(replace(RUN, versions=versions)) is Repeatability.EXACT
    monkeypatch.setattr(matmul, "has_onednn", lambda: False)
    versions = older | {"kernels": KernelRule.ONEDNN}
    assert compare_environment(replace(RUN, versions=versions)) is Repeatability.SIMILAR


@pytest.mark.parametrize("versions", [{}, {"torch": HERE["torch"], "python": HERE["python"]}])
def test_nothing_is_promised_of_a_run_that_an_older_version_recorded(versions: dict[str, str]) -> None:
    assert compare_environment(replace(RUN, versions=versions)) is Repeatability.UNKNOWN


def test_run_without_evaluations_has_none_that_could_differ() -> None:
    assert compare_environment(replace(RUN, evaluations=(), device="", versions={})) is Repeatability.EXACT


def test_environment_is_everything_that_the_last_digits_depend_on() -> None:
    names = ["torch", "python", "numpy", "processor", "instructions", "threads", "products", "MKL_CBWR", "kernels"]
    assert list(HERE) == names
    assert all(0 < len(value) < 200 for value in HERE.values())
    assert "Math Kernel Library Version" in HERE["products"] or not torch.backends.mkl.is_available()


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="torch multiplies with another library here")
@pytest.mark.parametrize(
    ("first", "mode"),
    [
        ("import mlpcore", "strict"),
        ("import torch", "strict"),
        ("import torch; torch.ones(9, 9) @ torch.ones(9, 9)", "off"),
    ],
)
def test_it_is_recorded_whether_the_order_of_sums_is_fixed(first: str, mode: str) -> None:
    script = f"{first}\nfrom mlpcore.training.reproducibility import describe_environment\n"
    script += "print(describe_environment()['MKL_CBWR'])"
    environment = {name: value for name, value in os.environ.items() if name != "MKL_CBWR"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == mode


def test_one_core_is_left_to_the_pages_whatever_was_imported_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert count_threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    for cores, threads in ((8, 7), (1, 1)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _process, cores=cores: set(range(cores)))
        assert count_threads() == threads
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    for known, threads in ((8, 7), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda known=known: known)
        assert count_threads() == threads
