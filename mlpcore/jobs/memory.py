"""Memory for jobs: how many bytes one needs, and how many this machine can give."""

import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

import torch

from mlpcore.data import catalog
from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs.messages import NEVER_FITS, OWNER_USES_MEMORY, WAITS_FOR_MEMORY
from mlpcore.jobs.queue import Demand, Job
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.recipe import LARGEST_IMAGE, Recipe
from mlpcore.runs.snapshots import MAX_FIRST_LAYERS, MAX_UNITS, TOP_K
from mlpcore.training.evaluation import EVALUATION_BATCH

SHARE_OF_FREE = 0.8  # of the memory that is free at the start, for jobs; the rest is for pages and everything else
SHARE_OF_JOB = 0.25  # of the budget, for one job: a larger cohort is split, so that others train beside it
MAX_COHORT_RUNS = 80  # evaluating more at a time takes long, and trains no faster
SHARE_OF_OWNER = 0.5  # of the budget, for one person's jobs, paused ones included
GIGABYTE = 1e9
SCRATCH = 32_000_000  # bytes of a job, for the buffers of matrix products and what is not listed below
EVALUATION_BYTES = 800  # of one evaluation in memory, until its run is stored
RECORD_BYTES = 8_000  # of one run that waits or trains
OPTIMIZER_STATES = {"SGD": 1, "Adagrad": 1, "Adam": 2, "AdamW": 2, "RMSprop": 2}  # numbers per weight, at most
LOADING_FACTOR = 3  # bytes needed per byte of images while they are read, decoded and put in order
GREY_IMAGE = 28 * 28
GREY_DATASETS = (catalog.MNIST, catalog.FASHION_MNIST)


@dataclass(frozen=True)
class ImageCounts:
    """The size of a data set: its images and classes, and the numbers per image."""

    train: int
    test: int
    classes: int
    pixels: int = LARGEST_IMAGE

    @property
    def bytes(self) -> int:
        """The memory of all images and labels."""
        return (self.train + self.test) * (self.pixels + 8)


def count_images(home: Path, dataset: str) -> ImageCounts:
    """Find the size of a data set without loading it."""
    return ImageCounts(
        catalog.count_training_images(home, dataset),
        catalog.count_test_images(home, dataset),
        catalog.count_classes(home, dataset),
        GREY_IMAGE if dataset in GREY_DATASETS else LARGEST_IMAGE,
    )


@dataclass(frozen=True)
class Estimate:
    """Bytes that a job needs, without its images: for weights and optimizers, and for batches and evaluations."""

    weights: int = 0
    batches: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.weights + self.batches

    def __add__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.weights + other.weights, self.batches + other.batches)


def estimate_job(recipes: Sequence[Recipe], images: ImageCounts) -> Estimate:
    """Estimate the memory of runs that train in one cohort."""
    total = _estimate_shared(recipes[0], images)
    seeds = set()
    for recipe in recipes:
        total += _estimate_run(recipe, images)
        if recipe.seed not in seeds:
            seeds.add(recipe.seed)
            total += _estimate_seed(recipe, images)
    return total


def _estimate_shared(recipe: Recipe, images: ImageCounts) -> Estimate:
    """Estimate what a cohort needs once: test batches, the temporaries of one optimizer, of drawing a training set."""
    temporaries = 2 * 4 * max(recipe.hidden_sizes[0] * images.pixels, 1)
    drawing = 48 * images.train
    return Estimate(temporaries, SCRATCH + 5 * EVALUATION_BATCH * images.pixels + drawing)


def _estimate_seed(recipe: Recipe, images: ImageCounts) -> Estimate:
    """Estimate what the runs of one seed share: the order of images and a batch, as bytes and as float32."""
    return Estimate(0, 5 * images.pixels * (_batch_size(recipe, images) + EVALUATION_BATCH) + 24 * images.train)


