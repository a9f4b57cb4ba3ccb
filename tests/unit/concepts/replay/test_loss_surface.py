"""The loss surface: its plane is that of a singular value decomposition, its losses are those of plain torch."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mlpcore.analysis.replay.loss_surface import LossSurface
from mlpcore.concepts.replay import loss_surface
from mlpcore.concepts.replay.loss_surface import GRID, LossSurfaceView, find_plane, measure_plane
from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.catalog import ImageCounts
from mlpcore.data.datasets import ImageSplit
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import SGD, Adam, Recipe
from mlpcore.runs.kernel_rule import KernelRule
from mlpcore.training.models import MLPnet, build_model
from mlpcore.training.replay.replay import PastRun
from tests.support.cohorts import CPU, recipe, train
from tests.support.generators import exhaust

ADAM = recipe(optimizer=Adam(lr=0.01), train_iter=40, eval_every=5, dropout=0.2, label_noise=0.3)
SLOW = recipe(optimizer=SGD(lr=0.02), train_iter=40, eval_every=5)


@pytest.fixture(scope="module")
def images(tiny_images: tuple[ImageSplit, ImageSplit]) -> DeviceImages:
    return place_images(*tiny_images, CPU)


def past(recipe: Recipe, *steps: int) -> PastRun:
    return PastRun(recipe, KernelRule.MKL, tuple((step, ()) for step in steps or range(5, 41, 5)))


def compute(images: DeviceImages, *runs: PastRun) -> tuple[LossSurface, list[float]]:
    return exhaust(LossSurfaceView(runs).compute(images, CPU))


def draw_paths(*lengths: int, weights: int = 50) -> list[list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    scale = torch.linspace(3, 0.1, weights)
    return [list(torch.randn(length, weights, generator=generator) * scale) for length in lengths]


class TestPlane:
    def test_directions_are_the_first_right_singular_vectors_of_the_centred_weights(self) -> None:
        moments = draw_paths(9)
        plane = find_plane(moments)
        relative = (torch.stack(moments[0]) - moments[0][-1]).double().numpy()
        _left, values, right = np.linalg.svd(relative - relative.mean(axis=0))
        for direction, expected in zip(plane.directions.numpy(), right, strict=False):
            assert abs(float(direction @ expected)) == pytest.approx(1, abs=1e-5)
        assert plane.explained == pytest.approx(tuple(values[:2] ** 2 / (values**2).sum()), rel=1e-4)

    def test_the_path_ends_at_the_origin_and_starts_below_and_left_of_it(self) -> None:
        (path,) = find_plane(draw_paths(9)).paths
        assert path.shape == (9, 2)
        assert path[-1].tolist() == [0, 0]
        assert (path[0] < 0).all()

    def test_the_ends_of_several_paths_have_their_mean_at_the_origin(self) -> None:
        moments = draw_paths(9, 4, 6)
        plane = find_plane(moments)
        assert [len(path) for path in plane.paths] == [9, 4, 6]
        assert np.mean([path[-1] for path in plane.paths], axis=0) == pytest.approx([0, 0], abs=1e-5)
        assert torch.allclose(plane.origin, torch.stack([vectors[-1] for vectors in moments]).mean(dim=0))

    def test_directions_are_orthonormal(self) -> None:
        directions = find_plane(draw_paths(9, 4)).directions
        assert torch.allclose(directions @ directions.T, torch.eye(2), atol=1e-6)

    @pytest.mark.parametrize("factors", [(0.0, 1.0), (0.0, 0.5, 1.0, 2.0), (1.0, 1.0, 1.0)])
    def test_weights_on_a_line_have_no_plane(self, factors: tuple[float, ...]) -> None:
        direction = torch.arange(50.0)
        with pytest.raises(SentenceError, match="straight line"):
            find_plane([[factor * direction for factor in factors]])


class TestLosses:
    @pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
    @pytest.mark.parametrize("hidden_sizes", [(7,), (32, 16), (8, 6, 5)])
    def test_each_is_that_of_plain_torch_with_these_weights(
        self, activation: str, hidden_sizes: tuple[int, ...]
    ) -> None:
        generator = torch.Generator().manual_seed(1)
        models = [build_model(recipe(hidden_sizes=hidden_sizes, seed=seed), 48, 10) for seed in range(4)]
        plane = find_plane([[torch.nn.utils.parameters_to_vector(model.parameters()).detach() for model in models]])
        inputs, labels = torch.randn(60, 48, generator=generator), torch.randint(10, (60,), generator=generator)
        xs, ys = [-3.0, 0.5, 7.0], [-1.0, 2.0]
        shapes = [parameter.shape for parameter in models[0].parameters()]
        chunks = measure_plane(plane, shapes, xs, ys, inputs, labels, activation=activation)
        found = torch.cat(list(chunks)).tolist()
        expected = []
        model = MLPnet(48, hidden_sizes, 10, activation).eval()
        for y in ys:
            for x in xs:
                weights = plane.origin + x * plane.directions[0] + y * plane.directions[1]
                torch.nn.utils.vector_to_parameters(weights, model.parameters())
                expected.append(F.cross_entropy(model(inputs), labels).item())
        assert found == pytest.approx(expected, rel=1e-5)

    def test_chunks_of_places_do_not_change_them(self, images: DeviceImages, monkeypatch: pytest.MonkeyPatch) -> None:
        whole, _shares = compute(images, past(ADAM))
        monkeypatch.setattr(loss_surface, "CHUNK", 32 * 120 * 7)
        split, shares = compute(images, past(ADAM))
        assert np.allclose(whole.losses, split.losses, rtol=1e-6)
        assert len(shares) > 80

    def test_an_overflow_is_infinite(self) -> None:
        plane = find_plane(draw_paths(4, weights=2 * 3 + 3 + 3 * 2 + 2))
        shapes = [torch.Size(shape) for shape in ((3, 2), (3,), (2, 3), (2,))]
        inputs, labels = torch.ones(4, 2), torch.zeros(4, dtype=torch.int64)
        (losses,) = measure_plane(plane, shapes, [0.0, 1e38], [1e38], inputs, labels, activation="relu")
        assert torch.isinf(losses[1])
        assert not torch.isnan(losses).any()


class TestView:
    def test_the_loss_at_the_end_of_a_path_is_the_runs_own(self, images: DeviceImages) -> None:
        surface, shares = compute(images, past(ADAM))
        (history,) = train([ADAM], images)
        assert surface.losses.shape == (GRID, GRID)
        assert surface.images == 120
        nearest = np.abs(surface.xs).argmin(), np.abs(surface.ys).argmin()
        assert surface.losses[nearest[1], nearest[0]] == pytest.approx(history[-1].train_eval_loss, rel=0.05)
        assert shares == sorted(shares)
        assert 0 <= shares[0] < shares[-1] == 1.0

    def test_paths_have_the_start_and_every_evaluation(self, images: DeviceImages) -> None:
        surface, _shares = compute(images, past(ADAM), past(SLOW, 5, 20, 40))
        assert [path.steps for path in surface.paths] == [(0, 5, 10, 15, 20, 25, 30, 35, 40), (0, 5, 20, 40)]
        for path in surface.paths:
            assert surface.xs[0] < min(path.xs) <= max(path.xs) < surface.xs[-1]
            assert surface.ys[0] < min(path.ys) <= max(path.ys) < surface.ys[-1]
        starts = [(path.xs[0], path.ys[0]) for path in surface.paths]
        assert starts[0] == pytest.approx(starts[1])  # same seed, same initial weights
        assert 0.5 < sum(surface.explained) < 1

    def test_many_evaluations_are_thinned_evenly(self, images: DeviceImages) -> None:
        often = ADAM.replace(train_iter=100, eval_every=1)
        surface, _shares = compute(images, past(often, *range(1, 101)))
        (path,) = surface.paths
        assert len(path.steps) == 41
        assert path.steps[:3] == (0, 1, 4)
        assert path.steps[-1] == 100

    def test_a_single_evaluation_is_refused(self, images: DeviceImages) -> None:
        with pytest.raises(SentenceError, match="at least two evaluations"):
            compute(images, past(ADAM, 40))

    def test_memory_grows_with_weights_and_moments(self) -> None:
        counts = ImageCounts(50_000, 10_000, 10)
        lecture = LossSurfaceView((past(Recipe()),)).estimate(counts)
        assert 150e6 < lecture < 250e6
        assert LossSurfaceView((past(Recipe()), past(Recipe()))).estimate(counts) > lecture
        assert LossSurfaceView((past(Recipe(hidden_sizes=(4096, 1024))),)).estimate(counts) > 1e9
