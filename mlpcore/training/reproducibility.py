"""What the last digits of a run depend on, whether training it again gives them, and hashes of weights and batches."""

import ctypes
import hashlib
import os
import platform
from enum import StrEnum
from functools import cache
from pathlib import Path

import numpy as np
import torch

from mlpcore.data.batches import RandomSampler
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.kernel_rule import RECORDED_AS, KernelRule
from mlpcore.runs.records import Run
from mlpcore.seeds import build_generator
from mlpcore.training.device import pick_device
from mlpcore.training.kernels.matmul import choose_rule, usable_rule
from mlpcore.training.models import build_model

HASHED_BATCHES = 20  # the first ones: runs that share these share all
STRICT = 0x10000  # the flag of MKL's strict mode in mkl_cbwr_get's answer


def count_threads() -> int:
    """Count the threads that train: OMP_NUM_THREADS, or all cores but one.

    One core is left free for the page that is drawn and the browser. A step has some twenty parallel parts, and each
    waits for all of its threads: if one of them gets no core, all stand still. Iterations per second on two cores,
    idle and beside two busy processes: two threads 660 and 4, two threads that go to sleep sooner (GOMP_SPINCOUNT) 550
    and 60 to 180, one thread 430 and 200.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)


def describe_environment(rule: KernelRule | None = None) -> dict[str, str]:
    """Describe what the last digits of a run on the CPU depend on, as a run records it.

    rule: the run's rule for matrix products. Default: the rule of new runs.
    """
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "processor": _find_processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": str(count_threads()),
        "products": _find_products(),
        "MKL_CBWR": _find_mkl_mode(),
        RECORDED_AS: rule or choose_rule(),
    }


@cache
def _find_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return (names or [platform.processor() or platform.machine()])[0]


@cache
def _find_products() -> str:
    """Name the library that multiplies matrices, with its version."""
    lines = torch.__config__.show().splitlines()
    names = [line.strip("- ").partition(" for ")[0] for line in lines if "Math Kernel Library" in line]
    return names[0].strip() if names else "not MKL"


@cache
def _find_mkl_mode() -> str:
    """Ask MKL whether its strict mode is in force; it settles that at its first product in this process."""
    if not torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        return "not MKL"
    torch.mm(torch.ones(2, 2), torch.ones(2, 2))
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        return "strict" if library.mkl_serv_cbwr_get(-1) & STRICT else "off"
    except (OSError, AttributeError):
        return f"unknown, set to {os.environ.get('MKL_CBWR', 'nothing')}"


class Repeatability(StrEnum):
    """Whether training a run's recipe again gives the same numbers."""

    EXACT = "exact"
    UNKNOWN = "unknown"  # an older version recorded less of what the last digits depend on
    SIMILAR = "similar"  # they are rounded differently


def compare_environment(run: Run) -> Repeatability:
    """Compare what the last digits of a run depended on with this process.

    The images are assumed to be the same; a run does not record them.
    """
    if not run.evaluations:
        return Repeatability.EXACT
    try:
        device = pick_device(run.recipe.device)
    except ValueError:
        return Repeatability.SIMILAR
    here = describe_environment(usable_rule(run.versions))
    recorded = {RECORDED_AS: KernelRule.MKL} | dict(run.versions)
    if not run.device == device.type == "cpu" or any(here.get(key) != value for key, value in recorded.items()):
        return Repeatability.SIMILAR
    return Repeatability.EXACT if recorded.keys() == here.keys() else Repeatability.UNKNOWN


def hash_weights(recipe: Recipe, *, in_features: int, num_classes: int) -> str:
    """Hash the initial weights and biases of a recipe, to six characters."""
    digest = hashlib.sha256()
    for parameter in build_model(recipe, in_features, num_classes).parameters():
        digest.update(parameter.detach().numpy().tobytes())
    return digest.hexdigest()[:6]


def hash_batches(recipe: Recipe, *, num_samples: int) -> str:
    """Hash the order of training images in a recipe's first mini-batches, to six characters."""
    sampler = RandomSampler(num_samples, recipe.batch_size, generator=build_generator(recipe.seed, "batches"))
    digest = hashlib.sha256()
    for _ in range(HASHED_BATCHES):
        digest.update(next(sampler).numpy().tobytes())
    return digest.hexdigest()[:6]
