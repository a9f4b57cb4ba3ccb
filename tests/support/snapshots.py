"""Shared by the tests of snapshots: a recipe, and made-up snapshots."""

from dataclasses import replace
from typing import Any

import numpy as np

from mlpcore.recipes.recipe import Adam, NoScheduler, Recipe
from mlpcore.runs.snapshots import FirstLayer, Snapshot

BASE = Recipe(
    hidden_sizes=(32, 16),
    batch_size=32,
    train_iter=24,
    eval_every=8,
    dropout=0.0,
    optimizer=Adam(lr=0.01),
    scheduler=NoScheduler(),
    device="cpu",
)


def recipe(**values: Any) -> Recipe:
    return BASE.replace(**values)


def snapshot(**values: Any) -> Snapshot:
    """Four test images in three classes: the second and the fourth are mistakes."""
    return replace(
        Snapshot(
            step=8,
            classes=("a", "b", "c"),
            labels=np.array([0, 0, 1, 1], np.uint8),
            top_classes=np.array([[0, 1], [1, 0], [1, 2], [2, 1]], np.uint8),
            top_probabilities=np.array([[0.9, 0.1], [0.5, 0.25], [0.75, 0.25], [0.625, 0.25]], np.float16),
            first_layers=(first_layer(0), first_layer(1)),
        ),
        **values,
    )


def first_layer(number: int) -> FirstLayer:
    return FirstLayer(number, 8 * number, np.full((2, 3, 4, 4), number % 256, np.uint8))


def evaluate_often(times: int) -> Snapshot:
    found = snapshot()
    for number in range(2, times + 1):
        found = snapshot(step=8 * number, first_layers=(first_layer(number),)).after(found)
    return found
