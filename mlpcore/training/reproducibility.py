"""Whether a recipe comes to the very points of a run of it again, here and now."""

import hashlib
import platform

import torch

from mlpcore.data.batches import RandomSampler
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run
from mlpcore.seeds import build_generator
from mlpcore.training.device import pick_device
from mlpcore.training.models import build_model

BATCHES = 20  # the first ones: two runs that share them share them all


def find_versions() -> dict[str, str]:
    """Name what a run's last digits depend on, by version."""
    return {"torch": torch.__version__, "python": platform.python_version()}


def is_reproducible(run: Run) -> bool:
    """Whether the run was measured as it would be now: on the CPU, by the same versions of torch and Python.

    Its images are taken to be the same: what they were is not kept with a run.
    """
    if not run.evaluations:
        return True
    try:
        device = pick_device(run.recipe.device)
    except ValueError:
        return False
    return run.device == device.type == "cpu" and dict(run.versions) == find_versions()


def hash_weights(recipe: Recipe, *, in_features: int, num_classes: int) -> str:
    """Hash the weights and biases a run begins with."""
    digest = hashlib.sha256()
    for parameter in build_model(recipe, in_features, num_classes).parameters():
        digest.update(parameter.detach().numpy().tobytes())
    return digest.hexdigest()[:6]


def hash_batches(recipe: Recipe, *, num_samples: int) -> str:
    """Hash the order in which a run's first mini-batches take its training images."""
    sampler = RandomSampler(num_samples, recipe.batch_size, generator=build_generator(recipe.seed, "batches"))
    digest = hashlib.sha256()
    for _ in range(BATCHES):
        digest.update(next(sampler).numpy().tobytes())
    return digest.hexdigest()[:6]
