"""The memory budget: how a submission is split into jobs that fit, which may start, and which images may be loaded."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import torch

from mlpcore.data.catalog import count_images
from mlpcore.data.loader import LOADING_FACTOR, DatasetFuture, DatasetLoader
from mlpcore.jobs.estimate import estimate_job, split_runs
from mlpcore.jobs.executors.contract import Capacity, Executor
from mlpcore.jobs.machine import find_budget
from mlpcore.jobs.messages import (
    IMAGES_DO_NOT_FIT,
    NEVER_FITS,
    OTHER_STARTS_FIRST,
    OWNER_USES_MEMORY,
    REPLAY_NEVER_FITS,
    WAITS_FOR_MEMORY,
)
from mlpcore.jobs.queue import Demand, Job, JobQueue
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.points import DataSource
from mlpcore.recipes.recipe import Recipe

SHARE_OF_JOB = 0.25  # of the budget, for one job: a larger cohort is split, so that others train beside it
MAX_COHORT_RUNS = 80  # evaluating more at a time takes long, and trains no faster
SHARE_OF_OWNER = 0.5  # of the budget, for one person's jobs, paused ones included
MAX_OVERTAKEN = 8  # younger jobs that start before one that waits for memory; then it is the next
GIGABYTE = 1e9


@dataclass(frozen=True)
class MemoryUsage:
    """The bytes in use on a device."""

    total: int  # that may be used
    by_owner: Counter[str]  # of their jobs
    images: Counter[DataSource]  # of each data set, also while it is loaded
    unused: dict[DataSource, int]  # of those that no job uses
    paused: int  # of paused jobs, with their images: these do not end by themselves

    @property
    def free(self) -> int:
        """What nothing uses."""
        return self.total - self.by_owner.total() - sum(self.images.values())

    def free_but_for(self, source: DataSource) -> int:
        """Return what is free once the images that no job uses have made room, except for those of a data set."""
        return self.free + sum(size for other, size in self.unused.items() if other != source)


class Claim(Protocol):
    """Whoever needs memory: a job, or work beside the runs."""

    @property
    def owner(self) -> str:
        """The person for whom it works."""

    @property
    def source(self) -> DataSource:
        """Whose images it needs."""

    @property
    def demand(self) -> Demand:
        """What it needs."""


class MemoryBudget:
    """Decides how a submission is split into jobs that fit in memory, and what may start or be loaded.

    Args:
        library: The data sets in memory, which count too.
        executor: Who trains, and says so if that is in other memory than this process's.
        total: Bytes for jobs, on any device. Default: a share of what is free when it is first needed.
        reserved: Bytes of the computer's own memory that something else may take, such as what pages cache.
    """

    def __init__(
        self, library: DatasetLoader, executor: Executor, total: float | None = None, *, reserved: int = 0
    ) -> None:
        self._library = library
        self._executor = executor
        self._given = total
        self._reserved = reserved
        self._totals: dict[str, int] = {}
        self._held: list[Claim] = []  # beside the jobs

    def total(self, device: str) -> int:
        """Return the bytes of this process that jobs may use on a device, images included."""
        if device not in self._totals:
            found = find_budget(torch.device(device)) if self._given is None else int(self._given)
            self._totals[device] = max(found - (self._reserved if device == "cpu" else 0), 0)
        return self._totals[device]

    def split(
        self, recipes: Sequence[Recipe], device: str, *, most_runs: int = MAX_COHORT_RUNS
    ) -> list[tuple[int, Demand]]:
        """Split a cohort into jobs that fit, of at most so many runs; return how many each has, and what it needs.

        Raises SentenceError if one of the runs can never fit.
        """
        capacity, images = self._find_capacity(device), count_images(self._library.home(), recipes[0].data)
        image_bytes = images.bytes if capacity.holds_images else 0
        for recipe in set(recipes):
            estimate = estimate_job([recipe], images)
            needed = _peak(estimate.total, image_bytes)
            if needed + capacity.per_cohort > capacity.largest:
                raise SentenceError(
                    NEVER_FITS,
                    needed=needed / GIGABYTE,
                    total=(capacity.largest - capacity.per_cohort) / GIGABYTE,
                    weights=estimate.weights / GIGABYTE,
                    batches=estimate.batches / GIGABYTE,
                    images=(needed - estimate.total) / GIGABYTE,
                )
        most_runs = min(most_runs, MAX_COHORT_RUNS)
        counts = split_runs(recipes, images, most_bytes=SHARE_OF_JOB * capacity.largest, most_runs=most_runs)
        ends = list(accumulate(counts))
        parts = [recipes[end - count : end] for count, end in zip(counts, ends, strict=True)]
        needs = [estimate_job(part, images).total + capacity.per_cohort for part in parts]
        return [(len(part), Demand(device, need, image_bytes)) for part, need in zip(parts, needs, strict=True)]

    def find_waiting_reasons(self, jobs: Sequence[Job]) -> dict[Job, Sentence]:
        """Find which jobs, of all from oldest to newest, cannot start now for lack of memory, and say why."""
        reasons = {}
        usages = {device: self.measure(device, jobs) for device in {job.demand.device for job in jobs}}
        next_ones = {device: _find_next(jobs, device, usage) for device, usage in usages.items()}
        for job in jobs:
            device = job.demand.device
            if not job.is_in_memory and (reason := _find_reason(job, usages[device], next_ones[device])) is not None:
                reasons[job] = reason
        return reasons

    def admit(self, job: Job, jobs: Sequence[Job]) -> bool:
        """Make room for a job that starts now, and count the older ones it overtakes; return False if it must wait."""
        if job in self.find_waiting_reasons(jobs):
            return False
        usage = self.measure(job.demand.device, jobs)
        if usage.free < _find_needed(job, usage):
            self._library.release_unused(keep=job.source)
        for older in jobs[: jobs.index(job)]:
            lacks_memory = _find_needed(older, usage) > usage.free_but_for(older.source)
            if older.demand.device == job.demand.device and not older.is_in_memory and lacks_memory:
                older.overtaken += 1
        return True

    def request_images(
        self, source: DataSource, device: torch.device, jobs: Sequence[Job], *, retry: bool
    ) -> DatasetFuture:
        """Request images for a page. If there is no room to load them, their future fails with a sentence."""

        def admit(needed: int) -> None:
            usage = self.measure(str(device), jobs)
            if needed > usage.free_but_for(source):
                figures = {"needed": needed, "free": max(usage.free_but_for(source), 0), "total": usage.total}
                values = {name: value / GIGABYTE for name, value in figures.items()}
                raise SentenceError(IMAGES_DO_NOT_FIT, **values)
            if needed > usage.free:
                self._library.release_unused(keep=source)

        return self._library.request(source, device, retry=retry, admit=admit)

    def hold(self, claim: Claim, jobs: Sequence[Job]) -> Sentence | None:
        """Hold memory for work beside the jobs until `release`; if it must wait, hold nothing and say why.

        Raises SentenceError if it can never fit.
        """
        device = claim.demand.device
        needed, total = _peak(claim.demand.bytes, claim.demand.image_bytes), self.total(device)
        if needed > total:
            raise SentenceError(REPLAY_NEVER_FITS, needed=needed / GIGABYTE, total=total / GIGABYTE)
        here = jobs if self._executor.find_capacity(device) is None else []  # others are in another memory
        usage = self._measure(device, [*here, *self._held], total)
        if (reason := _find_reason(claim, usage, _find_next(here, device, usage))) is not None:
            return reason
        if usage.free < _find_needed(claim, usage):
            self._library.release_unused(keep=claim.source)
        self._held.append(claim)
        return None

    def release(self, claim: Claim) -> None:
        """Release what is held."""
        self._held.remove(claim)

    def measure(self, device: str, jobs: Sequence[Job]) -> MemoryUsage:
        """Measure what jobs and images take on a device, and what is held beside them."""
        capacity = self._executor.find_capacity(device)
        if capacity is not None:
            return self._measure(device, jobs, capacity.total)
        return self._measure(device, [*jobs, *self._held], self.total(device))

    def _measure(self, device: str, claims: Sequence[Job | Claim], total: int) -> MemoryUsage:
        claims = [claim for claim in claims if claim.demand.device == device and _is_in_memory(claim)]
        loaded, loading = self._library.measure_memory(device)
        owners: Counter[str] = Counter()
        for claim in claims:
            owners[claim.owner] += claim.demand.bytes
        paused = [claim for claim in claims if isinstance(claim, Job) and claim.paused]
        used, held = {claim.source for claim in claims}, {job.source for job in paused}
        return MemoryUsage(
            total=total,
            by_owner=owners,
            images=loaded + loading,
            unused={source: size for source, size in loaded.items() if source not in used},
            paused=sum(job.demand.bytes for job in paused) + sum(loaded[source] for source in held),
        )

    def _find_capacity(self, device: str) -> Capacity:
        return self._executor.find_capacity(device) or Capacity(self.total(device), self.total(device))


class MemoryBesideRuns:
    """Memory for work beside the runs, such as replays, out of the same budget. Safe from several threads."""

    def __init__(self, queue: JobQueue, budget: MemoryBudget) -> None:
        self._queue, self._budget = queue, budget

    def hold(self, claim: Claim) -> Sentence | None:
        """Hold memory until `release`; if it must wait, say why. Raises SentenceError if it can never fit."""
        with self._queue.lock:
            return self._budget.hold(claim, self._queue.jobs())

    def release(self, claim: Claim) -> None:
        """Release memory that was held: a job may wait for it."""
        with self._queue.lock:
            self._budget.release(claim)
            self._queue.lock.notify_all()


def _is_in_memory(claim: Job | Claim) -> bool:
    """Whether it takes its memory now; what is held does."""
    return not isinstance(claim, Job) or claim.is_in_memory


def _peak(job: int, images: int) -> int:
    """Return the bytes that a job takes with its images: more while they are loaded, if it is small itself."""
    return max(job + images, LOADING_FACTOR * images)


def _find_needed(job: Claim, usage: MemoryUsage) -> int:
    is_loaded = job.source in usage.images
    return job.demand.bytes if is_loaded else _peak(job.demand.bytes, job.demand.image_bytes)


def _exceeds_share(job: Claim, usage: MemoryUsage) -> bool:
    own = usage.by_owner[job.owner]
    return bool(own) and own + job.demand.bytes > SHARE_OF_OWNER * usage.total


def _find_next(jobs: Sequence[Job], device: str, usage: MemoryUsage) -> Job | None:
    """Find the oldest job that was overtaken too often: until it has started, no other one does.

    Nobody waits for a job that its owner holds up, or that would have to wait for a paused one: that may be forever.
    """
    for job in jobs:
        if job.demand.device != device or job.overtaken < MAX_OVERTAKEN or job.is_in_memory or job.paused:
            continue
        if not _exceeds_share(job, usage) and _find_needed(job, usage) <= usage.total - usage.paused:
            return job
    return None


def _find_reason(job: Claim, usage: MemoryUsage, next_one: Job | None) -> Sentence | None:
    if _exceeds_share(job, usage):
        own, limit = usage.by_owner[job.owner], SHARE_OF_OWNER * usage.total
        return Sentence(OWNER_USES_MEMORY, {"used": own / GIGABYTE, "limit": limit / GIGABYTE})
    needed = _find_needed(job, usage)
    if needed > usage.free_but_for(job.source):
        figures = {"needed": needed, "free": max(usage.free, 0), "total": usage.total}
        return Sentence(WAITS_FOR_MEMORY, {name: value / GIGABYTE for name, value in figures.items()})
    return Sentence(OTHER_STARTS_FIRST, {}) if next_one is not None and next_one is not job else None
