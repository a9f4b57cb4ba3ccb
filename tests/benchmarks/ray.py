"""A sweep on a Ray cluster: `python -m tests.benchmarks.ray [TRIALS] [ITERATIONS]`, default 1,000 trials of 300.

Starts a cluster on loopback with one node per core of this machine, each of one core, and trains a search on Shapes:
first some trials in this process, then all of them on the cluster. Prints how busy the cluster's cores were with
training, the processor time per iteration of both, and the memory of this process and of the driver on the way.
"""

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlpcore.data.catalog import data_home
from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs.executors.choice import choose_executor
from mlpcore.jobs.executors.contract import Executor
from mlpcore.jobs.executors.local import LocalExecutor
from mlpcore.jobs.manager import RunManager
from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.sweeps.definition import Definition, read_definition
from mlpcore.sweeps.manager import SweepManager
from mlpcore.sweeps.trials import Sweep
from tests.support.process_usage import read_usage
from tests.support.ray_nodes import running_cluster

LOCAL_TRIALS = 64
OWNER = "benchmark"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    """What a sweep took."""

    seconds: float  # from the first iteration to the end
    computing: float  # seconds that cohorts spent training, all together
    iterations: int
    processor: float  # seconds, of the processes that trained
    memory: list[tuple[float, float]]  # MB of this process and of the driver, every tenth of the trials


def main() -> None:
    """Measure both, and print."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    iterations = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    cores = os.cpu_count() or 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        local = measure(LocalExecutor(), define(LOCAL_TRIALS, iterations))
        options = {"memory": 4_000_000_000, "object_store_memory": 400_000_000}
        with running_cluster(patch, nodes=cores, **options):
            cluster = measure(choose_executor(), define(trials, iterations))
    print(f"{cores} cores, one per node, load {os.getloadavg()[0]:.1f}; {trials} trials of {iterations} iterations")
    for name, one, seats in (("in this process", local, 1), ("on the cluster", cluster, cores)):
        print(
            f"{name:<16} {one.seconds:7.1f} s, {one.iterations / one.seconds:7.0f} iterations/s, "
            f"{1000 * one.processor / one.iterations:.3f} ms of processor per iteration, "
            f"cores busy with training {one.computing / one.seconds / seats:.0%}"
        )
    for place, name in enumerate(("this process", "the driver")):
        sizes = [usage[place] for usage in cluster.memory]
        print(f"MB of {name:<13} {' '.join(f'{size:.0f}' for size in sizes)}, median {statistics.median(sizes):.0f}")


def define(trials: int, iterations: int) -> Definition:
    """Define the search."""
    row = {"dataset": "Shapes", "train_iter": iterations, "eval_every": iterations, "validation_size": 500}
    space = {"lr": {"low": 1e-3, "high": 0.3, "log": True}, "dropout": {"low": 0.0, "high": 0.5}}
    return read_definition({"rows": [row], "space": space, "sampler": "sobol", "trials": trials})


def measure(executor: Executor, definition: Definition) -> Measured:
    """Train a sweep to its end."""
    with starting(executor) as (manager, sweeps):
        sweep_id = sweeps.start(definition, owner=OWNER, name="a sweep")
        while not any(run.step for run in manager.list_active()):
            time.sleep(0.05)
        begun, memory = time.monotonic(), list[tuple[float, float]]()
        before, used = read_processor(), dict[int, float]()  # by process; of one that has ended, what it used last
        while (sweep := look(sweeps, sweep_id)).waiting or not sweep.status.is_over:
            done = sum(trial.result is not None for trial in sweep.trials)
            if done >= len(memory) * definition.count_trials() / 10:
                memory.append((read_usage(os.getpid()).memory, find_driver_memory()))
            used |= read_processor()
            time.sleep(0.2)
        seconds = time.monotonic() - begun
        processor = sum(spent - before.get(pid, 0.0) for pid, spent in used.items())
        runs = [manager.store.get(run_id) for trial in sweep.trials for run_id in trial.run_ids]
    assert {run.status for run in runs} == {RunStatus.FINISHED}
    cohorts = {run.seconds for run in runs}  # those of a cohort end together
    return Measured(seconds, sum(cohorts), sum(run.step for run in runs), processor, memory)


@contextmanager
def starting(executor: Executor) -> Iterator[tuple[RunManager, SweepManager]]:
    """Start the managers over a store that is thrown away."""
    with tempfile.TemporaryDirectory() as folder, closing(RunStore(f"sqlite:///{Path(folder) / 'r.sqlite3'}")) as store:
        manager = RunManager(store, DatasetLoader(data_home), executor=executor)
        sweeps = SweepManager(manager)
        yield manager, sweeps
        sweeps.shutdown()
        manager.shutdown()


def look(sweeps: SweepManager, sweep_id: str) -> Sweep:
    """Return the sweep as it is now."""
    sweep = sweeps.get(sweep_id)
    assert sweep is not None
    return sweep


def find_processes(word: str) -> Iterator[int]:
    """Find the processes whose command line contains a word."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if word in (folder / "cmdline").read_text():
                yield int(folder.name)
        except OSError:  # it ended meanwhile
            continue


def read_processor() -> dict[int, float]:
    """Read the seconds of processor time that this process and each actor on the nodes have used."""
    used = {}
    for pid in {os.getpid(), *find_processes("ray::CohortActor")}:
        with contextlib.suppress(OSError):
            fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
            used[pid] = (int(fields[11]) + int(fields[12])) / TICKS
    return used


def find_driver_memory() -> float:
    """Return the MB of the process that is connected to the cluster; 0 without one."""
    own = Path(f"/proc/{os.getpid()}/task")
    children = {int(pid) for thread in own.iterdir() for pid in (thread / "children").read_text().split()}
    return sum(read_usage(pid).memory for pid in children.intersection(find_processes("executors.ray_driver")))


if __name__ == "__main__":
    main()
