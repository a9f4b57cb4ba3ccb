"""The jobs of this process: cohorts of runs that wait or train, their progress, and what people asked of them."""

import threading
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mlpcore.data.loader import DatasetFuture
from mlpcore.jobs.executors.contract import Training
from mlpcore.messages import Sentence
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.snapshots import Snapshot
from mlpcore.training.lockstep import Command


@dataclass(frozen=True)
class Demand:
    """The memory that a job needs: on which device, and for which images."""

    device: str
    bytes: int  # without the images
    image_bytes: int


class Job:
    """Runs that were submitted together and train in one lockstep cohort."""

    def __init__(
        self,
        runs: Sequence[Run],
        demand: Demand,
        *,
        stop_when_disconnected: bool,
        seen_at: float,
    ) -> None:
        self.owner = runs[0].owner
        self.source = runs[0].recipe.data
        self.demand = demand
        self.submission = runs[0].submission
        self.runs = [ActiveRun(run, self, position) for position, run in enumerate(runs)]
        self.stop_when_disconnected = stop_when_disconnected
        self.seen_at = seen_at  # when its owner last had a page open
        self.loading: DatasetFuture | None = None
        self.training: Training | None = None
        self.asked_at: float | None = None  # when its training was asked for the slice that it has not reported yet
        self.losses = 0  # of its training, since it last measured something new
        self.paused = False
        self.keeps_snapshots = True
        self.has_requests = False  # of any of its runs
        self.overtaken = 0  # younger jobs that started while this one waited for memory
        self.step = 0  # iterations done; more than its training has done while that repeats what was lost
        self.pending: Collection[int] = ()  # positions of runs whose evaluation is not complete
        self.commands: list[Command] = []  # to be sent with the next time slice
        self.step_times: deque[tuple[float, int]] = deque(maxlen=200)  # time, step

    @property
    def is_over(self) -> bool:
        """Whether all its runs are over."""
        return all(active.run.status.is_over for active in self.runs)

    @property
    def is_loading(self) -> bool:
        """Whether its images are being loaded into memory."""
        return self.loading is not None and not self.loading.images.done()

    @property
    def is_in_memory(self) -> bool:
        """Whether it has started, or loads its images in order to start."""
        return self.training is not None or self.loading is not None

    @property
    def has_begun(self) -> bool:
        """Whether it has computed something, or could at once."""
        return self.training is not None and bool(self.training.device)

    @property
    def must_complete_evaluation(self) -> bool:
        """Whether a run is to be stopped as soon as its evaluation is complete."""
        return self.has_requests and any(
            active.stop_requested and active.position in self.pending for active in self.runs
        )

    @property
    def iterations_per_second(self) -> float | None:
        """Its speed over the last seconds; None while it does not train."""
        if len(self.step_times) < 2:
            return None
        (start, first), (end, last) = self.step_times[0], self.step_times[-1]
        return (last - first) / max(end - start, 1e-9)

    def set_status(self, status: RunStatus) -> None:
        """Set the status of every run that is not over."""
        for active in self.runs:
            if not active.run.status.is_over and active.run.status is not status:
                active.update_run(status=status)


@dataclass(eq=False)
class ActiveRun:
    """A run that waits or trains. `run` is replaced, never changed, so that a page may hold on to it."""

    run: Run
    job: Job
    position: int  # in its cohort
    unstored: list[Evaluation] = field(default_factory=list)
    is_stored: bool = True
    failed_writes: int = 0
    missing_steps: set[int] = field(default_factory=set)  # of evaluations that could not be stored
    snapshot: Snapshot | None = None  # the newest; replaced, never changed
    stored_snapshot: Snapshot | None = None
    snapshot_stored_at: float = 0.0
    stop_requested: bool = False
    stop_message: Sentence | None = None
    found_versions: Mapping[str, str] | None = None  # of where it trains, if they are not those it was submitted with
    requested_change: dict[str, float] = field(default_factory=dict)  # hyperparameters

    def request_stop(self, message: Sentence | None = None) -> None:
        """Ask the worker to stop the run; the message says why, if its owner did not ask for it."""
        self.stop_requested, self.stop_message, self.job.has_requests = True, message, True

    def request_change(self, hyperparameters: dict[str, float]) -> None:
        """Ask the worker to change hyperparameters of the run."""
        self.requested_change, self.job.has_requests = hyperparameters, True

    def update_run(self, **values: Any) -> None:
        """Replace the run's record by one with other values, to be stored."""
        self.run = replace(self.run, **values)
        self.is_stored = False

    def add_evaluation(self, evaluation: Evaluation, snapshot: Snapshot | None) -> None:
        """Add an evaluation with its snapshot."""
        self.unstored.append(evaluation)
        self.update_run(evaluations=(*self.run.evaluations, evaluation))
        if self.job.keeps_snapshots and snapshot is not None:
            self.snapshot = snapshot.after(self.snapshot)

    def recall(self, step: int) -> Evaluation | None:
        """Return the evaluation that it has at a step."""
        return next((known for known in reversed(self.run.evaluations) if known.step == step), None)

    def end(self, status: RunStatus, message: Sentence | None = None, *, last_losses: tuple[float, ...] = ()) -> None:
        """End the run, unless it is over already."""
        if not self.run.status.is_over:
            self.update_run(status=status, message=message, last_losses=last_losses)


class JobQueue:
    """All jobs that wait or train, oldest first, shared by the threads that submit, train and store.

    Whoever changes one holds `lock`, and notifies it if another thread then has something to do.
    """

    def __init__(self) -> None:
        self.lock = threading.Condition(threading.RLock())
        self.runs: dict[str, ActiveRun] = {}  # by id: those not over, and those over but not stored yet
        self._jobs: list[Job] = []
        self.is_closing = False

    def active_runs(self) -> list[ActiveRun]:
        """List the runs that are not over."""
        with self.lock:
            return [active for active in self.runs.values() if not active.run.status.is_over]

    def jobs(self) -> list[Job]:
        """List the jobs that are not over."""
        with self.lock:
            self._jobs = [job for job in self._jobs if not job.is_over]
            return list(self._jobs)

    def add(self, jobs: Sequence[Job]) -> None:
        """Add new jobs."""
        with self.lock:
            self._jobs += jobs
            runs = sorted((active for job in jobs for active in job.runs), key=lambda active: active.run.created)
            self.runs |= {active.run.id: active for active in runs}
            self.lock.notify_all()

    def notify(self) -> None:
        """Wake the threads that wait."""
        with self.lock:
            self.lock.notify_all()
