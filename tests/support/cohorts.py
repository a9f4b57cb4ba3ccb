"""What the tests of cohorts share: small recipes of many kinds, and their histories."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from mlpcore.data.batches import DeviceImages
from mlpcore.recipes.recipe import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    CosineAnnealingLR,
    NoScheduler,
    OneCycleLR,
    Recipe,
    RMSprop,
    StepLR,
)
from mlpcore.recipes.schedulers import ReduceLROnPlateau
from mlpcore.runs.records import Evaluation
from mlpcore.training.lockstep import Progress, train_cohort

CPU = torch.device("cpu")
BASE = Recipe(hidden_sizes=(32, 16), batch_size=32, train_iter=24, eval_every=8, scheduler=NoScheduler())
History = list[Evaluation]


def recipe(**knobs: object) -> Recipe:
    return BASE.replace(**knobs)


def collect(items: Sequence[Progress], position: int = 0) -> History:
    """The evaluations of one run, without the seconds that they took."""
    measured = [item.evaluations[position] for item in items if position in item.evaluations]
    return [replace(evaluation, seconds=0.0) for evaluation in measured]


def train(recipes: Sequence[Recipe], images: DeviceImages) -> list[History]:
    items = list(train_cohort(recipes, images, device=CPU))
    return [collect(items, position) for position in range(len(recipes))]


def numbers(history: History) -> list[list[float]]:
    return [
        [
            *(each.step, each.train_loss, each.train_eval_loss, each.train_acc, each.test_loss, each.test_acc, each.lr),
            *each.weight_norms,
        ]
        for each in history
    ]


MIXTURE = [
    recipe(optimizer=SGD(lr=0.1), dropout=0.5, seed=3),
    recipe(optimizer=Adam(lr=0.01), dropout=0.0, seed=1, train_iter=17, eval_every=5),
    recipe(optimizer=AdamW(lr=0.01), dropout=0.2, seed=3, label_noise=0.4, scheduler=CosineAnnealingLR(T_max=20)),
    recipe(optimizer=RMSprop(lr=0.003), dropout=0.95, seed=2, scheduler=OneCycleLR(warmup_iters=3)),
    recipe(optimizer=Adagrad(lr=0.05), seed=1, eval_every=1, scheduler=StepLR(step_size=5, warmup_iters=4)),
    recipe(optimizer=SGD(lr=0.1), seed=1, changes=[{"step": 6, "lr": 0.02, "momentum": 0.5}, {"step": 9, "lr": 0.2}]),
    recipe(optimizer=Adam(lr=0.01), seed=7, label_noise=1.0, train_iter=9),
    recipe(optimizer=SGD(lr=2.0), seed=3, dropout=0.0),
    recipe(optimizer=Adam(lr=0.01), seed=1, average="EMA", ema_decay=0.8),
    recipe(optimizer=SGD(lr=0.1), seed=3, eval_every=3, average="SWA", swa_start=0.3),
    recipe(optimizer=Adam(lr=0.01), seed=3, eval_every=4, scheduler=ReduceLROnPlateau(patience=0, threshold=0.9)),
]
