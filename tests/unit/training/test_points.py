"""Training on points in the plane: as alone so in a cohort, and surfaces as plain torch computes them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.datasets import load_data
from mlpcore.recipes.points import Spiral
from mlpcore.recipes.recipe import SGD, Adam, Recipe
from mlpcore.runs.plane import MAP_SIDE, MAX_SURFACES, SIDE, Plane
from mlpcore.runs.snapshots import Snapshot, pack_snapshot, unpack_snapshot
from mlpcore.training.kernels.matmul import choose_rule
from mlpcore.training.lockstep import Cohort, cohort_key, train_cohort
from tests.support.cohorts import CPU, MIXTURE, collect, recipe
from tests.support.present import present

SPIRAL = Spiral(count=120, classes=3, noise=0.05, data_seed=4)


def points_of(one: Recipe) -> DeviceImages:
    return place_images(*load_data(one.data, Path("nowhere")), CPU)


def on_spiral(one: Recipe, **values: object) -> Recipe:
    return one.replace(dataset="Spiral", points=SPIRAL, **values)


def last_snapshot(one: Recipe) -> Snapshot:
    kept = None
    for progress in train_cohort([one], points_of(one), device=CPU):
        if progress.snapshots:
            kept = progress.snapshots[0].after(kept)
    return present(kept)


def plane_of(one: Recipe) -> Plane:
    return present(last_snapshot(one).plane)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"hidden_sizes": (13, 5)},
        {"activation": "tanh"},
        {"batch_size": 7},
        {"batch_size": 120, "hidden_sizes": (1,)},
    ],
)
def test_a_run_has_the_history_in_a_cohort_that_it_has_alone(values: dict[str, object]) -> None:
    recipes = [on_spiral(one, **values) for one in MIXTURE]
    images = points_of(recipes[0])
    together = list(train_cohort(recipes, images, device=CPU))
    for position, one in enumerate(recipes):
        assert collect(together, position) == collect(list(train_cohort([one], images, device=CPU)))


def test_runs_on_other_points_train_in_other_cohorts() -> None:
    one = on_spiral(recipe())
    others = [SPIRAL.replace(**{name: value}) for name, value in {"count": 60, "noise": 0.1, "data_seed": 1}.items()]
    keys = {cohort_key(one.replace(points=points)) for points in (SPIRAL, *others)}
    assert len(keys) == 4
    assert cohort_key(one) == cohort_key(one.replace(seed=5, optimizer=Adam()))


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_surfaces_and_maps_are_what_plain_torch_computes(activation: str) -> None:
    one = on_spiral(recipe(), activation=activation, train_iter=3, eval_every=3, dropout=0.5)
    images = points_of(one)
    cohort = Cohort([one, one.replace(seed=9)], images, CPU, choose_rule())
    layers = [nn.Linear(2, 32), nn.Linear(32, 16), nn.Linear(16, 3)]
    function = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}[activation]
    plain = nn.Sequential(layers[0], function(), layers[1], function(), layers[2], nn.Softmax(dim=1))
    plain.load_state_dict(dict(zip(plain.state_dict(), cohort.network.parameters(1), strict=True)))

    mean, std = images.train.data.double().mean(dim=0), images.train.data.double().std(dim=0, correction=0)

    def grid(side: int) -> torch.Tensor:
        along = np.linspace(-present(images.limit), present(images.limit), side)
        return torch.tensor([[x, y] for y in along for x in along]).sub(mean).div(std).float()

    run = cohort.runs[1]
    with torch.no_grad():
        expected = 255 * plain(grid(SIDE)).t().view(3, SIDE, SIDE).numpy()
        answers = plain[:2](grid(MAP_SIDE)).t().view(-1, MAP_SIDE, MAP_SIDE)[:24]
    (surface,) = present(run.plane).surfaces
    assert (surface.number, surface.step) == (0, 0)
    assert np.abs(surface.shares - expected).max() < 0.501
    shown = 128 + 127 * answers / answers.abs().amax(dim=(1, 2), keepdim=True)
    upright = np.flip(run.initial_units[:, 0], axis=1)  # the first row of an image is the top
    assert np.abs(upright - shown.numpy()).max() < 0.51


def test_a_snapshot_has_the_points_the_run_learns_with_the_labels_it_learns() -> None:
    one = on_spiral(recipe(), train_size=50, label_noise=0.5, validation_size=20)
    images = points_of(one)
    plane = plane_of(one)
    assert (len(plane.train), len(plane.test)) == (50, 400)
    places = [int(np.flatnonzero((images.train.data.numpy() == point).all(axis=1))[0]) for point in plane.train]
    true = images.train.targets.numpy()[places]
    assert (plane.is_wrong == (plane.train_labels != true)).all()
    assert 5 < plane.is_wrong.sum() < 30
    assert np.array_equal(plane.test, images.test.data[:400])
    assert plane.test_labels.tolist() == images.test.targets[:400].tolist()


def test_surfaces_go_from_the_initial_network_to_the_newest_and_are_thinned_evenly() -> None:
    few = plane_of(on_spiral(recipe(), train_iter=24, eval_every=8)).surfaces
    assert [(one.number, one.step) for one in few] == [(0, 0), (1, 8), (2, 16), (3, 24)]
    many = plane_of(on_spiral(recipe(), train_iter=61, eval_every=1)).surfaces
    assert [one.number for one in many] == [*range(0, 61, 4), 61]
    assert len(many) <= MAX_SURFACES


def test_probabilities_of_all_classes_add_up() -> None:
    surface = plane_of(on_spiral(recipe(optimizer=SGD(lr=0.1)))).surfaces[-1]
    total = surface.shares.astype(int).sum(axis=0)
    assert np.abs(total - 255).max() <= 2
    assert surface.shares.std() > 1


def test_a_snapshot_comes_back_as_it_was_packed() -> None:
    packed = last_snapshot(on_spiral(recipe(), label_noise=0.4))
    again = present(unpack_snapshot(pack_snapshot(packed), "run"))
    before, after = present(packed.plane), present(again.plane)
    for name in ("limit", "train", "train_labels", "is_wrong", "test", "test_labels"):
        assert np.array_equal(getattr(before, name), getattr(after, name))
    assert [(one.number, one.step) for one in before.surfaces] == [(one.number, one.step) for one in after.surfaces]
    pairs = zip(before.surfaces, after.surfaces, strict=True)
    assert all(np.array_equal(one.shares, other.shares) for one, other in pairs)
    assert again.first_layers[-1].units.shape == (24, 1, MAP_SIDE, MAP_SIDE)


@pytest.mark.parametrize(
    "values", [{"limit": float("nan")}, {"limit": 0.0}, {"surfaces": ()}, {"test_labels": [7] * 400}]
)
def test_a_plane_whose_arrays_do_not_fit_is_not_shown(values: dict[str, object]) -> None:
    plane = plane_of(on_spiral(recipe()))
    assert plane.has_fitting_arrays(3)
    values = {name: np.array(value) if isinstance(value, list) else value for name, value in values.items()}
    assert not replace(plane, **values).has_fitting_arrays(3)  # type: ignore[arg-type]
