"""Short hashes that show what runs of one seed share: their initial weights and their mini-batches."""

import hashlib

from mlpcore.models import build_model
from mlpcore.recipe import Recipe
from mlpcore.sampler import RandomSampler
from mlpcore.seeds import build_generator

BATCHES = 20  # the first ones: two runs that share them share them all


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
