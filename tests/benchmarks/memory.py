"""How much memory training takes: `python -m tests.benchmarks.memory [DATASET]`, CIFAR-10's size and four runs.

Prints what the process holds with torch imported, with the images loaded and placed, and at its peak while four runs
of different shapes train in turns, which must share the images. Fails where the peak leaves room for a float copy of
the training images.
"""

import resource
import sys
from pathlib import Path

import torch

from mlpcore.data.batches import place_images
from mlpcore.data.catalog import data_home
from mlpcore.data.datasets import load_data
from mlpcore.recipes.recipe import Recipe
from mlpcore.training.lockstep import train_cohort

STEPS = 400
MB = 1e6


def main() -> None:
    """Measure, print, and compare with the size of a float copy."""
    dataset = sys.argv[1] if len(sys.argv) > 1 else "Shapes"
    load_data(dataset, data_home())  # decoded or drawn, and kept: that is not what is measured
    begun = read_resident()
    train, test = load_data(dataset, data_home())
    placed = place_images(train, test, torch.device("cpu"))
    loaded = read_resident()
    shapes = ((128, 64), (256, 64), (128, 128), (64,))
    recipes = [Recipe(dataset=dataset, hidden_sizes=shape, train_iter=STEPS, eval_every=100) for shape in shapes]
    trainings = [train_cohort([recipe], placed, device=torch.device("cpu")) for recipe in recipes]
    while trainings:
        trainings = [training for training in trainings if next(training, None) is not None]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB
    images = (train.data.numel() + test.data.numel()) / MB
    floats = 4 * train.data.numel() / MB
    print(f"{dataset}: {len(train):,} + {len(test):,} images, {images:.0f} MB as bytes, torch {torch.__version__}")
    print(f"before loading {begun:.0f} MB, images loaded {loaded:.0f} MB, peak with four runs {peak:.0f} MB")
    print(f"peak over before: {peak - begun:.0f} MB; a float copy of the training images alone: {floats:.0f} MB")
    if peak - begun >= images + floats:
        sys.exit("The peak leaves room for a float copy of the training images.")


def read_resident() -> float:
    """The memory that this process holds, in MB (Linux)."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize() / MB


if __name__ == "__main__":
    main()
