"""A second process with the store: a script that has made-up runs at hand."""

import os
import subprocess
import sys

from tests.support.paths import ROOT

CHILD = """
import sys
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.store import RunStore

def evaluation(step):
    return Evaluation(step, 2.0, 2.0, 0.1, 2.0, 0.1, 0.01, step / 100)

def run(id, status=RunStatus.RUNNING):
    return Run(id=id, name=id, recipe=Recipe(), status=status, created=0.0)
"""


def start_child(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start the script; its lines can be read and it can be killed."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CHILD + script, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
