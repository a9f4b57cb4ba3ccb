"""Computing time by person: `python -m tests.stress.shares [16 1 …] --seconds 30`, so many recipes for each of them.

All of them train on Shapes at the same time, every recipe on its own. Prints what share of the computing time each
person got, beside the even share that was due.
"""

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from time import monotonic

from mlpcore.data.catalog import data_home
from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs.executors.local import MAX_ACTIVE
from mlpcore.jobs.manager import RunManager
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.store import RunStore
from tests.support.managers import wait_until

ENDLESS = Recipe(dataset="Shapes", train_iter=200_000, eval_every=200)


def share_out(
    manager: RunManager, recipe: Recipe, wanted: Sequence[int], *, seconds: float
) -> tuple[list[float], list[int]]:
    """Let people train so many variants of a recipe each; return the seconds and the iterations that each one got.

    Counted from the moment at which as many runs train as may.
    """
    (warm_up,) = manager.submit([recipe.replace(train_iter=1)], owner="nobody", names=["warm-up"])
    wait_until(lambda: manager.get(warm_up).status.is_over, timeout=120)
    own = [
        [
            run_id
            for seed in range(count)
            for run_id in manager.submit([recipe.replace(seed=seed)], owner=f"person {person}", names=[f"run {seed}"])
        ]
        for person, count in enumerate(wanted)
    ]
    first = min(MAX_ACTIVE, sum(wanted))
    wait_until(lambda: sum(manager.get(run_id).step > 0 for run_ids in own for run_id in run_ids) >= first, timeout=120)
    began, before = monotonic(), [read_used(manager, run_ids) for run_ids in own]
    wait_until(lambda: monotonic() > began + seconds, timeout=2 * seconds)
    after = [read_used(manager, run_ids) for run_ids in own]
    used = [last[0] - first[0] for first, last in zip(before, after, strict=True)]
    return used, [last[1] - first[1] for first, last in zip(before, after, strict=True)]


def read_used(manager: RunManager, run_ids: Sequence[str]) -> tuple[float, int]:
    """The seconds and the iterations that somebody's runs have had."""
    runs = [manager.get(run_id) for run_id in run_ids]
    return sum(run.seconds for run in runs), sum(run.step for run in runs)


def main() -> None:
    """Share, and print a line a person."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.shares", description=__doc__.splitlines()[0])
    parser.add_argument("recipes", type=int, nargs="*", default=[16, 1], help="of each person")
    parser.add_argument("--seconds", type=float, default=30)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, closing(RunStore(f"sqlite:///{Path(name) / 'runs.sqlite3'}")) as store:
        manager = RunManager(store, DatasetLoader(data_home))
        used, steps = share_out(manager, ENDLESS, asked.recipes, seconds=asked.seconds)
        manager.shutdown()
    even = sum(used) / len(used)
    for count, seconds, own in zip(asked.recipes, used, steps, strict=True):
        print(f"{count:>3} recipes: {seconds:6.1f} s of training, {seconds / even:.2f} of an even share; {own:6} steps")
    raise SystemExit(any(abs(seconds / even - 1) > 0.2 for seconds in used))


if __name__ == "__main__":
    main()
