"""Every optimizer at torch's defaults: `python -m tests.benchmarks.optimizers [DATASET ...] [--seeds 5]`.

Trains the lecture's network for 1,000 iterations without a schedule: each optimizer at the defaults of torch.optim
(SGD at the lecture's values, since torch's have no momentum), all of them on the same batches. Prints a row per
optimizer and data set, the best first: the test accuracy at the last step, and the difference to the best one. Rprop
needs all images in each batch, which with 50,000 of them costs as much as 780 batches of the others: it is measured
beside them with `--full-batch 500 --iterations 100`, on 500 images.
"""

import argparse
import statistics

import torch

from mlpcore.data.batches import place_images
from mlpcore.data.catalog import data_home
from mlpcore.data.datasets import load_data
from mlpcore.recipes.parts import OPTIMIZERS
from mlpcore.recipes.recipe import NoScheduler, Recipe
from mlpcore.training.lockstep import train_cohort
from mlpcore.training.reproducibility import count_threads, describe_environment

CPU = torch.device("cpu")


def main() -> None:
    """Train all optimizers on each data set and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", nargs="*", default=["Shapes", "cifar10-jpeg"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--full-batch", type=int, metavar="IMAGES", help="train on so many images, all in each batch")
    asked = parser.parse_args()
    torch.set_num_threads(count_threads())
    print(f"{asked.seeds} seeds, {asked.iterations:,} iterations, {describe_environment()['processor']}")
    length = {"train_iter": asked.iterations, "eval_every": asked.iterations}
    batches = {"train_size": asked.full_batch, "batch_size": asked.full_batch} if asked.full_batch else {}
    for dataset in asked.datasets:
        found = measure(Recipe(dataset=dataset, scheduler=NoScheduler(), **length, **batches), asked.seeds)
        best = max(map(statistics.mean, found.values()))
        for name in sorted(found, key=lambda name: -statistics.mean(found[name])):
            mean, spread = statistics.mean(found[name]), statistics.stdev(found[name])
            print(f"{dataset:<14} {name:<10} {mean:.1%} ± {spread:.1%}, {100 * (mean - best):+.1f} pp")


def measure(recipe: Recipe, seeds: int) -> dict[str, list[float]]:
    """Return the test accuracy of each seed at the last step, by optimizer; 0 where a run diverged."""
    images = place_images(*load_data(recipe.dataset, data_home()), CPU)
    is_full = recipe.train_size == recipe.batch_size
    kinds = [name for name, kind in OPTIMIZERS.items() if is_full or not kind.needs_full_batch]
    names = [name for name in kinds for _seed in range(seeds)]
    recipes = [recipe.replace(seed=place % seeds, optimizer={"name": name}) for place, name in enumerate(names)]
    found: dict[str, list[float]] = {name: [] for name in kinds}
    reached = {
        position: evaluation.test_acc
        for progress in train_cohort(recipes, images, device=CPU)
        for position, evaluation in progress.evaluations.items()
    }
    for position, name in enumerate(names):
        found[name].append(reached.get(position, 0.0))
    return found


if __name__ == "__main__":
    main()
