"""Train one run after another: `python -m tests.stress.long --minutes 60`.

A page on a real server stays open, starts a run, watches it to its end and starts the next. Every ten seconds the
server's memory, threads, open files and size of the database are sampled. Prints the first and the last sample and the
slope of a straight line through all samples but the first quarter, in which caches fill.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tests.support.image_folders import TINY, make_tiny
from tests.support.process_usage import Usage, read_usage
from tests.support.servers import Server, serving
from tests.support.websocket_guest import Guest

KNOBS = f"{TINY}&train_iter=600&eval_every=20"


@dataclass(frozen=True)
class Sample:
    """What the server uses at a moment."""

    seconds: float  # since the first run began
    usage: Usage
    database: float  # MB, with its write-ahead log


@dataclass(frozen=True)
class Watch:
    """What was seen of a server that trains without a pause."""

    samples: tuple[Sample, ...]
    after_runs: tuple[Usage, ...]  # at the end of each run
    errors: tuple[str, ...]


async def watch(server: Server, *, every: float, runs: int = 1, seconds: float = 0) -> Watch:
    """Keep a server training for so many runs and so many seconds; sample what it uses `every` so many seconds."""
    began = monotonic()
    samples: list[Sample] = []
    after_runs: list[Usage] = []
    async with Guest(f"{server.url}/?{KNOBS}") as guest, asyncio.TaskGroup() as group:

        async def sample() -> None:
            while True:
                samples.append(Sample(monotonic() - began, read_usage(server.pid), measure_database(server.home)))
                await asyncio.sleep(every)

        sampling = group.create_task(sample())
        while (len(after_runs) < runs or monotonic() < began + seconds) and not guest.errors:
            await guest.run(click="start")
            await guest.watch(until=float("inf"))
            after_runs.append(read_usage(server.pid))
        sampling.cancel()
    errors = [*guest.errors, *(line for line in server.read_log().splitlines() if "Traceback" in line)]
    return Watch(tuple(samples), tuple(after_runs), tuple(errors))


def measure_database(home: Path) -> float:
    """Return the size of the database in MB; 0 before there is one."""
    return sum(file.stat().st_size for file in home.glob("runs.sqlite3*") if file.is_file()) / 1e6


def slope(samples: Sequence[Sample], values: Sequence[float]) -> float:
    """Return the growth of a measure per hour: the slope of a line through all but the first quarter of the samples."""
    start = len(samples) // 4
    seconds = [sample.seconds for sample in samples[start:]]
    return 3600 * statistics.linear_regression(seconds, values[start:]).slope


def main() -> None:
    """Watch a server, and print one line for each measure that could grow."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.long", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--every", type=float, default=10, help="seconds between two samples")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_tiny(folder / "data")
        with serving(folder / "server", data=folder / "data") as server:
            seen = asyncio.run(watch(server, seconds=60 * asked.minutes, every=asked.every))
    for error in seen.errors[:10]:
        print(error)
    counts = f"{len(seen.after_runs)} runs, {len(seen.samples)} samples, {len(seen.errors)} errors"
    print(f"{asked.minutes:g} minutes, {counts}")
    print(f"{'':<14}{'first':>9}{'last':>9}{'per hour':>11}")
    rows: dict[str, list[float]] = {
        "memory, MB": [sample.usage.memory for sample in seen.samples],
        "threads": [sample.usage.threads for sample in seen.samples],
        "open files": [sample.usage.files for sample in seen.samples],
        "database, MB": [sample.database for sample in seen.samples],
    }
    for name, values in rows.items():
        print(f"{name:<14}{values[0]:>9.4g}{values[-1]:>9.4g}{slope(seen.samples, values):>+11.4g}")
    raise SystemExit(bool(seen.errors))


if __name__ == "__main__":
    main()
