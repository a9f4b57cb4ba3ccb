"""The device a run computes on, through torch's accelerator interface; "auto" takes one only after a test."""

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

import torch

from mlpcore.data.batches import place_images
from mlpcore.data.datasets import ImageSplit
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.recipe import SGD, Adam, NoScheduler, Recipe
from mlpcore.training import messages
from mlpcore.training.kernels.matmul import has_bfloat16
from mlpcore.training.lockstep import train_cohort

TOLERANCE = 1e-3  # relative; rounding alone changes the losses of 20 iterations by about 1e-6
RECIPE = Recipe(
    hidden_sizes=(32, 16), batch_size=32, train_iter=20, eval_every=10, scheduler=NoScheduler(), dropout=0.0
)
RECIPES = [RECIPE.model_copy(update={"optimizer": optimizer}) for optimizer in (SGD(lr=0.01), Adam(lr=0.001))]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeviceChoice:
    """The device that "auto" means on this machine, and why."""

    device: torch.device
    reason: Sentence


_choice: DeviceChoice | None = None
_lock = threading.Lock()


def list_devices() -> list[str]:
    """List the devices a recipe can name on this machine: the accelerator, if there is one, then the CPU."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return ["cpu"] if accelerator is None else [accelerator.type, "cpu"]


def pick_device(wanted: str = "auto") -> torch.device:
    """Pick the device that `wanted` names; "auto" means the accelerator if it passes a test, otherwise the CPU.

    Raises:
        SentenceError: This machine has no such device.
    """
    if wanted == "auto":
        return _choose_once().device
    available = list_devices()
    if wanted not in available:
        raise SentenceError(messages.NO_SUCH_DEVICE, field="device", value=wanted, options=", ".join(available))
    return torch.device(wanted)


def pick_device_of(recipe: Recipe) -> torch.device:
    """Pick the device of a recipe. Raises SentenceError if this machine lacks it, or it cannot do what is asked."""
    device = pick_device(recipe.device)
    if recipe.precision == "bfloat16" and not has_bfloat16(device):
        raise SentenceError(messages.NO_BFLOAT16, field="precision", value=recipe.precision, device=str(device))
    return device


def explain_device(wanted: str = "auto") -> Sentence:
    """Say which device `pick_device` picks, and why. Raises SentenceError as it does."""
    device = pick_device(wanted)
    return _choose_once().reason if wanted == "auto" else Sentence(messages.NAMED, {"device": str(device)})


def _choose_once() -> DeviceChoice:
    """Choose what "auto" means at the first call; later calls return the same."""
    global _choice
    with _lock:
        if _choice is None:
            _choice = choose_device(list_devices()[0])
        return _choice


def is_correct(device: torch.device) -> bool:
    """Return whether training on a device gives the results that the CPU gives, but for rounding."""
    pairs = zip(_train_small_cohort(device), _train_small_cohort(torch.device("cpu")), strict=True)
    return all(math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE) for one, other in pairs)


def _train_small_cohort(device: torch.device) -> list[float]:
    """Train on made-up images; return the losses and weight norms."""
    generator = torch.Generator().manual_seed(0)
    data = torch.randint(256, (128, 3, 8, 8), dtype=torch.uint8, generator=generator)
    split = ImageSplit(data, torch.arange(128) % 4, ("a", "b", "c", "d"))
    found = []
    for progress in train_cohort(RECIPES, place_images(split, split, device), device=device):
        for _, evaluation in sorted(progress.evaluations.items()):
            found += [evaluation.train_loss, evaluation.train_eval_loss, evaluation.test_loss, *evaluation.weight_norms]
    return found


def choose_device(name: str, *, test: Callable[[torch.device], bool] = is_correct) -> DeviceChoice:
    """Choose between an accelerator and the CPU by a test of the accelerator."""
    if name == "cpu":
        return DeviceChoice(torch.device("cpu"), Sentence(messages.NO_ACCELERATOR))
    try:
        passed, failure = test(torch.device(name)), messages.DIFFERS
    except Exception:  # drivers raise many kinds of errors
        log.warning("The test of %s failed.", name, exc_info=True)
        passed, failure = False, messages.FAILS
    if passed:
        return DeviceChoice(torch.device(name), Sentence(messages.PASSED, {"device": name}))
    return DeviceChoice(torch.device("cpu"), Sentence(failure, {"device": name}))
