"""The parts of a recipe that are chosen by name: its optimizer and its scheduler, each with its own hyperparameters."""

from collections.abc import Mapping
from typing import Any, get_args

from mlpcore.recipes.hyperparameters import Hyperparameters
from mlpcore.recipes.optimizer_base import Optimizer
from mlpcore.recipes.optimizers import AnyOptimizer
from mlpcore.recipes.schedulers import AnyScheduler


def _by_name(union: Any) -> dict[str, Any]:
    return {kind.model_fields["name"].default: kind for kind in get_args(get_args(union)[0])}


OPTIMIZERS: dict[str, type[Optimizer]] = _by_name(AnyOptimizer)
SCHEDULERS: dict[str, type[Hyperparameters]] = _by_name(AnyScheduler)
# of a recipe, by the field that holds them
PARTS: dict[str, Mapping[str, type[Hyperparameters]]] = {"optimizer": OPTIMIZERS, "scheduler": SCHEDULERS}
