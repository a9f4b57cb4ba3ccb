"""A test of an accelerator: a small cohort is trained there and on the CPU, and the results are compared."""

import math

import torch

from mlpcore.data.batches import place_images
from mlpcore.data.datasets import ImageSplit
from mlpcore.recipes.recipe import SGD, Adam, NoScheduler, Recipe
from mlpcore.training.lockstep import train_cohort

TOLERANCE = 1e-3  # relative; rounding alone changes the losses of 20 iterations by about 1e-6
RECIPE = Recipe(
    hidden_sizes=(32, 16), batch_size=32, train_iter=20, eval_every=10, scheduler=NoScheduler(), dropout=0.0
)
RECIPES = [RECIPE.model_copy(update={"optimizer": optimizer}) for optimizer in (SGD(lr=0.01), Adam(lr=0.001))]


def is_correct(device: torch.device) -> bool:
    """Return whether training on a device gives the results that the CPU gives, but for rounding."""
    pairs = zip(_train(device), _train(torch.device("cpu")), strict=True)
    return all(math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE) for one, other in pairs)


def _train(device: torch.device) -> list[float]:
    """Train on made-up images; return the losses and weight norms."""
    generator = torch.Generator().manual_seed(0)
    data = torch.randint(256, (128, 3, 8, 8), dtype=torch.uint8, generator=generator)
    split = ImageSplit(data, torch.arange(128) % 4, ("a", "b", "c", "d"))
    found = []
    for progress in train_cohort(RECIPES, place_images(split, split, device), device=device):
        for _, evaluation in sorted(progress.evaluations.items()):
            found += [evaluation.train_loss, evaluation.train_eval_loss, evaluation.test_loss, *evaluation.weight_norms]
    return found