def _estimate_run(recipe: Recipe, images: ImageCounts) -> Estimate:
    sizes = (images.pixels, *recipe.hidden_sizes, images.classes)
    weights = sum(inputs * outputs + outputs for inputs, outputs in pairwise(sizes))
    # weights, gradients and optimizer state; before there is a state, a copy of the initial weights
    copies = 2 + OPTIMIZER_STATES[recipe.optimizer.name]
    units = sum(sizes[1:])
    activations = 4 * units * max(4 * _batch_size(recipe, images), 3 * EVALUATION_BATCH)
    training_set = 24 * (min(recipe.train_size or images.train, images.train) + recipe.validation_size)
    predictions = images.test * TOP_K * 4
    snapshot = predictions + (MAX_FIRST_LAYERS + 1) * MAX_UNITS * images.pixels
    history = math.ceil(recipe.train_iter / recipe.eval_every) * EVALUATION_BYTES + RECORD_BYTES
    return Estimate(4 * weights * copies, activations + training_set + predictions + snapshot + history)


def _batch_size(recipe: Recipe, images: ImageCounts) -> int:
    return min(recipe.batch_size, images.train)


def split_runs(recipes: Sequence[Recipe], images: ImageCounts, *, most_bytes: float, most_runs: int) -> list[int]:
    """Split a cohort into parts that need at most so many bytes each; return how many runs each part has."""
    counts: list[int] = []
    count, total, seeds = 0, _estimate_shared(recipes[0], images), set[int]()
    for recipe in recipes:
        added = _estimate_run(recipe, images)
        if recipe.seed not in seeds:
            added += _estimate_seed(recipe, images)
        if count and (count == most_runs or (total + added).total > most_bytes):
            counts.append(count)
            count, total, seeds = 0, _estimate_shared(recipe, images), set()
            added = _estimate_run(recipe, images) + _estimate_seed(recipe, images)
        count, total = count + 1, total + added
        seeds.add(recipe.seed)
    return [*counts, count]


@dataclass(frozen=True)
class MemoryUsage:
    """The bytes in use on a device."""

    by_owner: Counter[str]  # of their jobs
    images: dict[str, int]  # of each data set
    unused: dict[str, int]  # of those that no job uses


class MemoryBudget:
    """Decides how a submission is split into jobs that fit in memory, and which of them may start.

    Args:
        library: The data sets in memory, which count too.
        total: Bytes for jobs, on any device. Default: a share of what is free when it is first needed.
    """

    def __init__(self, library: DatasetLoader, total: int | None = None) -> None:
        self._library = library
        self._given = total
        self._totals: dict[str, int] = {}

    def total(self, device: str) -> int:
        """Return the bytes that jobs may use on a device, images included."""
        if device not in self._totals:
            self._totals[device] = self._given or find_budget(torch.device(device))
        return self._totals[device]

    def split(self, recipes: Sequence[Recipe], device: str) -> list[tuple[int, Demand]]:
        """Split a cohort into jobs that fit; return how many runs each has, and what it needs.

        Raises SentenceError if one of the runs can never fit.
        """
        total, images = self.total(device), count_images(self._library.home(), recipes[0].dataset)
        for recipe in set(recipes):
            estimate = estimate_job([recipe], images)
            if estimate.total + images.bytes > total:
                raise SentenceError(
                    NEVER_FITS,
                    needed=(estimate.total + images.bytes) / GIGABYTE,
                    total=total / GIGABYTE,
                    weights=estimate.weights / GIGABYTE,
                    batches=estimate.batches / GIGABYTE,
                    images=images.bytes / GIGABYTE,
                )
        counts = split_runs(recipes, images, most_bytes=SHARE_OF_JOB * total, most_runs=MAX_COHORT_RUNS)
        ends = list(accumulate(counts))
        parts = [recipes[end - count : end] for count, end in zip(counts, ends, strict=True)]
        return [(len(part), Demand(device, estimate_job(part, images).total, images.bytes)) for part in parts]

    def find_waiting_reasons(self, jobs: Sequence[Job]) -> dict[Job, Sentence]:
        """Find which jobs cannot start now for lack of memory, and say why."""
        reasons = {}
        in_memory = [job for job in jobs if job.is_in_memory]
        usages = {device: self._measure(device, in_memory) for device in {job.demand.device for job in jobs}}
        for job in jobs:
            if not job.is_in_memory and (reason := self._find_reason(job, usages[job.demand.device])) is not None:
                reasons[job] = reason
        return reasons

    def _measure(self, device: str, in_memory: Sequence[Job]) -> MemoryUsage:
        jobs = [job for job in in_memory if job.demand.device == device]
        resident = self._library.resident_bytes(device)
        loading = {job.dataset: job.demand.image_bytes for job in jobs if job.dataset not in resident}
        images = resident | {dataset: LOADING_FACTOR * size for dataset, size in loading.items()}
        owners: Counter[str] = Counter()
        for job in jobs:
            owners[job.owner] += job.demand.bytes
        used = {job.dataset for job in jobs}
        return MemoryUsage(owners, images, {dataset: size for dataset, size in resident.items() if dataset not in used})

    def _find_reason(self, job: Job, usage: MemoryUsage) -> Sentence | None:
        total, demand = self.total(job.demand.device), job.demand
        own, limit = usage.by_owner[job.owner], SHARE_OF_OWNER * total
        if own and own + demand.bytes > limit:
            return Sentence(OWNER_USES_MEMORY, {"used": own / GIGABYTE, "limit": limit / GIGABYTE})
        # a job that has the memory to itself may use all of it while its images are loaded
        factor = LOADING_FACTOR if usage.by_owner else 1
        needed = demand.bytes + (0 if job.dataset in usage.images else factor * demand.image_bytes)
        free = total - usage.by_owner.total() - sum(usage.images.values())
        unused = sum(size for dataset, size in usage.unused.items() if dataset != job.dataset)
        if free < needed <= free + unused:
            self._library.release_unused(keep=job.dataset)
        elif needed > free:
            values = {"needed": needed / GIGABYTE, "free": max(free, 0) / GIGABYTE, "total": total / GIGABYTE}
            return Sentence(WAITS_FOR_MEMORY, values)
        return None


