"""What views of replayed runs cost: `python -m tests.benchmarks.replay [ITERATIONS]`.

Trains MLPnet with Adam on Shapes, replays it, computes its loss surface and, of full-batch gradient descent on 1,000
images, its sharpness. Then it trains alone and beside a replay in its thread of low priority, to see what that costs
the training. Seconds are of the processor, which other work does not change much, and of the clock. Prints a table in
Markdown.
"""

import sys
import threading
import time
from collections.abc import Callable

import torch

from mlpcore.concepts.replay.loss_surface import LossSurfaceView
from mlpcore.concepts.replay.sharpness import SharpnessView
from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.catalog import data_home
from mlpcore.data.datasets import load_data
from mlpcore.jobs.replay.replays import lower_priority
from mlpcore.recipes.points import DataSource
from mlpcore.recipes.recipe import SGD, Adam, NoScheduler, Recipe
from mlpcore.training.kernels.matmul import choose_rule
from mlpcore.training.lockstep import train_cohort
from mlpcore.training.replay.network import NetworkView
from mlpcore.training.replay.replay import PastRun
from mlpcore.training.reproducibility import count_threads
from tests.support.generators import exhaust

CPU = torch.device("cpu")
SECONDS = 6.0  # for which the speed of training is measured


def main() -> None:
    """Measure, and print the tables."""
    iterations = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000
    torch.set_num_threads(count_threads())
    images = place_images(*load_data(DataSource("Shapes"), data_home()), CPU)
    recipe = Recipe(optimizer=Adam(), train_iter=iterations, device="cpu")
    plain = SGD(lr=0.05, momentum=0.0, nesterov=False, weight_decay=0.0)
    descent = Recipe(optimizer=plain, scheduler=NoScheduler(), dropout=0.0, train_size=1_000, batch_size=1_000)
    descent = descent.replace(train_iter=600, eval_every=40, device="cpu")
    past = take_past(recipe, images)
    print("| what | processor, s | clock, s |\n| --- | --- | --- |")
    report(f"training, {iterations:,} iterations with evaluations", lambda: take_past(recipe, images))
    report("replay to the end", lambda: exhaust(NetworkView(past, iterations).compute(images, CPU)))
    report("loss surface, replay included", lambda: exhaust(LossSurfaceView((past,)).compute(images, CPU)))
    full = take_past(descent, images)
    report("sharpness, replay included", lambda: exhaust(SharpnessView(full).compute(images, CPU)))
    alone, beside = measure_rates(recipe, past, images)
    print(f"\nTraining alone {alone:.0f} it/s, beside a replay {beside:.0f} it/s ({beside / alone:.0%}).")


def take_past(recipe: Recipe, images: DeviceImages) -> PastRun:
    """Train a recipe, and return what a replay needs of its run."""
    items = train_cohort([recipe], images, device=CPU)
    evaluations = [evaluation for item in items for evaluation in item.evaluations.values()]
    return PastRun(recipe, choose_rule(), tuple((each.step, each.weight_norms) for each in evaluations))


def report(what: str, work: Callable[[], object]) -> None:
    """Print a row of the table."""
    processor, clock = time.process_time(), time.perf_counter()
    work()
    print(f"| {what} | {time.process_time() - processor:.1f} | {time.perf_counter() - clock:.1f} |", flush=True)


def measure_rates(recipe: Recipe, past: PastRun, images: DeviceImages) -> tuple[float, float]:
    """Measure the iterations per second of training, alone and beside replays; in turns, the median of three each."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    for _turn in range(3):
        for is_beside in (False, True):
            ended = threading.Event()
            thread = threading.Thread(target=replay_until, args=(ended, past, images), daemon=True)
            if is_beside:
                thread.start()
            rates[is_beside].append(measure_rate(recipe, images))
            ended.set()
            if is_beside:
                thread.join()
    return sorted(rates[False])[1], sorted(rates[True])[1]


def measure_rate(recipe: Recipe, images: DeviceImages) -> float:
    """Measure the iterations per second of training over SECONDS, without evaluations."""
    long = recipe.replace(train_iter=200_000, eval_every=200_000)
    began = time.perf_counter()
    for item in train_cohort([long], images, device=CPU):
        if time.perf_counter() - began > SECONDS:
            return item.step / (time.perf_counter() - began)
    raise AssertionError("200,000 iterations take longer")


def replay_until(ended: threading.Event, past: PastRun, images: DeviceImages) -> None:
    """Replay a run again and again, as the thread of the replays does."""
    lower_priority()
    torch.set_num_threads(count_threads())
    while not ended.is_set():
        for _share in NetworkView(past, past.steps[-1]).compute(images, CPU):
            if ended.is_set():
                break


if __name__ == "__main__":
    main()
