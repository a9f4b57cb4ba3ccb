"""Accuracy with bfloat16 products beside float32: `python -m tests.benchmarks.precision [DATASET] [--seeds 10]`.

Trains the lecture's network for 3,000 iterations with the lecture's SGD and with Adam, the same seeds in both
precisions, and prints the test accuracy at the last step, the difference of the pairs and the time of each.
"""

import argparse
import statistics
from time import perf_counter

import torch

from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.catalog import data_home
from mlpcore.data.datasets import load_data
from mlpcore.recipes.recipe import SGD, Adam, AnyOptimizer, Recipe
from mlpcore.training.lockstep import train_cohort
from mlpcore.training.reproducibility import count_threads, describe_environment

CPU = torch.device("cpu")
OPTIMIZERS: tuple[AnyOptimizer, ...] = (SGD(), Adam())


def main() -> None:
    """Train all pairs and print a row per optimizer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", nargs="?", default="Shapes")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=3000)
    asked = parser.parse_args()
    torch.set_num_threads(count_threads())
    images = place_images(*load_data(asked.dataset, data_home()), CPU)
    print(
        f"{asked.dataset}, {asked.seeds} seeds, {asked.iterations:,} iterations, {describe_environment()['processor']}"
    )
    for optimizer in OPTIMIZERS:
        recipe = Recipe(
            dataset=asked.dataset, optimizer=optimizer, train_iter=asked.iterations, eval_every=asked.iterations
        )
        accuracies, seconds = zip(
            *(measure(recipe.replace(precision=name), asked.seeds, images) for name in ("float32", "bfloat16")),
            strict=True,
        )
        means = [f"{statistics.mean(own):.2%} ± {statistics.stdev(own):.2%}" for own in accuracies]
        pairs = [other - one for one, other in zip(*accuracies, strict=True)]
        error = statistics.stdev(pairs) / len(pairs) ** 0.5
        print(
            f"{optimizer.name:<6} float32 {means[0]}, bfloat16 {means[1]}, difference "
            f"{100 * statistics.mean(pairs):+.2f} ± {100 * error:.2f} pp (standard error), "
            f"time {seconds[1] / seconds[0]:.2f} of float32's"
        )


def measure(recipe: Recipe, seeds: int, images: DeviceImages) -> tuple[list[float], float]:
    """Return the test accuracy of each seed at the last step, and the seconds that training took."""
    recipes = [recipe.replace(seed=seed) for seed in range(seeds)]
    began = perf_counter()
    found = {
        position: evaluation.test_acc
        for progress in train_cohort(recipes, images, device=CPU)
        for position, evaluation in progress.evaluations.items()
    }
    return [found[position] for position in range(seeds)], perf_counter() - began


if __name__ == "__main__":
    main()
