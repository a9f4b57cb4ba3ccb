"""Sharpness is the largest eigenvalue of the whole Hessian, which a small network lets torch write out."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mlpcore.concepts.replay import sharpness
from mlpcore.concepts.replay.sharpness import SharpnessView, build_hessian, find_largest_eigenvalue
from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.datasets import ImageSplit
from mlpcore.recipes.recipe import SGD
from mlpcore.runs.kernel_rule import KernelRule
from mlpcore.training.cohort_run import draw_images
from mlpcore.training.models import build_model
from mlpcore.training.replay.replay import PastRun, Replayed, copy_network, replay
from tests.support.cohorts import CPU, recipe
from tests.support.generators import exhaust

DESCENT = recipe(
    optimizer=SGD(lr=0.2, momentum=0.0, nesterov=False, weight_decay=0.0),
    dropout=0.0,
    train_size=100,
    batch_size=100,
    label_noise=0.2,
    hidden_sizes=(4,),
    activation="tanh",
    train_iter=60,
    eval_every=20,
)


@pytest.fixture(scope="module")
def images(tiny_images: tuple[ImageSplit, ImageSplit]) -> DeviceImages:
    return place_images(*tiny_images, CPU)


def write_out_hessian(network: Replayed, inputs: Tensor, labels: Tensor) -> Tensor:
    """The Hessian (weights, weights) of the mean loss of a tanh network, in float64, by torch.autograd."""
    model = build_model(DESCENT, inputs.shape[1], 10).double()
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    sizes = [shape.numel() for shape in shapes.values()]

    def find_loss(vector: Tensor) -> Tensor:
        parts = {name: part.view(shapes[name]) for name, part in zip(shapes, torch.split(vector, sizes), strict=True)}
        return F.cross_entropy(torch.func.functional_call(model.eval(), parts, (inputs.double(),)), labels)

    return torch.autograd.functional.hessian(find_loss, network.flatten().double())


def find(matrix: Tensor, start: Tensor) -> tuple[float, Tensor, int]:
    """The largest eigenvalue, its vector, and how many products it took."""
    search, products = find_largest_eigenvalue(lambda vector: matrix @ vector, start), 0
    while True:
        try:
            next(search)
            products += 1
        except StopIteration as end:
            return *end.value, products


class TestLanczos:
    @pytest.fixture
    def matrix(self) -> Tensor:
        """A symmetric matrix whose eigenvalue of largest magnitude is negative."""
        generator = torch.Generator().manual_seed(0)
        vectors = torch.linalg.qr(torch.randn(200, 200, generator=generator)).Q
        return vectors @ torch.diag(torch.cat([torch.tensor([-9.0, 5.0, 4.5]), torch.linspace(-1, 1, 197)])) @ vectors.T

    def test_it_finds_the_largest_eigenvalue_and_not_that_of_largest_magnitude(self, matrix: Tensor) -> None:
        start = torch.randn(200, generator=torch.Generator().manual_seed(1))
        value, vector, products = find(matrix, start)
        assert value == pytest.approx(5.0, rel=1e-3)
        assert (matrix @ vector - 5 * vector).norm() < 0.1
        assert products < 30

    def test_a_start_near_the_eigenvector_takes_fewer_products(self, matrix: Tensor) -> None:
        start = torch.randn(200, generator=torch.Generator().manual_seed(1))
        _value, vector, products = find(matrix, start)
        value, _vector, fewer = find(matrix, vector)
        assert value == pytest.approx(5.0, rel=1e-3)
        assert fewer < products

    def test_it_ends_with_a_tiny_matrix(self) -> None:
        value, _vector, products = find(torch.tensor([[2.0, 1.0], [1.0, 2.0]]), torch.tensor([1.0, 0.5]))
        assert value == pytest.approx(3.0)
        assert products == 2


def test_products_are_those_of_the_whole_hessian(images: DeviceImages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharpness, "CHUNK", 33)  # the images come in parts
    network = copy_network(0, list(build_model(DESCENT, 48, 10).parameters()))
    drawn = draw_images(DESCENT, images)
    hessian = write_out_hessian(network, images.read_train(drawn.indices), drawn.labels)
    multiply = build_hessian(network, images, drawn.indices, drawn.labels, activation="tanh")
    vector = torch.randn(len(hessian), generator=torch.Generator().manual_seed(0))
    assert torch.allclose(multiply(vector).double(), hessian @ vector.double(), rtol=1e-3, atol=1e-5)


def test_sharpness_at_each_evaluation_is_the_largest_eigenvalue(images: DeviceImages) -> None:
    past = PastRun(DESCENT, KernelRule.MKL, ((20, ()), (40, ()), (60, ())))
    found, shares = exhaust(SharpnessView(past).compute(images, CPU))
    drawn = draw_images(DESCENT, images)
    inputs = images.read_train(drawn.indices)
    networks = replay(past, images, device=CPU, at=[20, 40, 60])
    expected = [
        torch.linalg.eigvalsh(write_out_hessian(network, inputs, drawn.labels))[-1].item()
        for _step, network in networks
        if network is not None
    ]
    assert found.steps == (20, 40, 60)
    assert found.values == pytest.approx(expected, rel=5e-3)
    assert shares == sorted(shares)
