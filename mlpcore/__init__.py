"""The public API: the lecture's names and what a notebook needs. A name is imported when it is first used."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names as in _MODULES, for type checkers and editors
    from mlpcore.data.batches import RandomSampler as RandomSampler
    from mlpcore.data.datasets import load_data as load_data
    from mlpcore.jobs.manager import RunManager as RunManager
    from mlpcore.recipes.optimizers import (
        ASGD as ASGD,
        SGD as SGD,
        Adadelta as Adadelta,
        Adafactor as Adafactor,
        Adagrad as Adagrad,
        Adam as Adam,
        Adamax as Adamax,
        AdamW as AdamW,
        Muon as Muon,
        NAdam as NAdam,
        RAdam as RAdam,
        RMSprop as RMSprop,
        Rprop as Rprop,
    )
    from mlpcore.recipes.recipe import Change as Change, Recipe as Recipe
    from mlpcore.recipes.schedulers import (
        ConstantLR as ConstantLR,
        CosineAnnealingLR as CosineAnnealingLR,
        CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts,
        CyclicLR as CyclicLR,
        ExponentialLR as ExponentialLR,
        LinearLR as LinearLR,
        MultiStepLR as MultiStepLR,
        NoScheduler as NoScheduler,
        OneCycleLR as OneCycleLR,
        PolynomialLR as PolynomialLR,
        ReduceLROnPlateau as ReduceLROnPlateau,
        StepLR as StepLR,
        WarmupStableDecay as WarmupStableDecay,
    )
    from mlpcore.runs.store import RunStore as RunStore
    from mlpcore.sweeps.foreground import sweep as sweep
    from mlpcore.training.lecture_loop import test as test, train as train
    from mlpcore.training.lockstep import train_cohort as train_cohort
    from mlpcore.training.losses import cross_entropy as cross_entropy, softmax as softmax
    from mlpcore.training.models import MLPnet as MLPnet, MyModel as MyModel
    from mlpcore.training.schedules import preview_rates as preview_rates

__version__ = "0.1.0"

# Threads that wait for each other sleep sooner, see mlpcore.training.reproducibility. torch reads this when it loads.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# By default MKL chooses the order of its sums by the shape of the whole product and the number of threads. A run must
# not depend on the runs beside it in a cohort. The strict mode costs no time that could be measured. MKL reads this at
# its first product and has no other switch; a run records whether it was in force.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")

_MODULES = {
    "data.batches": "RandomSampler",
    "data.datasets": "load_data",
    "jobs.manager": "RunManager",
    "recipes.recipe": "Recipe Change",
    "recipes.optimizers": "SGD Adam AdamW RMSprop Adagrad NAdam RAdam Adamax Adadelta Adafactor ASGD Muon Rprop",
    "recipes.schedulers": "NoScheduler StepLR MultiStepLR CosineAnnealingLR ExponentialLR OneCycleLR LinearLR "
    "PolynomialLR ConstantLR CosineAnnealingWarmRestarts CyclicLR WarmupStableDecay "
    "ReduceLROnPlateau",
    "runs.store": "RunStore",
    "sweeps.foreground": "sweep",
    "training.lockstep": "train_cohort",
    "training.lecture_loop": "train test",
    "training.losses": "softmax cross_entropy",
    "training.models": "MyModel MLPnet",
    "training.schedules": "preview_rates",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
