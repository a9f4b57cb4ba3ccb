"""What grows with runs and with pages: `python -m tests.benchmarks.scale [--runs 1000 10000 100000] [--pages 20]`.

Fills a SQLite file, and a PostgreSQL of its own if one is installed, with runs of 60 evaluations, 1,000 per person, and
measures at each size: the bytes on disk; storing one evaluation, and twenty in one write, of a run that goes on; and
what History's first screen, a person's quota, the metrics and the admin's page ask for. Milliseconds are medians of the
rounds, with the smallest and the largest, and the processor time of this process, which on SQLite is all there is: it
tells more than the clock on a machine that others keep busy. Snapshots are measured by one run's, on 10,000 images.
With --pages, so many live pages watch a paused run of a real server instead, and it is measured what each costs that.
"""

import argparse
import asyncio
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from time import monotonic, perf_counter, process_time

import numpy as np

from mlpcore.recipes.presets import compare_optimizers
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.schema import COLUMNS, LISTED, MEASURES
from mlpcore.runs.snapshots import MAX_FIRST_LAYERS, MAX_UNITS, TOP_K, FirstLayer, Snapshot, pack_snapshot
from mlpcore.runs.store import RunStore
from tests.stress.crowd import until_measured
from tests.support.image_folders import TINY, make_tiny
from tests.support.postgresql import Cluster, find_programs
from tests.support.process_usage import read_usage
from tests.support.servers import serving
from tests.support.stores import count_rows, execute
from tests.support.websocket_guest import Guest

EVALUATIONS = 60  # per run
PER_PERSON = 1_000  # runs
MANY = 20  # evaluations in one write
PAGE_SECONDS = 30.0  # for which pages are open


def main() -> None:
    """Measure every back end at every size, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="multiples of 1,000")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--pages", type=int, default=0)
    asked = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {asked.rounds} rounds")
    if asked.pages:
        asyncio.run(measure_pages(asked.pages))
        return
    print(f"a snapshot: {len(pack_snapshot(draw_snapshot())):,} bytes")
    for name, opened in (("SQLite", sqlite_store), ("PostgreSQL", postgresql_store)):
        if name == "PostgreSQL" and find_programs() is None:
            print("PostgreSQL is not installed")
            continue
        with opened() as (store, read_bytes):
            for runs in sorted(asked.runs):
                fill(store, runs)
                per_run = read_bytes() / runs
                print(f"\n{name}, {runs:,} runs of {EVALUATIONS} evaluations: {per_run:,.0f} bytes per run")
                for what, times in measure(store, asked.rounds).items():
                    waited, computed = zip(*times, strict=True)
                    spread = f"({min(waited):.2f} to {max(waited):.2f}, processor {statistics.median(computed):.2f})"
                    print(f"  {what:<40}{statistics.median(waited):>9.2f} ms  {spread}", flush=True)


@contextmanager
def sqlite_store() -> Iterator[tuple[RunStore, Callable[[], int]]]:
    """Open a store in a new file, and a way to read how large that is."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "runs.sqlite3"
        with closing(RunStore(f"sqlite:///{file}")) as store:
            yield store, lambda: file.stat().st_size


@contextmanager
def postgresql_store() -> Iterator[tuple[RunStore, Callable[[], int]]]:
    """Open a store in a new PostgreSQL, and a way to read how large its tables are."""
    cluster = Cluster.create()
    try:
        with closing(RunStore(cluster.url)) as store, cluster.connect() as connection:

            def read_bytes() -> int:
                connection.execute("VACUUM ANALYZE")  # as the database itself does sooner or later
                sizes = "SELECT pg_total_relation_size('runs') + pg_total_relation_size('evaluations')"
                row = connection.execute(sizes).fetchone()
                assert row is not None
                return int(row[0])

            yield store, read_bytes
    finally:
        cluster.remove()


