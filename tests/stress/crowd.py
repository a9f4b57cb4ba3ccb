"""Many tabs on one server: `python -m tests.stress.crowd --sessions 50 --seconds 600`.

Four runs train, and every session watches one of them as a browser does: a WebSocket, a live chart that ticks once a
second. Prints errors, how long a tick takes and how much it brings, the server's memory over the time that the crowd is
there, and how fast the four train while nobody, everybody and again nobody watches. The crowd itself runs on the same
machine: 50 sessions take part of a core from the server.
"""

import argparse
import asyncio
import math
import sqlite3
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tests.support.image_folders import TINY, make_tiny
from tests.support.process_usage import read_usage
from tests.support.servers import Server, serving
from tests.support.websocket_guest import Guest

RUNS = 4  # as many as train at a time
SHAPES = "dataset=Shapes&scheduler=none"
LONGEST = 200_000  # iterations
EVAL_EVERY = 200
LOOKS = 40  # at the memory
SPEED_SECONDS = 20.0  # over which the speed without a crowd is measured, at most


@dataclass(frozen=True)
class Crowd:
    """What came of it. speeds: iterations a second, all runs together."""

    errors: tuple[str, ...]
    ticks: tuple[tuple[float, ...], ...]  # of each session, in seconds
    sizes: tuple[int, ...]  # of all their ticks, in bytes
    memory: tuple[float, ...]  # MB, from when all had come to the end
    alone: tuple[float, float]  # speed before and after
    watched: float  # speed meanwhile


async def gather(server: Server, *, sessions: int, seconds: float, knobs: str) -> Crowd:
    """Start the runs, let `sessions` tabs watch them for so many seconds, and measure."""
    address = f"{server.url}/?{knobs}&train_iter={LONGEST}&eval_every={EVAL_EVERY}"
    run_ids = [await start_run(f"{address}&seed={seed}") for seed in range(RUNS)]
    await until_measured(server, run_ids)
    quiet = min(seconds / 2, SPEED_SECONDS)
    before = await measure_speed(server, run_ids, quiet)
    async with AsyncExitStack() as stack:
        guests = [Guest(f"{server.url}/?run={run_ids[number % RUNS]}") for number in range(sessions)]
        for guest in guests:
            await stack.enter_async_context(guest)
        until = monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            speed = group.create_task(measure_speed(server, run_ids, seconds))
            memory = group.create_task(read_memory(server, seconds))
            for guest in guests:
                group.create_task(guest.watch(until=until))
    after = await measure_speed(server, run_ids, quiet)
    errors = [error for guest in guests for error in guest.errors]
    errors += [line for line in server.read_log().splitlines() if "Traceback" in line]
    errors += ["a run was over before the crowd left"] * (max(read_steps(server, run_ids)) >= LONGEST)
    ticks = tuple(tuple(guest.ticks) for guest in guests)
    sizes = tuple(size for guest in guests for size in guest.sizes)
    return Crowd(tuple(errors), ticks, sizes, memory.result(), (before, after), speed.result())


async def start_run(url: str) -> str:
    """Press Start at that address, and leave; return the run's id."""
    async with Guest(url) as guest:
        await guest.run(click="start")
        assert guest.errors == []
        return guest.shown_run


async def until_measured(server: Server, run_ids: Sequence[str]) -> None:
    """Wait until every run has been evaluated, so that nothing is still being loaded."""
    async with asyncio.timeout(120):
        while min(read_steps(server, run_ids)) < EVAL_EVERY:
            await asyncio.sleep(0.1)


async def read_memory(server: Server, seconds: float) -> tuple[float, ...]:
    """The server's memory in MB, looked at again and again for so many seconds."""
    found = [read_usage(server.pid).memory]
    for _look in range(LOOKS):
        await asyncio.sleep(seconds / LOOKS)
        found.append(read_usage(server.pid).memory)
    return tuple(found)


async def measure_speed(server: Server, run_ids: Sequence[str], seconds: float) -> float:
    """Iterations a second of all runs together, by what the store has: at most half a second old."""
    began, first = monotonic(), sum(read_steps(server, run_ids))
    await asyncio.sleep(seconds)
    return (sum(read_steps(server, run_ids)) - first) / (monotonic() - began)


def read_steps(server: Server, run_ids: Sequence[str]) -> list[int]:
    """The step of each run, as stored."""
    with closing(sqlite3.connect(server.home / "runs.sqlite3")) as connection:
        steps = dict(connection.execute("SELECT id, step FROM runs"))
    return [steps[run_id] for run_id in run_ids]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def main() -> None:
    """Let them come, and print what they saw."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.crowd", description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--tiny", action="store_true", help="small images of our own instead of Shapes")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_tiny(folder / "data")
        with serving(folder / "server", data=folder / "data") as server:
            knobs = TINY if asked.tiny else SHAPES
            crowd = asyncio.run(gather(server, sessions=asked.sessions, seconds=asked.seconds, knobs=knobs))
    ticks = [tick for session in crowd.ticks for tick in session]
    fewest = min(map(len, crowd.ticks))
    print(f"{asked.sessions} sessions, {asked.seconds:g} s, {RUNS} runs")
    for error in crowd.errors[:10]:
        print(error)
    print(f"errors            {len(crowd.errors)}")
    if not ticks:
        raise SystemExit("no session ever got a tick")
    print(f"ticks             {len(ticks)}, at least {fewest} a session")
    print(f"a tick            median {percentile(ticks, 0.5):.3f} s, 95 % within {percentile(ticks, 0.95):.3f} s")
    print(
        f"a tick's size     median {percentile(crowd.sizes, 0.5) / 1e3:.1f} kB, at most {max(crowd.sizes) / 1e3:.1f} kB"
    )
    quarters = [statistics.fmean(crowd.memory[start : start + LOOKS // 4]) for start in range(0, LOOKS, LOOKS // 4)]
    print(
        "server's memory   " + ", ".join(f"{quarter:.0f}" for quarter in quarters) + " MB, the means of four quarters"
    )
    print(f"iterations/s      {crowd.alone[0]:.0f} before, {crowd.watched:.0f} watched, {crowd.alone[1]:.0f} after")
    raise SystemExit(bool(crowd.errors))


if __name__ == "__main__":
    main()
