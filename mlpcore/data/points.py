"""Draw points in the plane: moons, circles, a spiral, a checkerboard, blobs; most of them within −1 … 1.

Every machine draws the same numbers, because of the two rules in shapes.py: random numbers are the raw words of PCG64,
and coordinates come only from + − × ÷, square root and comparisons. Where others draw with a sine, the angle here is
cut into 1,024 parts and the rotation by one part is doubled ten times; it ends within 3e-6 of the circle.

A point takes four words, so that the first points are the same however many there are.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mlpcore.data.catalog import TEST_POINTS
from mlpcore.recipes.points import AnyPoints

Array = np.ndarray

SPLITS = ("train", "test")
MARGIN = 1.05  # times the farthest point: how far the plane goes
CLASSES = ("A", "B", "C", "D", "E", "F")
TWO_PI = 6.283185307179586
ROOT_OF_3 = 1.7320508075688772


def draw_split(drawn: AnyPoints, split: str) -> tuple[Array, Array]:
    """Draw a split of a recipe's points."""
    count = drawn.count if split == "train" else TEST_POINTS
    shape: dict[str, Any] = {"noise": drawn.noise, "classes": drawn.classes, "data_seed": drawn.data_seed}
    return draw_points(OUTLINES[drawn.name], split, count=count, **shape)


def find_limit(points: Array) -> float:
    """Find how far the plane must go in all directions for these points to be seen, to a tenth."""
    return math.ceil(10 * MARGIN * float(np.abs(points).max())) / 10


def draw_points(
    outline: "Outline", split: str, *, count: int, noise: float, classes: int, data_seed: int
) -> tuple[Array, Array]:
    """Draw so many points of a split, whose classes come in turn unless the outline says otherwise.

    Args:
        outline: Places points without noise.
        noise: Standard deviation of what is added to each coordinate: a sum of four uniform numbers, nearly normal.

    Returns:
        Points, float32 (count, 2), and labels, int64 (count,).
    """
    words = np.random.PCG64(np.random.SeedSequence([SPLITS.index(split), data_seed])).random_raw(4 * count)
    words = words.reshape(count, 4)
    along, across = (words[:, :2] >> np.uint64(11)).T * 2.0**-53  # uniform in 0 … 1
    parts = words[:, 2:].copy().view(np.uint16).reshape(count, 2, 4).sum(axis=2, dtype=np.int64)
    x, y, labels = outline(along, across, np.arange(count) % classes, classes)
    strayed = np.stack([x, y], axis=1) + (parts - 131_070) * (noise * ROOT_OF_3 / 65_536)
    return strayed.astype(np.float32), labels


def moons(along: Array, _across: Array, labels: Array, _classes: int) -> tuple[Array, Array, Array]:
    """Place points on two half circles."""
    x, y = turn(along / 2)
    return (np.where(labels == 0, x, 1 - x) - 0.5) * 0.7, (np.where(labels == 0, y, 0.5 - y) - 0.25) * 0.7, labels


def circles(along: Array, _across: Array, labels: Array, classes: int) -> tuple[Array, Array, Array]:
    """Place points on circles, the first class on the smallest."""
    x, y = turn(along)
    radius = (labels + 1) / classes
    return x * radius, y * radius, labels


def spiral(along: Array, _across: Array, labels: Array, classes: int) -> tuple[Array, Array, Array]:
    """Place points on the arms of a spiral, as densely near its centre as far out."""
    radius = np.sqrt(0.01 + 0.99 * along)
    x, y = turn(1.25 * radius + labels / classes)
    return x * radius, y * radius, labels


def checkerboard(along: Array, across: Array, _labels: Array, classes: int) -> tuple[Array, Array, Array]:
    """Place points anywhere; the square decides the class."""
    labels = ((4 * along).astype(np.int64) + (4 * across).astype(np.int64)) % classes
    return 2 * along - 1, 2 * across - 1, labels


def blobs(_along: Array, _across: Array, labels: Array, classes: int) -> tuple[Array, Array, Array]:
    """Place points at the corners of a regular polygon, from which noise takes them."""
    x, y = turn((labels + 0.5) / classes)
    return 0.7 * x, 0.7 * y, labels


def turn(turns: Array) -> tuple[Array, Array]:
    """Return cosine and sine of an angle in turns."""
    angle = turns * (TWO_PI / 1024)
    x, y = 1 - angle * angle / 2, angle - angle * angle * angle / 6
    for _ in range(10):
        x, y = x * x - y * y, 2 * x * y
    return x, y


Outline = Callable[[Array, Array, Array, int], tuple[Array, Array, Array]]
OUTLINES: dict[str, Outline] = {
    "Moons": moons,
    "Circles": circles,
    "Spiral": spiral,
    "Checkerboard": checkerboard,
    "Blobs": blobs,
}
