"""Whether training a recipe again gives the same numbers, and hashes of initial weights and batches."""

import hashlib
from enum import StrEnum

from mlpcore.data.batches import RandomSampler
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run
from mlpcore.seeds import build_generator
from mlpcore.training.device import pick_device
from mlpcore.training.environment import describe_environment
from mlpcore.training.models import build_model

HASHED_BATCHES = 20  # the first ones: runs that share these share all


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
    here = describe_environment()
    if not run.device == device.type == "cpu" or any(here.get(key) != value for key, value in run.versions.items()):
        return Repeatability.SIMILAR
    return Repeatability.EXACT if run.versions.keys() == here.keys() else Repeatability.UNKNOWN


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
