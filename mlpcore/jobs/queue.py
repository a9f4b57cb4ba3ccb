"""Runs on their way: who trains with whom, and how far they are."""

import threading
from collections import Counter, deque
from dataclasses import dataclass, field, replace

from mlpcore.data.residency import Loading
from mlpcore.messages import Sentence
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.snapshots import Snapshot
from mlpcore.training.lockstep import Edit, Leave, Offers

MAX_BEGUN = 64  # groups whose weights, gradients and moments are in memory at a time, paused ones included
MAX_BEGUN_OWNED = 8  # of one person


@dataclass(eq=False)
class Job:
    """Runs that were submitted together and train in one cohort."""

    members: list["ActiveRun"] = field(default_factory=list)
    loading: Loading | None = None
    training: Offers[None] | None = None
    paused: bool = False
    step: int = 0
    outbox: list[Edit | Leave] = field(default_factory=list)  # what the training is told at its next slice
    ticks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=200))  # when, step

    @property
    def owner(self) -> str:
        """Who submitted them."""
        return self.members[0].run.owner

    @property
    def is_over(self) -> bool:
        """Whether all its runs are."""
        return all(member.run.status.is_over for member in self.members)

    @property
    def is_loading(self) -> bool:
        """Whether its images are on their way into memory."""
        return self.loading is not None and not self.loading.images.done()

    def add(self, run: Run) -> "ActiveRun":
        """Let a run train with the others."""
        self.members.append(ActiveRun(run, self, position=len(self.members)))
        return self.members[-1]

    def show(self, status: RunStatus) -> None:
        """Give every run that is not over this status, where it has another."""
        for member in self.members:
            if not member.run.status.is_over and member.run.status is not status:
                member.update(status=status)


@dataclass(eq=False)
class ActiveRun:
    """A run on its way. `run` is replaced, never changed, so that a page may hold on to it."""

    run: Run
    group: Job
    position: int  # in its cohort
    unstored: list[Evaluation] = field(default_factory=list)
    is_stored: bool = True
    snapshot: Snapshot | None = None  # the newest, replaced as a whole too
    stored_snapshot: Snapshot | None = None
    snapshot_stored_at: float = 0.0
    stop_requested: bool = False
    requested: dict[str, float] = field(default_factory=dict)  # knobs to change, not yet taken up
    stop_when_disconnected: bool = False
    seen_at: float = 0.0  # when its owner was here last

    def update(self, **values: object) -> None:
        """Replace the run by one with other values, to be stored."""
        self.run = replace(self.run, **values)
        self.is_stored = False

    def add(self, evaluation: Evaluation, snapshot: Snapshot) -> None:
        """Add what was measured, and what the network saw."""
        self.unstored.append(evaluation)
        self.update(evaluations=(*self.run.evaluations, evaluation))
        self.snapshot = snapshot.after(self.snapshot)

    def end(self, status: RunStatus, message: Sentence | None = None) -> None:
        """Let the run be over, unless it is."""
        if not self.run.status.is_over:
            self.update(status=status, message=message)


def find_obstacle(group: Job, begun: Counter[str]) -> Sentence | None:
    """Say why a group may not begin though it had its turn; None where it may, or has begun.

    begun: as `JobQueue.count_begun` counts them.
    """
    if group.training is not None:
        return None
    if begun[group.owner] >= MAX_BEGUN_OWNED:
        template = "Waiting: {limit} of this person's have begun, paused ones included. It begins when one is over."
        return Sentence(template, {"limit": MAX_BEGUN_OWNED})
    if begun.total() >= MAX_BEGUN:
        template = "Waiting: {limit} have begun on this server, paused ones included. It begins when one is over."
        return Sentence(template, {"limit": MAX_BEGUN})
    return None


class JobQueue:
    """All runs on their way, oldest first, for the threads that ask, train and store.

    Who changes one holds `lock`, and notifies it where another thread has something to do then.
    """

    def __init__(self) -> None:
        self.lock = threading.Condition(threading.RLock())
        self.members: dict[str, ActiveRun] = {}  # by id: all that are not over, or over and not stored yet
        self.is_closing = False

    def active(self) -> list[ActiveRun]:
        """List those that are not over."""
        with self.lock:
            return [member for member in self.members.values() if not member.run.status.is_over]

    def groups(self) -> list[Job]:
        """List the groups that are not over."""
        return list(dict.fromkeys(member.group for member in self.active()))

    def count_begun(self) -> Counter[str]:
        """Count the groups that have begun and are not over, by their owner."""
        return Counter(group.owner for group in self.groups() if group.training is not None)

    def notify(self) -> None:
        """Wake the threads that wait."""
        with self.lock:
            self.lock.notify_all()
