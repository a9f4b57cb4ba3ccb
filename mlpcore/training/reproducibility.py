"""Whether training a recipe again gives the same numbers, and hashes of initial weights and batches."""

import hashlib
import platform

import torch

from mlpcore.data.batches import RandomSampler
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run
from mlpcore.seeds import build_generator
from mlpcore.training.device import pick_device
from mlpcore.training.models import build_model

HASHED_BATCHES = 20  # the first ones: runs that share these share all


def find_versions() -> dict[str, str]:
    """Find the versions of what the last digits of a run depend on."""
    return {"torch": torch.__version__, "python": platform.python_version()}


def is_reproducible(run: Run) -> bool:
    """Return whether training the run's recipe again gives the same numbers: on the CPU, with the same versions.

    The images are assumed to be the same; a run does not record them.
    """
    if not run.evaluations:
        return True
    try:
        device = pick_device(run.recipe.device)
    except ValueError:
        return False
    return run.device == device.type == "cpu" and dict(run.versions) == find_versions()


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
