"""How good the learning-rate test's suggestions are: `python -m tests.benchmarks.lr_test [SEEDS] [ITERATIONS]`.

For ten recipes, the lecture's four optimizers and RMSprop on Shapes and on photographs (cifar10-jpeg, if it is here),
a grid of half decades from 1e-4 to 1 is trained together with what each rule suggests, on the same images. A suggestion
is good if its validation accuracy, the mean over the seeds, is within a percentage point of the best of the grid.
Prints tables in Markdown.
"""

import os
import statistics
import sys
from collections import Counter
from importlib.metadata import version
from time import perf_counter

import torch

from mlpcore.analysis.learning_rate.suggestions import LrSuggestion, Rule, suggest_rates
from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.catalog import data_home, known_datasets
from mlpcore.data.datasets import load_data
from mlpcore.jobs.lr_test import run_lr_test
from mlpcore.numbers import exact_number, short_number
from mlpcore.recipes.presets import compare_optimizers
from mlpcore.recipes.recipe import SGD, NoScheduler, Recipe, RMSprop
from mlpcore.training.device import pick_device
from mlpcore.training.lockstep import train_cohort
from mlpcore.training.reproducibility import count_threads, describe_environment

DATASETS = ("Shapes", "cifar10-jpeg")
GRID = (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
HELD_OUT = 5_000
NEAR = 0.01  # of accuracy: a percentage point


def main() -> None:
    """Test, train and judge every recipe, and print a table of the recipes and one of the rules."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    iterations = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
    torch.set_num_threads(count_threads())  # as the app's training thread
    device = pick_device()
    print("| data set | optimizer | best of the grid | " + " | ".join(rule.value for rule in Rule) + " | test |")
    print("| --- | --- | --- |" + " --- |" * (len(Rule) + 1))
    tested, found, good = 0, Counter[Rule](), Counter[Rule]()
    for dataset in [name for name in DATASETS if name in known_datasets(data_home())]:
        images = place_images(*load_data(dataset, data_home()), device)
        for recipe in list_recipes(dataset, iterations):
            began = perf_counter()
            suggestions = suggest_rates(run_lr_test(recipe, images, device=device))
            seconds = perf_counter() - began
            rates = [*GRID, *(one.rounded for one in suggestions if one.rounded is not None)]
            accuracies = train(recipe, sorted(set(rates)), seeds, images, device)
            best = max(GRID, key=accuracies.__getitem__)
            tested += 1
            cells = []
            for one in suggestions:
                found[one.rule] += one.rounded is not None
                good[one.rule] += one.rounded is not None and accuracies[one.rounded] >= accuracies[best] - NEAR
                cells.append(describe(one, accuracies, accuracies[best]))
            row = [dataset, name_optimizer(recipe), f"{exact_number(best)}: {accuracies[best]:.1%}", *cells]
            print("| " + " | ".join([*row, f"{seconds:.2f} s"]) + " |", flush=True)
    print(f"\n| rule | suggests a rate | within 1 pp of the best, of all {tested} | of those with a rate |")
    print("| --- | --- | --- | --- |")
    for rule in Rule:
        print(
            f"| {rule.value} | {found[rule]} of {tested} | {good[rule]} of {tested} | {good[rule]} of {found[rule]} |"
        )
    environment = describe_environment()
    print(
        f"\n{environment['processor']}, {os.cpu_count()} cores, {count_threads()} threads, {device}, torch "
        f"{version('torch')}, {seeds} seeds, {iterations} iterations, load {os.getloadavg()[0]:.1f}"
    )


def list_recipes(dataset: str, iterations: int) -> list[Recipe]:
    """List what is tested on a data set."""
    base = Recipe(
        dataset=dataset,
        train_iter=iterations,
        eval_every=iterations,
        validation_size=HELD_OUT,
        scheduler=NoScheduler(),
    )
    return [*compare_optimizers(base), base.replace(optimizer=RMSprop())]


def train(
    recipe: Recipe, rates: list[float], seeds: int, images: DeviceImages, device: torch.device
) -> dict[float, float]:
    """Train each rate with each seed in one cohort; return the mean validation accuracy, 0 where a run diverged."""
    recipes = [
        recipe.replace(optimizer=recipe.optimizer.replace(lr=rate), seed=seed)
        for seed in range(seeds)
        for rate in rates
    ]
    reached = [0.0] * len(recipes)
    for progress in train_cohort(recipes, images, device=device):
        for position, evaluation in progress.evaluations.items():
            reached[position] = evaluation.val_acc or 0.0
    return {rate: statistics.fmean(reached[place :: len(rates)]) for place, rate in enumerate(rates)}


def describe(suggestion: LrSuggestion, accuracies: dict[float, float], best: float) -> str:
    """Write what a rule suggests, and how far its accuracy is from the best of the grid."""
    if suggestion.rounded is None:
        return "–"
    spread = f"{short_number(suggestion.found[0], 1)} to {short_number(suggestion.found[-1], 1)}"
    difference = 100 * (accuracies[suggestion.rounded] - best)
    return f"{exact_number(suggestion.rounded)} ({spread}): {difference:+.1f} pp"


def name_optimizer(recipe: Recipe) -> str:
    """Name an optimizer as the lecture does."""
    optimizer = recipe.optimizer
    if not isinstance(optimizer, SGD):
        return optimizer.name
    return "SGD, Nesterov" if optimizer.nesterov else "SGD, momentum" if optimizer.momentum else "SGD"


if __name__ == "__main__":
    main()
