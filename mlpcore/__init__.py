"""The lecture's names, ready to import; each loads torch only when it is asked for."""

import os
from importlib import import_module
from typing import Any

# OpenMP's threads must sleep, not spin, while they wait for each other: where something else wants the cores (a browser
# that draws the page, say), spinning keeps the very thread that is waited for from running. Two cores with four other
# busy processes: 190 iterations/s asleep, 20 spinning. It is read once, when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

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
