"""The load of this process, for whoever runs it: what waits and trains, how fast, in how much memory."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlpcore.jobs.memory import MemoryBudget
from mlpcore.jobs.queue import JobQueue
from mlpcore.jobs.writer import Writer
from mlpcore.runs.records import RunStatus


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
