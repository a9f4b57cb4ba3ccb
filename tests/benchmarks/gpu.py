"""Lockstep on a GPU: `python -m tests.benchmarks.gpu [--runs 1 4 16 64 256] [--iterations 3000]`.

Trains the lecture's iterations with an evaluation every 200, so many runs together, with the training pass captured as
a CUDA graph and without, in turns. Prints the time of a step beside the launch floor: what starting its kernels one
after another takes, however small they are. Says so where there is no GPU; `--device cpu` tries the script itself.
"""

import argparse
import os
import platform
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from unittest.mock import patch

import torch
from torch.profiler import ProfilerActivity, profile

from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.catalog import data_home
from mlpcore.data.datasets import load_data
from mlpcore.recipes.recipe import Adam, NoScheduler, Recipe
from mlpcore.training.lockstep import train_cohort

EVAL_EVERY = 200
LAUNCHES = 10_000  # of the smallest kernel, to time one


def main() -> None:
    """Measure on the device, and print a line a number of runs."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 4, 16, 64, 256])
    parser.add_argument("--iterations", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dataset", default="Shapes")
    parser.add_argument("--device", default="cuda")
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("There is no GPU that torch can use here: nothing was measured.")
    device = torch.device(asked.device)
    images = place_images(*load_data(asked.dataset, data_home()), device)
    print(f"{describe(device)}; {asked.dataset}, {asked.iterations} iterations, {asked.rounds} rounds")
    measure(vary_rate(1, 2 * EVAL_EVERY), images)  # loads kernels: not counted
    launch = time_launch(device)
    print(f"launching one kernel: {1000 * launch:.2f} µs")
    print(f"{'runs':>5}{'':>14}{'s in all':>10}{'ms a step':>11}{'spread':>16}{'µs a run':>10}{'floor, ms':>11}")
    for count in asked.runs:
        recipes = vary_rate(count, asked.iterations)
        with uncaptured():
            floor = count_kernels(recipes, images) * launch
        ways = ("captured", "not captured") if device.type == "cuda" else ("not captured",)
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(asked.rounds):
            for way in ways:
                with uncaptured(way == "not captured"):
                    times[way].append(measure(recipes, images))
        for way, seconds in times.items():
            steps = [1000 * each / asked.iterations for each in seconds]
            step, spread = statistics.median(steps), f"{min(steps):.3f}–{max(steps):.3f}"
            total, a_run = statistics.median(seconds), 1000 * step / count
            print(f"{count:>5}{way:>14}{total:>10.2f}{step:>11.3f}{spread:>16}{a_run:>10.1f}{floor:>11.3f}")


def vary_rate(count: int, iterations: int) -> list[Recipe]:
    """Recipes of one seed that differ in their rate."""
    return [
        Recipe(optimizer=Adam(lr=1e-3 / (number + 1)), scheduler=NoScheduler(), train_iter=iterations)
        for number in range(count)
    ]


def measure(recipes: list[Recipe], images: DeviceImages) -> float:
    """Seconds to train recipes as one cohort, evaluated every 200 iterations."""
    recipes = [recipe.model_copy(update={"eval_every": EVAL_EVERY}) for recipe in recipes]
    began = perf_counter()
    for _ in train_cohort(recipes, images, device=images.mean.device):
        pass
    synchronise(images.mean.device)
    return perf_counter() - began


@contextmanager
def uncaptured(wanted: bool = True) -> Iterator[None]:
    """Let cohorts launch their kernels one by one."""
    if not wanted:
        yield
        return
    with patch("mlpcore.training.lockstep.CapturedPass", lambda network: network.forward_backward):
        yield


def time_launch(device: torch.device) -> float:
    """Milliseconds to launch the smallest kernel there is."""
    number = torch.zeros(1, device=device)
    synchronise(device)
    began = perf_counter()
    for _ in range(LAUNCHES):
        number.add_(1)
    synchronise(device)
    return 1000 * (perf_counter() - began) / LAUNCHES


def count_kernels(recipes: list[Recipe], images: DeviceImages) -> float:
    """How many kernels a step launches; on a CPU, how many operators it calls."""
    on_cuda = images.mean.device.type == "cuda"
    endless = [recipe.model_copy(update={"train_iter": 200_000, "eval_every": 200_000}) for recipe in recipes]
    training = train_cohort(endless, images, device=images.mean.device)
    first = next(training).step
    with profile(activities=[ProfilerActivity.CUDA if on_cuda else ProfilerActivity.CPU]) as profiled:
        last = next(training).step
        synchronise(images.mean.device)
    training.close()
    return len(profiled.events()) / max(last - first, 1)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def describe(device: torch.device) -> str:
    """The device, and the versions of what runs on it."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}, CUDA {torch.version.cuda}"
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"


if __name__ == "__main__":
    main()
