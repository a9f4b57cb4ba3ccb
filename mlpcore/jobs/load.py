"""What waits and trains in this process, where and how fast: for its pages, and for whoever runs it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlpcore.jobs.executors.contract import Executor
from mlpcore.jobs.memory import MemoryBudget
from mlpcore.jobs.messages import STARTS_ON_CLUSTER
from mlpcore.jobs.queue import JobQueue
from mlpcore.jobs.writer import Writer
from mlpcore.messages import Sentence
from mlpcore.runs.records import Run, RunStatus


@dataclass(frozen=True)
class MemoryLoad:
    """The bytes that runs and images take on a device, and those that they may take."""

    used: int
    budget: int


@dataclass(frozen=True)
class Load:
    """What this process does at the moment.

    Attributes:
        runs: How many runs of each status are not over.
        steps_per_second: Iterations of all runs together, over the last seconds.
        storing_delay: The most seconds that something measured may have waited to be stored.
        memory: By device.
    """

    runs: Mapping[RunStatus, int] = field(default_factory=dict)
    steps_per_second: float = 0.0
    storing_delay: float = 0.0
    memory: Mapping[str, MemoryLoad] = field(default_factory=dict)


def measure_load(queue: JobQueue, budget: MemoryBudget, writer: Writer) -> Load:
    """Measure what the jobs of a queue do."""
    with queue.lock:
        jobs = queue.jobs()
        going_on = {job: [active.run for active in job.runs if not active.run.status.is_over] for job in jobs}
        devices = dict.fromkeys(["cpu", *(job.demand.device for job in jobs)])
        usage = {device: budget.measure(device, jobs) for device in devices}
        return Load(
            runs=Counter(run.status for runs in going_on.values() for run in runs),
            steps_per_second=sum(len(runs) * (job.iterations_per_second or 0.0) for job, runs in going_on.items()),
            storing_delay=writer.delay,
            memory={device: MemoryLoad(used.total - used.free, used.total) for device, used in usage.items()},
        )


def measure_speed(queue: JobQueue, run: Run) -> float:
    """Measure the iterations per second of a run: over the last seconds while it trains, otherwise over all of it."""
    with queue.lock:
        active = queue.runs.get(run.id)
        if active is not None and (speed := active.job.iterations_per_second) is not None:
            return speed
    return run.step / run.seconds if run.seconds else 0.0


def find_loading_progress(queue: JobQueue, run_id: str) -> float | None:
    """Return the share of a queued run's images that is loaded; None if they are not being loaded."""
    with queue.lock:
        active = queue.runs.get(run_id)
        loading = active.job.loading if active and active.job.is_loading else None
        return loading.progress if loading else None


def count_nodes(queue: JobQueue, run_id: str) -> int:
    """Count the nodes of a cluster on which the runs that were started with a run train; 0 in this process."""
    with queue.lock:
        if (active := queue.runs.get(run_id)) is None:
            return 0
        trainings = [job.training for job in queue.jobs() if job.submission == active.run.submission]
        return len({training.node for training in trainings if training is not None and training.node})


def explain_wait(queue: JobQueue, budget: MemoryBudget, executor: Executor, run_id: str) -> Sentence | None:
    """Say why a queued run may not start, apart from its place in the queue."""
    with queue.lock:
        if (active := queue.runs.get(run_id)) is None:
            return None
        if executor.problem is not None:
            return executor.problem
        if active.job.training is not None and not active.job.has_begun:
            return STARTS_ON_CLUSTER
        return budget.find_waiting_reasons(queue.jobs()).get(active.job)
