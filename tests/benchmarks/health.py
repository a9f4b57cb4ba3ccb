"""What measuring the health of layers costs a run: `python -m tests.benchmarks.health [ROUNDS]`.

The extra work of one evaluation, as a share of the time from one evaluation to the next. Each part is the least of many
turns in one process and one thread, so that other work on the machine does not count. Prints a table in Markdown.
"""

import sys
from collections.abc import Callable
from time import perf_counter

import torch

from mlpcore.data.batches import place_images
from mlpcore.data.catalog import data_home
from mlpcore.data.datasets import load_data
from mlpcore.recipes.recipe import Recipe
from mlpcore.training.evaluation import Measurement, iterate_test_batches, iterate_train_batches
from mlpcore.training.health import UnitCounter, step_measured
from mlpcore.training.kernels.matmul import choose_rule
from mlpcore.training.lockstep import Cohort
from mlpcore.training.plane import iterate_grid

CPU = torch.device("cpu")
SMALL = Recipe(dataset="Spiral", hidden_sizes=(32, 16), train_iter=100_000, eval_every=100_000)
LARGE = Recipe(dataset="Shapes", train_iter=100_000, eval_every=100_000)


def main() -> None:
    """Measure four recipes, and print a row for each."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    torch.set_num_threads(1)
    print("| recipe | a step, µs | an evaluation, µs | health, µs | each 20 | each 50 | each 200 iterations |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for recipe in (SMALL, SMALL.replace(activation="tanh"), LARGE, LARGE.replace(activation="sigmoid")):
        print(measure(recipe, rounds if recipe.points else rounds // 8))


def measure(recipe: Recipe, rounds: int) -> str:
    """Measure a recipe's step, evaluation and health; return a row of the table."""
    images = place_images(*load_data(recipe.data, data_home()), CPU)
    cohort = Cohort([recipe], images, CPU, choose_rule())
    (run,), network = cohort.runs, cohort.network
    samples = list(iterate_train_batches(images, [run.sample_indices], [run.sample_labels], cohort.rows))
    answers = [[answer.clone() for answer in network.iterate_layers(batch[0])][:-1] for batch in samples]

    def train() -> None:
        cohort.train_step(0)
        run.losses.clear()

    def evaluate() -> None:
        measurement = Measurement(network)
        for batch in samples:
            measurement.train.add_batch(*batch)
        for batch in iterate_test_batches(images, 1):
            measurement.test.add_batch(*batch)
        for grid in iterate_grid(images):
            measurement.surfaces.add_batch(*grid)
        measurement.compute()

    def count() -> None:
        counter = UnitCounter(network)
        for outputs in answers:
            for layer, output in enumerate(outputs):
                counter.add_batch(layer, output)
        counter.compute(len(run.sample_labels))

    step, evaluation = least(train, rounds), least(evaluate, max(rounds // 8, 3))
    with torch.inference_mode():
        plain, measured = (
            least(one, rounds)
            for one in (run.step_optimizer, lambda: step_measured(run.step_optimizer, run.parameters))
        )
    health = measured - plain + least(count, rounds)
    shares = [f"{health / (every * step + evaluation):.1%}" for every in (20, 50, 200)]
    numbers = [f"{1e6 * seconds:,.0f}" for seconds in (step, evaluation, health)]
    return f"| {' | '.join([f'{recipe.dataset}, {recipe.activation}', *numbers, *shares])} |"


def least(work: Callable[[], object], rounds: int) -> float:
    """Return the least of the seconds that some work takes."""
    found = []
    for _round in range(rounds):
        began = perf_counter()
        work()
        found.append(perf_counter() - began)
    return min(found)


if __name__ == "__main__":
    main()