def find_budget(device: torch.device) -> int:
    """Find the bytes that jobs may use on a device: a share of what is free on it now."""
    if device.type == "cuda":
        return int(SHARE_OF_FREE * torch.cuda.mem_get_info(device)[0])
    return int(SHARE_OF_FREE * find_free())


def find_free(root: Path = Path("/")) -> int:
    """Find the bytes this process can still take: of the machine, of its control groups and of its own limit."""
    return max(0, min(_free_bytes(root), default=4_000_000_000))  # where the system tells nothing, a small machine


def _free_bytes(root: Path) -> Iterator[int]:
    with suppress(OSError, KeyError):
        yield _read_kilobytes(root / "proc/meminfo")["MemAvailable"]
    with suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                yield from _free_of_groups(root / "sys/fs/cgroup", path, "memory.max", "memory.current")
            elif "memory" in controllers.split(","):
                names = "memory.limit_in_bytes", "memory.usage_in_bytes"
                yield from _free_of_groups(root / "sys/fs/cgroup/memory", path, *names)
    if sys.platform == "linux":
        import resource  # not on every system

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            with suppress(OSError, KeyError):
                yield limit - _read_kilobytes(root / "proc/self/status")["VmSize"]


def _free_of_groups(mount: Path, path: str, limit_name: str, usage_name: str) -> Iterator[int]:
    """Read what is free in a control group and in each one above it; in a container, the path is often not there."""
    group = mount / path.strip("/")
    for folder in (group, *group.parents):
        with suppress(OSError, ValueError):  # "max": no limit
            limit = int((folder / limit_name).read_text())
            yield limit - int((folder / usage_name).read_text()) + _read_cache(folder)
        if folder == mount:
            return


def _read_cache(group: Path) -> int:
    """Read how much of a control group's usage is files in the page cache, which the kernel gives up when needed."""
    with suppress(OSError):
        for line in (group / "memory.stat").read_text().splitlines():
            name, value = line.split()
            if name in ("inactive_file", "total_inactive_file"):
                return int(value)
    return 0


def _read_kilobytes(file: Path) -> dict[str, int]:
    lines = (line.split() for line in file.read_text().splitlines())
    return {name.rstrip(":"): int(words[0]) * 1024 for name, *words in lines if words[1:] == ["kB"]}
