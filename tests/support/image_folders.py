"""Write small data sets as image folders."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

TINY = "dataset=Tiny&hidden_sizes=64&batch_size=32&scheduler=none"  # a recipe for what make_tiny writes, as a query
Bound = int | tuple[int, int, int]  # of all three channels, or of each


def write_images(folder: Path, classes: Mapping[str, tuple[Bound, Bound]], *, train: int, test: int) -> None:
    """Write so many 32×32 images per class, of noise from the first bound of the class to below the second."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        for name, (low, high) in classes.items():
            for index in range(count):
                file = folder / split / name / f"{index}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(low, high, (32, 32, 3), dtype=np.uint8)).save(file)


def write_colours(home: Path, name: str = "colours", *, train: int = 3, test: int = 1) -> Path:
    """Write a data set of blue and red images, and return its folder."""
    colours = {"blue": ((0, 0, 255), (1, 1, 256)), "red": ((255, 0, 0), (256, 1, 1))}
    write_images(home / name, colours, train=train, test=test)
    return home / name


def make_tiny(home: Path) -> None:
    """Write the data set Tiny: 2 classes, 200 + 40 images that are easy to tell apart."""
    write_images(home / "Tiny", {"dark": (10, 190), "light": (40, 220)}, train=100, test=20)


def share_cache(home: Path, images: Path) -> None:
    """Let a folder of data sets read and keep the decoded images of one of them in the cache of another folder."""
    images.mkdir(parents=True, exist_ok=True)
    (home / ".cache").mkdir(parents=True, exist_ok=True)
    link = home / ".cache" / images.name
    if not link.exists():  # the folder may be one that other tests have used
        link.symlink_to(images, target_is_directory=True)


def share_shapes(home: Path, drawn_shapes: Path) -> None:
    """Let a folder of data sets have Shapes without drawing them, which takes seconds."""
    for images in (drawn_shapes / ".cache").iterdir():
        share_cache(home, images)
