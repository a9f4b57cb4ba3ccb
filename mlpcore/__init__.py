"""The lecture's names, ready to import; each loads torch only when it is asked for."""

import os
from importlib import import_module
from typing import Any

# How long OpenMP's threads spin before they sleep while they wait for each other. Where something else wants the cores,
# a browser that draws the page, say, spinning keeps the very thread that is waited for from running; waking from sleep
# takes time too. Iterations a second on two cores, idle and beside two busy processes: spinning as long as libgomp does
# by itself 660 and 4, this short 550 and 60 to 180, never 230 and 220. It is read once, when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# Intel's matrix products choose their order of summing by the shape of the whole product and the number of threads. A
# run must not depend on what it is stacked with, so they are told not to; it costs no time that could be measured.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")

_HOMES = {
    "softmax": "losses",
    "cross_entropy": "losses",
    "MyModel": "models",
    "MLPnet": "models",
    "load_data": "data",
    "RandomSampler": "sampler",
    "train": "training",
    "test": "training",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
