"""The GPU benchmark on a machine without a GPU: it says so, and runs on the CPU on request."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.image_folders import make_tiny
from tests.support.paths import ROOT


def run(data: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tests.benchmarks.gpu", *arguments]
    hidden = {"MLPCORE_DATA": str(data), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, cwd=ROOT, env=os.environ | hidden, text=True, capture_output=True)


def test_without_a_gpu_it_says_so(tmp_path):
    done = run(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "There is no GPU that torch can use here: nothing was measured.\n"


def test_on_a_cpu_it_trains_so_many_runs_in_lockstep(tmp_path):
    make_tiny(tmp_path)
    done = run(
        tmp_path,
        *("--device", "cpu", "--dataset", "Tiny", "--runs", "1", "3", "--iterations", "4", "--rounds", "1"),
    )
    assert done.returncode == 0, done.stderr
    _versions, _launch, _head, *rows = done.stdout.splitlines()
    assert [row.split()[:3] for row in rows] == [["1", "not", "captured"], ["3", "not", "captured"]]
