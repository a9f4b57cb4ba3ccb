"""What lockstep saves: `python -m tests.benchmarks.lockstep [ROUNDS] [ITERATIONS]`, in one process, no page open.

Trains the same runs together and one after another, in turns, and prints the ratio of the times. The runs are the
lecture's four optimizers (SGD, with momentum, with Nesterov, Adam), repeated with other seeds up to 16. Where JAX is
installed, 16 networks with Adam are also trained by jax.vmap, compiled before; they share their batches in both.
"""

import os
import statistics
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from time import perf_counter

import torch

from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.catalog import data_home
from mlpcore.data.datasets import load_data
from mlpcore.recipes.presets import compare_optimizers
from mlpcore.recipes.recipe import Adam, NoScheduler, Recipe
from mlpcore.training.device import pick_device
from mlpcore.training.lockstep import train_cohort
from mlpcore.training.reproducibility import count_threads, describe_environment


def main() -> None:
    """Measure 4 and 16 runs, and print medians and spread."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    iterations = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    torch.set_num_threads(count_threads())  # as the app's training thread
    device = pick_device()
    images = place_images(*load_data("Shapes", data_home()), device)
    base = Recipe(train_iter=iterations, eval_every=iterations)
    four = compare_optimizers(base)
    sixteen = [recipe.model_copy(update={"seed": seed}) for seed in range(4) for recipe in four]
    train(four, images, device)  # imports and caches: not counted
    environment = describe_environment()
    print(
        f"{environment['processor']}, {os.cpu_count()} cores, {count_threads()} threads, {device}, "
        f"products by {environment['kernels']}, torch {version('torch')}, {iterations} iterations"
    )
    for name, recipes in (("4 runs", four), ("16 runs, one seed", four * 4), ("16 runs, four seeds", sixteen)):
        together = partial(train, recipes, images, device)
        compare(
            f"{name}, together", together, "one after another", partial(train_apart, recipes, images, device), rounds
        )
    try:
        from tests.benchmarks.jax_peer import build_vmap

        labels = images.train.targets
        train_vmap = build_vmap(16, iterations, images.train_images, labels, torch.get_num_threads())
    except ImportError:
        return
    endless = base.replace(optimizer=Adam(), scheduler=NoScheduler(), train_iter=200_000, eval_every=200_000)
    steps = partial(train_steps, [endless] * 16, images, device, iterations)
    compare("16 runs with Adam, steps alone", steps, "jax.vmap", train_vmap, rounds)


def compare(name: str, one: Callable[[], object], other_name: str, other: Callable[[], object], rounds: int) -> None:
    """Time two ways in turns, and print medians and the ratio."""
    times = [(measure(one), measure(other)) for _ in range(rounds)]
    ratios = [mine / its for mine, its in times]
    mine, its = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"{name:<32} {mine:6.2f} s, {other_name} {its:6.2f} s: ratio {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}), load {os.getloadavg()[0]:.1f}"
    )


def measure(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    began = perf_counter()
    work()
    return perf_counter() - began


def train_apart(recipes: list[Recipe], images: DeviceImages, device: torch.device) -> None:
    """Train recipes one after another."""
    for recipe in recipes:
        train([recipe], images, device)


def train_steps(recipes: list[Recipe], images: DeviceImages, device: torch.device, count: int) -> None:
    """Train recipes as one cohort for so many steps, or a few more; nothing is evaluated."""
    training = train_cohort(recipes, images, device=device)
    while next(training).step < count:
        pass
    training.close()


def train(recipes: list[Recipe], images: DeviceImages, device: torch.device) -> None:
    """Train recipes as one cohort."""
    for _ in train_cohort(recipes, images, device=device):
        pass


if __name__ == "__main__":
    main()
