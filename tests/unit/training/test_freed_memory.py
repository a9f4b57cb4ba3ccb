"""The memory of a training is free as soon as it is closed: the garbage collector may come long after the next one."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.datasets import ImageSplit
from mlpcore.recipes.recipe import Recipe
from mlpcore.training import lockstep
from mlpcore.training.lockstep import Cohort, train_cohort
from tests.support.cohorts import BASE, CPU, recipe, train
from tests.support.recipes import EACH_OPTIMIZER, EACH_SCHEDULE, with_optimizer

RUNS = [with_optimizer(BASE, knobs) for knobs in EACH_OPTIMIZER.values()]
RUNS += [recipe(scheduler=knobs) for knobs in EACH_SCHEDULE]


@pytest.fixture(scope="module")
def images(tiny_images: tuple[ImageSplit, ImageSplit]) -> DeviceImages:
    images = place_images(*tiny_images, CPU)
    train([BASE], images)  # what torch imports at its first step keeps the frames that import it
    return images


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.optimizer.name}, {run.scheduler.name}")
def test_closing_a_training_frees_its_optimizer_and_all_that_this_holds(
    run: Recipe, images: DeviceImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    optimizers: list[weakref.ref[torch.optim.Optimizer]] = []

    class Watched(Cohort):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            optimizers.extend(weakref.ref(own.optimizer) for own in self.runs)

    monkeypatch.setattr(lockstep, "Cohort", Watched)
    training = train_cohort([run], images, device=CPU)
    next(training)
    training.close()
    assert [reference() for reference in optimizers] == [None]
