"""A run's moments, replayed, are what its snapshots were when it trained, bit for bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.catalog import ImageCounts
from mlpcore.data.datasets import ImageSplit, load_data
from mlpcore.messages import SentenceError
from mlpcore.recipes.inputs import POINT
from mlpcore.recipes.points import Spiral
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.snapshots import Snapshot
from mlpcore.training.kernels.matmul import choose_rule
from mlpcore.training.lockstep import train_cohort
from mlpcore.training.replay.moments import MomentsView
from mlpcore.training.replay.replay import PastRun
from tests.support.cohorts import CPU, MIXTURE
from tests.support.generators import exhaust
from tests.support.present import present

ON_POINTS = MIXTURE[1].replace(dataset="Spiral", points=Spiral(count=120, classes=3))


def train(recipe: Recipe, images: DeviceImages) -> tuple[PastRun, dict[int, Snapshot]]:
    """Train a recipe as the worker does; return what a replay needs, and the snapshot of each evaluation."""
    items = list(train_cohort([recipe], images, device=CPU))
    snapshots = {item.snapshots[0].step: item.snapshots[0] for item in items if item.snapshots}
    evaluations = [one for item in items for one in item.evaluations.values()]
    norms = tuple((one.step, one.weight_norms) for one in evaluations)
    losses = tuple((one.step, one.followed_loss) for one in evaluations)
    return PastRun(recipe, choose_rule(), norms, losses), snapshots


def test_its_size_is_that_of_three_classes_per_image_and_of_the_first_layers_units_or_the_surface() -> None:
    view = MomentsView(PastRun(MIXTURE[1], choose_rule(), ()), (0, 10))
    assert view.estimate(ImageCounts(50_000, 10_000, 10)) == 2 * (10_000 * 3 * 4 + 24 * 3072)
    assert view.estimate(ImageCounts(300, 100, 3, POINT)) == 2 * (100 * 3 * 4 + 24 * 16**2 + 3 * 64**2)


@pytest.mark.parametrize("recipe", [*MIXTURE[1::4], MIXTURE[-1], ON_POINTS])
def test_replayed_moments_are_the_snapshots_of_the_run(
    recipe: Recipe, tiny_images: tuple[ImageSplit, ImageSplit]
) -> None:
    on_points = recipe.points is not None
    images = place_images(*(load_data(recipe.data, Path("nowhere")) if on_points else tiny_images), CPU)
    past, snapshots = train(recipe, images)
    moments, shares = exhaust(MomentsView(past, (0, *past.steps)).compute(images, CPU))
    assert list(moments) == [0, *snapshots]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1
    for step, snapshot in snapshots.items():
        assert moments[step].step == step
        for name in ("labels", "top_classes", "top_probabilities"):
            found, wanted = getattr(moments[step], name), getattr(snapshot, name)
            assert found.dtype == wanted.dtype
            assert np.array_equal(found, wanted)
        layer, wanted_layer = moments[step].first_layers[-1], snapshot.first_layers[-1]
        assert (layer.number, layer.step) == (wanted_layer.number, wanted_layer.step)
        assert np.array_equal(layer.units, wanted_layer.units)
        if on_points:
            surface, wanted_surface = (present(one.plane).surfaces[-1] for one in (moments[step], snapshot))
            assert surface.number == wanted_surface.number
            assert np.array_equal(surface.shares, wanted_surface.shares)
    first = next(iter(snapshots.values()))
    assert np.array_equal(moments[0].first_layers[0].units, first.first_layers[0].units)


def test_moments_that_are_not_the_runs_are_refused(tiny_images: tuple[ImageSplit, ImageSplit]) -> None:
    images = place_images(*tiny_images, CPU)
    past, _snapshots = train(MIXTURE[1], images)
    (step, norms), *rest = past.evaluations
    other = replace(past, evaluations=((step, (norms[0] * 1.001, *norms[1:])), *rest))
    with pytest.raises(SentenceError, match=f"At step {step} the replayed network is not the one"):
        exhaust(MomentsView(other, past.steps).compute(images, CPU))
