"""Build the torch.optim optimizer that a recipe names."""

from collections.abc import Iterable

import torch
from torch import Tensor

from mlpcore.recipes.recipe import Adagrad, AnyOptimizer

# One kernel per step instead of a dozen: 0.3 ms against 1.5 ms for Adam on this network with one thread.
FUSED = ("SGD", "Adam", "AdamW")
FUSED_ON_CPU = (*FUSED, "Adagrad")

# torch's optimizers import all of torch.compile (1 s) when they are built, to exclude this method from compilation.
# Nothing here is compiled, so the method is marked as excluded in advance, as that import would leave it.
_add_param_group = vars(torch.optim.Optimizer.add_param_group)["__wrapped__"]
_add_param_group.__dynamo_disable = _add_param_group


def build_optimizer(hyperparameters: AnyOptimizer, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """Build the torch optimizer over `parameters`; hyperparameters keep torch's names and meanings."""
    settings = hyperparameters.model_dump(exclude={"name"})
    parameters = list(parameters)
    if hyperparameters.name in (FUSED_ON_CPU if parameters[0].device.type == "cpu" else FUSED):
        settings["fused"] = True
    optimizer: torch.optim.Optimizer = getattr(torch.optim, hyperparameters.name)(parameters, **settings)
    return optimizer


def effective_lr(hyperparameters: AnyOptimizer, lr: float, step: int) -> float | None:
    """Return the rate that torch's Adagrad with lr_decay uses at an iteration (1, 2, …) instead of lr; else None."""
    if not isinstance(hyperparameters, Adagrad) or not hyperparameters.lr_decay:
        return None
    return lr / (1 + (step - 1) * hyperparameters.lr_decay)
