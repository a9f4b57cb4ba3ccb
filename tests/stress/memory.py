"""A server under a memory limit: `python -m tests.stress.memory --gigabytes 0.6 --photographs FOLDER`.

Visitors ask for several times the memory that the server may use: each starts a comparison of large networks, and
looks at long schedules and at copies of a folder of photographs. Prints what they asked for, and how much memory the
server took at most, over what it took when it had trained one small run. MLPCORE_MEMORY_GB is the limit.
"""

import argparse
import asyncio
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from mlpcore.data.catalog import count_images
from mlpcore.jobs.estimate import estimate_job
from mlpcore.recipes.points import DataSource
from mlpcore.recipes.recipe import Adam, NoScheduler, Recipe
from mlpcore.recipes.url import Plan, plan_to_query
from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from tests.support.image_folders import TINY, make_tiny
from tests.support.process_usage import read_peak, read_usage, reset_peak
from tests.support.servers import Server, serving
from tests.support.websocket_guest import Guest

LARGE = Recipe(
    dataset="Tiny",
    hidden_sizes=(1200, 400),  # 4.2 million weights
    optimizer=Adam(),
    scheduler=NoScheduler(),
    batch_size=16,
    train_iter=4,
    eval_every=2,
    device="cpu",
)
LOOK_SECONDS = 0.5  # between two looks whether all runs are over
LONGEST = 200_000  # iterations: 1.6 MB of learning rates


@dataclass(frozen=True)
class Pressure:
    """What visitors asked for, and what the server took over the memory it had before, in MB."""

    asked: float  # for runs
    schedules: float
    images: float
    taken: float
    statuses: Counter[RunStatus]
    errors: tuple[str, ...]


async def press(
    server: Server, *, visitors: int, rows: int, seeds: int, schedules: int = 0, datasets: tuple[str, ...] = ()
) -> Pressure:
    """Let visitors ask for more than fits, wait until all of their runs are over, and read the peak of the memory."""
    recipes = tuple(LARGE.replace(optimizer=Adam(lr=1e-4 * (row + 1))) for row in range(rows))
    comparison = urlencode(plan_to_query(Plan(recipes, seeds, hold_out=False)))
    errors: list[str] = []
    async with Guest(f"{server.url}/?{TINY}&train_iter=2") as guest:  # loads what every run needs
        await guest.run(click="start")
        await guest.watch(until=float("inf"))
        errors += guest.errors
    before = read_usage(server.pid).memory
    reset_peak(server.pid)

    async def compare() -> None:
        async with Guest(f"{server.url}/?{comparison}", page="compare") as guest:
            await guest.run(click="compare.start")
            while not all(status.is_over for status in read_statuses(server)):
                await asyncio.sleep(LOOK_SECONDS)
            errors.extend(guest.errors)

    async def look() -> None:
        for number in range(schedules):
            async with Guest(f"{server.url}/?{TINY}&train_iter={LONGEST - number}&eval_every=1000") as guest:
                errors.extend(guest.errors)
        for dataset in datasets:
            async with Guest(f"{server.url}/?dataset={dataset}") as guest:
                await guest.watch(until=float("inf"))
                errors.extend(guest.errors)

    async with asyncio.TaskGroup() as group:
        for _ in range(visitors):
            group.create_task(compare())
        group.create_task(look())
    asked = visitors * rows * seeds * estimate_job([LARGE], count_images(server.data, DataSource("Tiny"))).weights
    return Pressure(
        asked / 1e6,
        schedules * 8 * LONGEST / 1e6,
        sum(count_images(server.data, DataSource(dataset)).bytes for dataset in datasets) / 1e6,
        read_peak(server.pid) - before,
        read_statuses(server),
        tuple(errors),
    )


def read_statuses(server: Server) -> Counter[RunStatus]:
    """Count the statuses of the large runs in the server's database."""
    with closing(RunStore(f"sqlite:///{server.home / 'runs.sqlite3'}")) as store:
        listed, _total = store.search(limit=1_000)
    return Counter(one.run.status for one in listed if one.run.recipe.hidden_sizes == LARGE.hidden_sizes)


def main() -> None:
    """Press a server, and print what it took; exit with 1 if that is over its limit by more than 10 %."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=0.6)
    parser.add_argument("--schedules", type=int, default=100)
    parser.add_argument("--photographs", type=Path, help="a folder of images, of which four copies are looked at")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        make_tiny(data)
        datasets = ("one", "two", "three", "four") if asked.photographs else ()
        for dataset in datasets:
            (data / dataset).symlink_to(asked.photographs.resolve())
        with serving(Path(name) / "server", data=data, MLPCORE_MEMORY_GB=f"{asked.gigabytes:g}") as server:
            seen = asyncio.run(press(server, visitors=3, rows=8, seeds=5, schedules=asked.schedules, datasets=datasets))
    for error in seen.errors[:10]:
        print(error)
    print(", ".join(f"{count} {status}" for status, count in seen.statuses.items()))
    print(f"asked for: runs {seen.asked:,.0f} MB, schedules {seen.schedules:,.0f} MB, images {seen.images:,.0f} MB")
    share = seen.taken / (1_000 * asked.gigabytes)
    print(f"limit {1_000 * asked.gigabytes:,.0f} MB, taken at most {seen.taken:,.0f} MB: {share:.0%}")
    raise SystemExit(share > 1.1)


if __name__ == "__main__":
    main()
