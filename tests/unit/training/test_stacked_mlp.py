"""A network in a stack computes what it computes alone, and what autograd computes for the same MLPnet."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mlpcore.training.models import MLPnet
from mlpcore.training.stacked_mlp import StackedMLP
from tests.support.networks import gradients, linear_layers, stack_gradients
from tests.support.present import present

RATES = (0.5, 0.0, 0.3, 0.95)  # dropout of the four networks
BATCHES = (0, 1, 1, 1)  # which of two batches each network reads
SHAPES = [(128, 64), (32,), (16, 8), (13, 5), (7,), (1,), (33, 17, 9), (64, 48, 32)]
ACTIVATIONS = ["relu", "sigmoid", "tanh"]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Setting:
    """Four networks of one shape, two batches of images, and the labels and draws that each network has for its own."""

    def __init__(self, hidden_sizes: tuple[int, ...], activation: str, *, size: int, drops: bool) -> None:
        self.shape = (48, hidden_sizes, 10, activation)
        self.rates = RATES if drops else (0.0,) * 4
        self.images = [torch.randn(size, 48, generator=seeded(10 + batch)) for batch in (0, 1)]
        self.labels = torch.randint(10, (4, size), generator=seeded(20))
        draws = [torch.rand(size, hidden_sizes[-1], generator=seeded(30 + row)) for row in range(4)]
        self.uniform = torch.stack(draws) if drops else None

    def build(self, row: int) -> MLPnet:
        return MLPnet(*self.shape, self.rates[row], generator=seeded(row), dropout_generator=seeded(30 + row))

    def inputs(self, rows: list[int]) -> list[tuple[Tensor, slice]]:
        first = sum(BATCHES[row] == 0 for row in rows)
        parts = [(self.images[0], slice(0, first)), (self.images[1], slice(first, len(rows)))]
        return [part for part in parts if part[1].start < part[1].stop]

    def run_stack(self, rows: list[int]) -> list[list[Tensor]]:
        """Of each network of a stack: its loss, its logits in eval mode and its gradients."""
        network = StackedMLP([self.build(row) for row in rows], device=torch.device("cpu"))
        uniform = None if self.uniform is None else self.uniform[rows]
        losses = network.forward_backward(self.inputs(rows), self.labels[rows], uniform)
        logits = network.forward(self.inputs(rows))
        return [[losses[place], logits[place], *stack_gradients(network, place)] for place in range(len(rows))]

    def run_autograd(self, row: int) -> list[Tensor]:
        """The same for one network, by MLPnet and autograd."""
        model, images = self.build(row), self.images[BATCHES[row]]
        loss = F.cross_entropy(model(images), self.labels[row])
        loss.backward()
        with torch.no_grad():
            logits = model.eval()(images)
        return [loss.detach(), logits, *gradients(model.parameters())]


@pytest.mark.parametrize("size", [1, 3, 6, 15, 16, 64, 100])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden_sizes", SHAPES)
@pytest.mark.parametrize("drops", [True, False])
def test_a_network_in_a_stack_computes_what_it_computes_alone_bit_for_bit(hidden_sizes, activation, size, drops):
    setting = Setting(hidden_sizes, activation, size=size, drops=drops)
    alone = [setting.run_stack([row])[0] for row in range(4)]
    for rows in ([0, 1, 2, 3], [0, 1], [2, 3], [1, 2, 3]):
        for row, found in zip(rows, setting.run_stack(rows), strict=True):
            assert all(torch.equal(one, other) for one, other in zip(found, alone[row], strict=True))


@pytest.mark.parametrize("size", [1, 3, 16, 64, 100])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden_sizes", [shape for shape in SHAPES if shape != (1,)])
@pytest.mark.parametrize("drops", [True, False])
def test_logits_and_gradients_are_autograds_bit_for_bit(hidden_sizes, activation, size, drops):
    setting = Setting(hidden_sizes, activation, size=size, drops=drops)
    for row, (loss, *found) in enumerate(setting.run_stack([0, 1, 2, 3])):
        expected_loss, *expected = setting.run_autograd(row)
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
        torch.testing.assert_close(loss, expected_loss, rtol=5e-7, atol=0)  # a mean, summed in another order


@pytest.mark.parametrize("size", [1, 3, 16])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden_sizes", SHAPES)
def test_on_the_smallest_batches_they_are_autograds_to_the_last_digits(hidden_sizes, activation, size):
    setting = Setting(hidden_sizes, activation, size=size, drops=True)
    for row, found in enumerate(setting.run_stack([0, 1, 2, 3])):
        for one, other in zip(found, setting.run_autograd(row), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("hidden_sizes", [(16, 32), (13, 5)])
def test_parameters_are_views_an_optimizer_can_step(hidden_sizes):
    setting = Setting(hidden_sizes, "relu", size=8, drops=False)
    network = StackedMLP([setting.build(row) for row in range(4)], device=torch.device("cpu"))
    for row in range(4):
        expected = list(setting.build(row).parameters())
        for mine, model in zip(network.parameters(row), expected, strict=True):
            assert mine.is_leaf
            assert torch.equal(mine, model)
    network.forward_backward(setting.inputs([0, 1, 2, 3]), setting.labels, None)
    before = [[parameter.detach().clone() for parameter in network.parameters(row)] for row in range(4)]
    network.complete_gradients(2)
    torch.optim.SGD(network.parameters(2), lr=0.1).step()
    for row in range(4):
        moved = [not torch.equal(old, new) for old, new in zip(before[row], network.parameters(row), strict=True)]
        assert any(moved) == (row == 2)


@pytest.mark.parametrize("hidden_sizes", [(16, 32), (13, 5)])
def test_the_networks_that_are_kept_go_on_as_they_were(hidden_sizes):
    setting = Setting(hidden_sizes, "tanh", size=16, drops=True)
    network = StackedMLP([setting.build(row) for row in range(4)], device=torch.device("cpu"))
    network.forward_backward(setting.inputs([0, 1, 2, 3]), setting.labels, setting.uniform)
    network.keep_rows([0, 2])
    losses = network.forward_backward(setting.inputs([0, 2]), setting.labels[[0, 2]], present(setting.uniform)[[0, 2]])
    for place, row in enumerate((0, 2)):
        loss, _, *expected = setting.run_stack([row])[0]
        assert torch.equal(losses[place], loss)
        found = stack_gradients(network, place)
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert network.has_dropout
    network.keep_rows([1])
    assert network.has_dropout


@pytest.mark.parametrize("hidden_sizes", [(16, 32), (13, 5)])
def test_a_network_of_infinite_weights_leaves_the_others_finite(hidden_sizes):
    setting = Setting(hidden_sizes, "relu", size=16, drops=True)
    models = [setting.build(row) for row in range(4)]
    with torch.no_grad():
        linear_layers(models[1])[0].weight.fill_(float("inf"))
    network = StackedMLP(models, device=torch.device("cpu"))
    losses = network.forward_backward(setting.inputs([0, 1, 2, 3]), setting.labels, setting.uniform)
    assert losses.isfinite().tolist() == [True, False, True, True]
    for row in (0, 2, 3):
        expected = setting.run_stack([row])[0][2:]
        found = stack_gradients(network, row)
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_weight_norms_are_those_of_each_layer():
    setting = Setting((16, 8), "relu", size=1, drops=False)
    network = StackedMLP([setting.build(row) for row in range(4)], device=torch.device("cpu"))
    for row, norms in enumerate(network.weight_norms()):
        model = setting.build(row)
        expected = [torch.linalg.matrix_norm(getattr(model, f"fc{layer}").weight).item() for layer in (1, 2, 3)]
        assert norms == pytest.approx(expected, rel=1e-6)
