"""Who trains, as MLPCORE_EXECUTOR says: this process, or a Ray cluster."""

import os
from importlib.util import find_spec

from mlpcore.jobs.executors.contract import Executor
from mlpcore.jobs.executors.local import LocalExecutor
from mlpcore.jobs.messages import BAD_EXECUTOR, RAY_IS_MISSING
from mlpcore.recipes.validation import shorten
from mlpcore.runs.messages import StoreError

LOCAL, RAY = EXECUTORS = ("local", "ray")


def choose_executor() -> Executor:
    """Make the executor that MLPCORE_EXECUTOR names; without it, training is local.

    Raises StoreError, which every page shows, if the name is unknown or Ray is not installed.
    """
    name = os.environ.get("MLPCORE_EXECUTOR") or LOCAL
    if name not in EXECUTORS:
        raise StoreError(BAD_EXECUTOR, value=shorten(name), options=", ".join(EXECUTORS))
    if name == LOCAL:
        return LocalExecutor()
    if find_spec("ray") is None:
        raise StoreError(RAY_IS_MISSING)
    from mlpcore.jobs.executors.ray_executor import RayExecutor

    return RayExecutor()
