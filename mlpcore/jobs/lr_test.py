"""The learning-rate test: networks train on a few mini-batches while the learning rate grows exponentially."""

import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from mlpcore.analysis.learning_rate.lr_test import FIRST, ITERATIONS, SEEDS, LrTest, build_test
from mlpcore.data.batches import DeviceImages
from mlpcore.data.catalog import count_images
from mlpcore.jobs.estimate import estimate_job
from mlpcore.jobs.machine import find_budget
from mlpcore.jobs.messages import TEST_DOES_NOT_FIT
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import SGD, Recipe
from mlpcore.recipes.validation import find_limits
from mlpcore.training.kernels.matmul import choose_rule
from mlpcore.training.lockstep import Cohort

EXPLODED = 4.0  # times the mean of the first losses; a higher loss ends the test of a seed
GIGABYTE = 1e9


def run_lr_test(
    recipe: Recipe,
    images: DeviceImages,
    *,
    device: torch.device,
    report: Callable[[float], None] = lambda _share: None,
) -> LrTest:
    """Train a recipe's network with SEEDS seeds in one cohort while lr grows from the lowest value to the highest.

    It trains as a run does, on the recipe's own images. Nothing is evaluated or stored, and no test image is read.

    Args:
        recipe: What is tested; its lr, schedule and length do not matter.
        images: Its data set, on `device`.
        device: Where to compute.
        report: Called with the share that is done.

    Returns:
        The losses; those of a seed end when they explode or are no longer finite.

    Raises:
        ValueError: The recipe does not fit the images.
    """
    cohort = Cohort(_vary_seed(build_test(recipe)), images, device, choose_rule())
    rates = np.geomspace(*find_limits(SGD, "lr"), ITERATIONS).tolist()
    losses: list[list[float]] = [[] for _ in range(SEEDS)]
    for step, rate in enumerate(rates):
        for run in cohort.runs:
            run.optimizer.param_groups[0]["lr"] = rate
        cohort.train_step(step)
        for run in cohort.runs:
            if math.isfinite(run.losses[-1]):
                losses[run.position].append(run.losses[-1])
        cohort.remove([run.position for run in cohort.runs if _has_exploded(run.losses)])
        report((step + 1) / ITERATIONS)
        if not cohort.runs:
            break
    return LrTest(tuple(rates), tuple(map(tuple, losses)))


def check_memory(recipe: Recipe, home: Path, device: torch.device) -> None:
    """Check that a test of a recipe fits into the memory that is free now. Raises SentenceError if it does not."""
    needed = estimate_job(_vary_seed(build_test(recipe)), count_images(home, recipe.data)).total
    free = find_budget(device)
    if needed > free:
        raise SentenceError(TEST_DOES_NOT_FIT, needed=needed / GIGABYTE, free=free / GIGABYTE)


def _vary_seed(recipe: Recipe) -> list[Recipe]:
    return [recipe.replace(seed=(recipe.seed + number) % 2**32) for number in range(SEEDS)]


def _has_exploded(losses: Sequence[float]) -> bool:
    return not math.isfinite(losses[-1]) or losses[-1] > EXPLODED * statistics.fmean(losses[:FIRST])
