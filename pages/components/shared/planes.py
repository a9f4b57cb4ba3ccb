"""The plane of a run or a recipe: from its snapshot, or as it is before any network has seen it."""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mlpcore.data.points import SPLITS, draw_split, find_limit
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.plane import MAX_POINTS, Plane
from mlpcore.runs.records import Run
from pages.components.shared.state import array_bytes, find_images, get_cache, read_snapshot, torch_is_loaded

if TYPE_CHECKING:
    from mlpcore.data.batches import DeviceImages


def read_plane(run: Run | None) -> Plane | None:
    """Return what a run has made of the plane so far; None if it has not been evaluated, or was not kept."""
    snapshot = read_snapshot(run.id) if run is not None and run.evaluations else None
    return snapshot.plane if snapshot else None


def find_plane(recipe: Recipe) -> Plane | None:
    """Return the points of a recipe without any surface; None for images.

    Until torch has loaded they are all points of the data set, with their true labels.
    """
    if recipe.points is None:
        return None
    images = find_images(recipe) if torch_is_loaded() else None
    key = ("plane", recipe.model_copy(update={"changes": ()}), images is not None)
    return get_cache().get(key, partial(_draw_plane, recipe, images), size=array_bytes)


def _draw_plane(recipe: Recipe, images: "DeviceImages | None") -> Plane:
    if images is not None:
        from mlpcore.training.cohort_run import draw_images
        from mlpcore.training.plane import show_points

        with suppress(ValueError):  # the recipe does not fit its data, and the page says so
            return show_points(images, draw_images(recipe, images))
    assert recipe.points is not None, "only points have a plane"
    (train, labels), (test, test_labels) = (draw_split(recipe.points, split) for split in SPLITS)
    shown = slice(MAX_POINTS)
    return Plane(
        limit=find_limit(np.concatenate([train, test])),
        train=train[shown],
        train_labels=labels[shown],
        is_wrong=np.zeros(len(labels[shown]), bool),
        test=test[shown],
        test_labels=test_labels[shown],
    )
