"""The lecture's names, ready to import; each loads torch only when it is asked for."""

import os
from importlib import import_module
from typing import Any

# One core is left to whatever else wants one: the page that is drawn, the browser beside it. A step has some twenty
# parallel parts, and each waits for all of its threads: where one of them does not get to run, everything stands still.
# Iterations a second on two cores, idle and beside two busy processes: two threads 660 and 4, two that go to sleep
# sooner 550 and 60 to 180, one thread 430 and 200. Both variables are read once, when torch is loaded.
_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, _cores - 1)))
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# Intel's matrix products choose their order of summing by the shape of the whole product and the number of threads. A
# run must not depend on what it is stacked with, so they are told not to; it costs no time that could be measured.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")

_HOMES = {
    "softmax": "training.losses",
    "cross_entropy": "training.losses",
    "MyModel": "training.models",
    "MLPnet": "training.models",
    "load_data": "data.datasets",
    "RandomSampler": "data.batches",
    "train": "training.loop",
    "test": "training.loop",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