def fill(store: RunStore, runs: int) -> None:
    """Add people with their runs until there are so many: the first by the store, the others as copies of theirs."""
    if store.count() == 0:
        store.create_many([make_run(number) for number in range(PER_PERSON)])
    for person in range(store.count() // PER_PERSON, runs // PER_PERSON):
        shifted = {"id": f"id || '.{person}'", "owner": f"'person {person}'", "created": f"created + {person}000"}
        columns = [*COLUMNS, *LISTED, "server"]
        values = ", ".join(shifted.get(name, name) for name in columns)
        base = "owner = 'person 0' AND status = 'finished'"
        execute(store, f"INSERT INTO runs ({', '.join(columns)}) SELECT {values} FROM runs WHERE {base}")
        names = ", ".join(MEASURES)
        their = f"SELECT id FROM runs WHERE {base}"
        execute(
            store,
            f"INSERT INTO evaluations (run_id, {names}) SELECT run_id || '.{person}', {names} FROM evaluations"
            f" WHERE run_id IN ({their})",
        )
    assert count_rows(store, "evaluations") >= runs * EVALUATIONS


def make_run(number: int, **values: object) -> Run:
    """Make a finished run of the first person."""
    recipes = compare_optimizers(Recipe(dataset="Shapes"))
    recipe = recipes[number % len(recipes)].replace(seed=number)
    evaluations = tuple(make_evaluation(50 * n) for n in range(1, EVALUATIONS + 1))
    made = Run(f"{number:012x}", f"run {number}", recipe, RunStatus.FINISHED, 1.7e9 + number, owner="person 0")
    return Run(**{**{name: getattr(made, name) for name in COLUMNS}, "evaluations": evaluations} | values)


def make_evaluation(step: int) -> Evaluation:
    """Make an evaluation with as many digits as a measured one has."""
    third = step / 30_000
    return Evaluation(step, 2 - third, 2 - third, third, 2 - third, third, 0.01, step / 7, (third, third, third))


def draw_snapshot() -> Snapshot:
    """Make the largest snapshot of a data set of 10,000 test images."""
    labels, top = np.zeros(10_000, np.uint8), np.zeros((10_000, TOP_K), np.uint8)
    units = np.zeros((MAX_UNITS, 3, 32, 32), np.uint8)
    layers = tuple(FirstLayer(number, 50 * number, units) for number in range(MAX_FIRST_LAYERS))
    return Snapshot(3_000, tuple("abcdefghij"), labels, top, top.astype(np.float16), layers)


def measure(store: RunStore, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Time what is asked of the store: milliseconds by the clock and of the processor. The first answer is not counted.

    A run is added that goes on, and removed again.
    """
    going_on = make_run(0, id="going on", status=RunStatus.RUNNING, evaluations=(), owner="somebody")
    store.create_many([going_on])
    steps = count(1)

    def add(many: int) -> None:
        store.update("going on", evaluations=[make_evaluation(next(steps)) for _ in range(many)])

    def open_history() -> None:
        store.count()
        store.list_values("dataset")
        store.list_values("lesson")
        store.search_submissions()

    asked: dict[str, Callable[[], object]] = {
        "store an evaluation": lambda: add(1),
        f"store {MANY} evaluations in one write": lambda: add(MANY),
        "History's first screen": open_history,
        "a run with its evaluations": lambda: store.get(f"{7:012x}"),
        "what a person with 1,000 runs takes": lambda: store.measure_usage("person 0"),
        "runs by status, for /metrics": store.count_by_status,
        "the people, for the admin's page": store.people.list_latest,
    }
    times: dict[str, list[tuple[float, float]]] = {}
    for what, ask in asked.items():
        ask()
        times[what] = []
        for _ in range(rounds):
            began, computed = perf_counter(), process_time()
            ask()
            times[what].append((1000 * (perf_counter() - began), 1000 * (process_time() - computed)))
    store.update("going on", status=RunStatus.STOPPED)
    execute(store, "DELETE FROM runs WHERE id = 'going on'")
    return times


async def measure_pages(pages: int) -> None:
    """Let pages watch a run that is paused, so that the server does nothing else; print what each of them takes."""
    with tempfile.TemporaryDirectory() as name:
        make_tiny(Path(name) / "data")
        with serving(Path(name) / "server", data=Path(name) / "data") as server:
            async with Guest(f"{server.url}/?dataset={TINY}&scheduler=none&train_iter=200000&eval_every=200") as owner:
                await owner.run(click="start")
                await until_measured(server, [owner.shown_run])
                await owner.run()  # its buttons are those of a run that goes on
                await owner.run(click="pause")
                address = f"{server.url}/?run={owner.shown_run}"
            async with AsyncExitStack() as stack:
                memory, computed = read_usage(server.pid).memory, read_processor(server.pid)
                guests = [await stack.enter_async_context(Guest(address)) for _ in range(pages)]
                opened = (read_processor(server.pid) - computed) / pages
                computed = read_processor(server.pid)
                until = monotonic() + PAGE_SECONDS
                async with asyncio.TaskGroup() as group:
                    for guest in guests:
                        group.create_task(guest.watch(until=until))
                computed = read_processor(server.pid) - computed
                grown = (read_usage(server.pid).memory - memory) / pages
        ticks, sizes = sum(len(guest.ticks) for guest in guests), [size for guest in guests for size in guest.sizes]
    print(f"{pages} pages, {PAGE_SECONDS:g} s; errors: {sum(len(guest.errors) for guest in guests)}")
    print(f"  refreshes per second and page {ticks / pages / PAGE_SECONDS:>9.2f}")
    print(f"  bytes per refresh             {statistics.median(sizes):>9,.0f}  (at most {max(sizes):,})")
    print(f"  processor per refresh         {1000 * computed / ticks:>9.1f} ms")
    print(f"  processor to open a page      {1000 * opened:>9.0f} ms")
    print(f"  memory per page               {grown:>9.1f} MB")


def read_processor(pid: int) -> float:
    """Read the seconds of processor time that a process has used, from Linux's /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
