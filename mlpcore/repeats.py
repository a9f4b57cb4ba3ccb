"""Whether a recipe comes to the very points of a run of it again, here and now."""

import platform

import torch

from mlpcore.device import pick_device
from mlpcore.runs import Run


def find_versions() -> dict[str, str]:
    """Name what a run's last digits depend on, by version."""
    return {"torch": torch.__version__, "python": platform.python_version()}


def repeats(run: Run) -> bool:
    """Whether the run was measured as it would be now: on the CPU, by the same versions of torch and Python.

    Its images are taken to be the same: what they were is not kept with a run.
    """
    if not run.evaluations:
        return True
    try:
        device = pick_device(run.recipe.device)
    except ValueError:
        return False
    return run.device == device.type == "cpu" and dict(run.versions) == find_versions()
