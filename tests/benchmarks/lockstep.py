"""What lockstep saves: `python -m tests.benchmarks.lockstep [ROUNDS] [ITERATIONS]`, in one process, no page open.

Trains the same runs together and one after another, in turns, and prints the ratio of the times. The runs are the
lecture's four optimizers (SGD, with momentum, with Nesterov, Adam), repeated with other seeds up to 16.
"""

import os
import statistics
import sys
from importlib.metadata import version
from time import perf_counter

import torch

from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.catalog import data_home
from mlpcore.data.datasets import load_data
from mlpcore.recipes.presets import compare_optimizers
from mlpcore.recipes.recipe import Recipe
from mlpcore.training.device import pick_device
from mlpcore.training.lockstep import train_cohort
from mlpcore.training.reproducibility import count_threads


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
    time_together(four, images, device)  # imports and caches: not counted
    print(f"{os.cpu_count()} cores, {device}, torch {version('torch')}, {iterations} iterations")
    for name, recipes in (("4 runs", four), ("16 runs, one seed", four * 4), ("16 runs, four seeds", sixteen)):
        together, apart = [], []
        for _ in range(rounds):
            together.append(time_together(recipes, images, device))
            apart.append(sum(time_together([recipe], images, device) for recipe in recipes))
        ratios = [one / other for one, other in zip(together, apart, strict=True)]
        print(
            f"{name:<20} together {statistics.median(together):6.2f} s, one after another "
            f"{statistics.median(apart):6.2f} s: ratio {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}), load {os.getloadavg()[0]:.1f}"
        )


def time_together(recipes: list[Recipe], images: DeviceImages, device: torch.device) -> float:
    """Seconds to train recipes as one cohort."""
    began = perf_counter()
    for _ in train_cohort(recipes, images, device=device):
        pass
    return perf_counter() - began


if __name__ == "__main__":
    main()
