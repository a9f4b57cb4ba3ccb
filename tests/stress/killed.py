"""SIGKILL at random moments of training: `python -m tests.stress.killed 50 [--seed N]`; SIGTERM at the end.

After each the database must be whole, hold every evaluation that was older than a second, have its runs marked as
interrupted by the next start, and training the same recipes again must give the same numbers, bit for bit.
"""

import argparse
import asyncio
import random
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from mlpcore.runs.records import Run, RunStatus
from mlpcore.runs.store import RunStore
from tests.stress.crowd import LONGEST, start_run, until_measured
from tests.support.image_folders import TINY, make_tiny
from tests.support.managers import timeless, train_alone
from tests.support.servers import Server, serving
from tests.support.trainer_process import Said, Trainer, as_json

if TYPE_CHECKING:
    from mlpcore.data.batches import DeviceImages

KEPT_SECONDS = 1.0  # what was measured longer ago than this survives
LATEST = 5.0  # seconds after the runs were submitted, or first evaluated, at which it may happen
END_SECONDS = 3.0  # within which a server that is asked to end has ended


@dataclass(frozen=True)
class Kill:
    """What one kill left."""

    after: float  # seconds from submitting, or from the first evaluation
    said: int  # evaluations that the process had
    lost: tuple[float, ...]  # the ages in seconds of those that are gone


def wait_until(trainer: Trainer, moment: float) -> None:
    trainer.wait_for(lambda: monotonic() > moment)


def kill_at_random(
    folder: Path, count: int, *, seed: int, kept: float = KEPT_SECONDS, latest: float = LATEST
) -> Iterator[Kill]:
    """Let process after process train on one database and die; check what each leaves. Raises AssertionError."""
    home, data, draw = folder / "home", folder / "data", random.Random(seed)
    make_tiny(data)
    for number in range(count):
        with Trainer(home=home, data=data, train_iter=100_000) as trainer:
            # every other moment counts from the first evaluation: a busy machine takes seconds to come to it
            if number % 2:
                trainer.wait_for(lambda: trainer.said)
            else:
                trainer.wait_for(lambda: trainer.run_ids)
            began = monotonic()
            wait_until(trainer, began + draw.uniform(0.0, latest))
            killed = trainer.kill()
        assert check_file(home / "runs.sqlite3") == "ok"
        with closing(RunStore(f"sqlite:///{home / 'runs.sqlite3'}")) as store:
            assert sorted(store.mark_interrupted()) == sorted(trainer.run_ids)
            runs = [store.get(run_id) for run_id in trainer.run_ids]
            for run in runs:
                assert run.status is RunStatus.INTERRUPTED
                check_history(run, data)
                store.snapshots.read(run.id)  # the newest, or None: never an error
        lost = tuple(killed - said.at for said in find_lost(trainer.said, runs))
        assert max(lost, default=0.0) <= kept, f"lost, by age in seconds: {lost}"
        yield Kill(killed - began, len(trainer.said), lost)


def find_lost(said: Sequence[Said], runs: Sequence[Run]) -> list[Said]:
    """Of what was measured, what is not stored to the last bit."""
    kept = {run.id: {evaluation.step: as_json(evaluation) for evaluation in run.evaluations} for run in runs}
    return [one for one in said if kept[one.run_id].get(one.values["step"]) != one.values]


def check_file(file: Path) -> str:
    """What SQLite says of a database; "ok" where it is whole."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


def check_history(run: Run, data: Path) -> None:
    """Hold what is stored of a run against training its recipe again, alone. Raises AssertionError."""
    again = train_alone(run.recipe, load_images(run.recipe.dataset, data), until=run.step)
    assert timeless(run.evaluations) == again[: len(run.evaluations)]
    # what is due at the very step the run had reached may still have been being measured
    every = run.recipe.eval_every
    assert max(run.step - 1, 0) // every <= len(run.evaluations) <= run.step // every


@cache
def load_images(dataset: str, data: Path) -> "DeviceImages":
    """A data set's images, on the CPU."""
    import torch

    from mlpcore.data.batches import place_images
    from mlpcore.data.datasets import load_data

    return place_images(*load_data(dataset, data), torch.device("cpu"))


def end_server(server: Server) -> tuple[float, Run]:
    """Ask a server that trains to end; return the seconds it takes and its run as the next start reads it."""
    run_id = begin_run(server)
    asked = monotonic()
    server.stop()
    seconds = monotonic() - asked
    with closing(RunStore(f"sqlite:///{server.home / 'runs.sqlite3'}")) as store:
        assert store.mark_interrupted() == []  # it did so itself
        return seconds, store.get(run_id)


def begin_run(server: Server) -> str:
    """Press Start on a server's page; return the run's id when it trains."""

    async def begin() -> str:
        run_id = await start_run(f"{server.url}/?{TINY}&train_iter={LONGEST}")
        await until_measured(server, [run_id])
        return run_id

    return asyncio.run(begin())


def main() -> None:
    """Kill, and print a line a kill and the sums."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.killed", description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=5)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    asked = parser.parse_args()
    print(f"{asked.count} kills, --seed {asked.seed}")
    kills = []
    with tempfile.TemporaryDirectory() as name:
        for kill in kill_at_random(Path(name), asked.count, seed=asked.seed):
            kills.append(kill)
            oldest = f"{max(kill.lost):.2f} s" if kill.lost else "-"
            print(f"after {kill.after:5.2f} s: {kill.said:5} evaluations, {len(kill.lost):4} lost, oldest {oldest}")
        with serving(Path(name) / "server", data=Path(name) / "data") as server:
            seconds, run = end_server(server)
    said, lost = sum(kill.said for kill in kills), [age for kill in kills for age in kill.lost]
    print(f"{len(kills)} kills: {said} evaluations, {len(lost)} lost, the oldest {max(lost, default=0):.2f} s old")
    print(f"SIGTERM: over after {seconds:.2f} s, the run {run.status} with {len(run.evaluations)} evaluations")
    raise SystemExit(run.status is not RunStatus.INTERRUPTED or seconds > END_SECONDS)


if __name__ == "__main__":
    main()
