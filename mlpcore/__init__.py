"""The lecture's names, ready to import; each loads torch only when it is asked for."""

from importlib import import_module
from typing import Any

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
