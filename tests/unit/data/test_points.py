"""Points in the plane: the same on every machine, in the shapes that their names promise."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mlpcore.data.batches import place_images
from mlpcore.data.datasets import ImageSplit, channel_statistics, load_data, normalise
from mlpcore.data.points import turn
from mlpcore.recipes.inputs import POINT
from mlpcore.recipes.points import POINT_SETS, AnyPoints, Blobs, Checkerboard, Circles, DataSource, Moons, Spiral

CPU = torch.device("cpu")
MANY: dict[str, AnyPoints] = {
    "Moons": Moons(count=200, noise=0.2, data_seed=3),
    "Circles": Circles(count=200, noise=0.2, classes=4, data_seed=3),
    "Spiral": Spiral(count=200, noise=0.2, classes=5, data_seed=3),
    "Checkerboard": Checkerboard(count=200, noise=0.2, classes=3, data_seed=3),
    "Blobs": Blobs(count=200, noise=0.2, classes=6, data_seed=3),
}


def draw(name: str, **values: object) -> tuple[ImageSplit, ImageSplit]:
    return load_data(DataSource(name, POINT_SETS[name](**values)), Path("nowhere"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("Moons", "81e05bd8acdace33"),
        ("Circles", "c84a8a386817d43f"),
        ("Spiral", "4ac5025ed422be88"),
        ("Checkerboard", "6e6d820c978b08a7"),
        ("Blobs", "cc6e395c094052b5"),
    ],
)
def test_every_machine_draws_the_same_numbers(name: str, digest: str) -> None:
    parts = load_data(DataSource(name, MANY[name]), Path("nowhere"))
    numbers = b"".join(part.numpy().tobytes() for split in parts for part in (split.data, split.targets))
    statistics = b"".join(part.numpy().tobytes() for part in channel_statistics(parts[0]))
    # When points are meant to move, raise catalog.POINTS_VERSION as well, or what was computed of the old ones stays.
    assert hashlib.sha256(numbers + statistics).hexdigest()[:16] == digest


@pytest.mark.parametrize("name", POINT_SETS)
class TestEverySet:
    def test_it_has_as_many_points_as_asked_for_and_a_thousand_to_test_with(self, name: str) -> None:
        train, test = draw(name, count=30)
        assert (train.data.shape, train.data.dtype, train.targets.dtype) == ((30, 2), torch.float32, torch.int64)
        assert (len(train), len(test), train.inputs) == (30, 1000, POINT)
        assert train.classes == test.classes == ("A", "B", "C")[: POINT_SETS[name]().classes]

    def test_more_points_begin_with_the_same_ones(self, name: str) -> None:
        few, many = draw(name, count=30)[0], draw(name, count=700)[0]
        assert torch.equal(few.data, many.data[:30])
        assert torch.equal(few.targets, many.targets[:30])

    def test_another_data_seed_draws_other_points_and_no_point_is_in_both_splits(self, name: str) -> None:
        first, other = (draw(name, count=500, data_seed=seed, noise=0.1) for seed in (0, 1))
        every = torch.cat([split.data for split in (*first, *other)])
        assert len(every.unique(dim=0)) == 2 * 1500

    def test_noise_moves_points_by_its_standard_deviation(self, name: str) -> None:
        still, moved = (draw(name, count=5000, noise=noise)[0] for noise in (0.0, 0.2))
        distance = (moved.data - still.data).double()
        assert torch.equal(moved.targets, still.targets)
        assert distance.mean(dim=0).tolist() == pytest.approx([0, 0], abs=0.01)
        assert distance.std(dim=0).tolist() == pytest.approx([0.2, 0.2], abs=0.005)


@pytest.mark.parametrize("name", ["Circles", "Spiral", "Checkerboard", "Blobs"])
@pytest.mark.parametrize("classes", [2, 3, 4, 5, 6])
def test_there_are_as_many_classes_as_asked_for(name: str, classes: int) -> None:
    train, test = draw(name, classes=classes)
    assert train.targets.unique().tolist() == test.targets.unique().tolist() == list(range(classes))
    assert train.classes == tuple("ABCDEF"[:classes])


class TestOutlines:
    """Without noise, each point lies where its class has to be."""

    def test_moons_are_two_half_circles(self) -> None:
        points, labels = self.draw("Moons")
        upper, lower = points[labels == 0] / 0.7 + [0.5, 0.25], points[labels == 1] / 0.7 + [0.5, 0.25]
        assert np.hypot(*upper.T) == pytest.approx(1, abs=1e-4)
        assert upper[:, 1].min() > -1e-4
        assert np.hypot(lower[:, 0] - 1, lower[:, 1] - 0.5) == pytest.approx(1, abs=1e-4)
        assert lower[:, 1].max() < 0.5 + 1e-4

    def test_circles_have_one_centre(self) -> None:
        points, labels = self.draw("Circles", classes=4)
        assert np.hypot(*points.T) == pytest.approx((labels + 1) / 4, abs=1e-4)

    def test_arms_of_a_spiral_are_turned_against_each_other(self) -> None:
        points, labels = self.draw("Spiral", classes=3)
        radius = np.hypot(*points.T)
        turns = np.arctan2(points[:, 1], points[:, 0]) / (2 * math.pi) - 1.25 * radius - labels / 3
        assert np.abs(turns - turns.round()).max() < 1e-4
        assert (radius.min(), radius.max()) == pytest.approx((0.1, 1), abs=0.02)

    def test_squares_of_a_checkerboard_take_turns(self) -> None:
        points, labels = self.draw("Checkerboard", classes=2)
        column, row = np.floor(2 * points.T + 2).clip(0, 3)
        assert ((column + row) % 2 == labels).all()

    def test_blobs_are_as_far_from_each_other_as_they_can_be(self) -> None:
        points, labels = self.draw("Blobs", classes=3)
        corners = np.array([points[labels == label][0] for label in range(3)])
        assert np.abs(points - corners[labels]).max() < 1e-6
        sides = [np.hypot(*(corners[label] - corners[label - 1])) for label in range(3)]
        assert sides == pytest.approx([0.7 * 3**0.5] * 3, abs=1e-4)

    def draw(self, name: str, **values: object) -> tuple[np.ndarray, np.ndarray]:
        train, _test = draw(name, noise=0.0, **values)
        return train.data.numpy(), train.targets.numpy()


def test_the_circle_without_sine_is_a_circle() -> None:
    turns = np.linspace(-1, 3, 4001)
    x, y = turn(turns)
    assert np.abs(x - np.cos(2 * np.pi * turns)).max() < 1e-5
    assert np.abs(y - np.sin(2 * np.pi * turns)).max() < 1e-5


def test_points_are_normalised_and_stay_as_they_were_drawn() -> None:
    train, test = draw("Blobs", count=501)
    before = train.data.clone()
    images = place_images(train, test, CPU)
    read = images.read_train(torch.arange(501))
    again = normalise(train.data, *channel_statistics(train))
    assert torch.equal(read, again)
    assert read.double().mean(dim=0).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert read.double().std(dim=0, correction=0).tolist() == pytest.approx([1, 1], abs=1e-6)
    images.normalise(images.test_images)
    assert torch.equal(train.data, before)
    assert torch.equal(images.test_images, test.data)


def test_plane_holds_every_point() -> None:
    images = place_images(*draw("Moons", noise=0.5), CPU)
    assert images.limit is not None
    assert max(images.train.data.abs().max(), images.test.data.abs().max()) < images.limit
    assert images.limit == round(images.limit, 1)


def test_equal_coordinates_are_only_shifted() -> None:
    flat = ImageSplit(torch.tensor([[0.5, 1.0], [0.5, 3.0]]), torch.tensor([0, 1]), ("A", "B"))
    assert normalise(flat.data, *channel_statistics(flat)).tolist() == [[0, -1], [0, 1]]
