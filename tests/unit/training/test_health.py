"""Which units of a network are stuck: dead ones of ReLU, saturated ones of sigmoid and tanh."""

import pytest
import torch

from mlpcore.training.health import UnitCounter, shorten, step_measured
from mlpcore.training.models import MLPnet
from mlpcore.training.stacked_mlp import StackedMLP

CPU = torch.device("cpu")


def build(activation: str, biases: list[float], weight: float = 1.0) -> MLPnet:
    """A network of one input, whose hidden units answer to weight · input + bias."""
    network = MLPnet(1, (len(biases),), 2, activation, 0.0)
    with torch.no_grad():
        network.fc1.weight.fill_(weight)  # type: ignore[union-attr, operator]
        network.fc1.bias.copy_(torch.tensor(biases))  # type: ignore[union-attr, operator]
    return network


def count_stuck(networks: list[MLPnet], *batches: list[float]) -> list[tuple[float, ...]]:
    stack = StackedMLP(networks, device=CPU)
    counter = UnitCounter(stack)
    for batch in batches:
        *hidden, _logits = stack.iterate_layers([(torch.tensor(batch).unsqueeze(1), slice(None))])
        for layer, outputs in enumerate(hidden):
            counter.add_batch(layer, outputs)
    return counter.compute(sum(map(len, batches)))


def test_a_unit_of_relu_is_dead_if_it_answers_0_to_every_image_of_all_batches() -> None:
    biases = [-3.0, -1.5, 0.0, 1.0]  # dead, alive in the second batch only, alive for one image, alive
    assert count_stuck([build("relu", biases)], [-1.0, 0.0, 1.0], [2.0]) == [(0.25,)]


@pytest.mark.parametrize(("activation", "edge"), [("tanh", 2.1783), ("sigmoid", 4.3567)])
def test_a_unit_is_saturated_where_its_slope_is_below_a_twentieth_of_the_steepest(activation: str, edge: float) -> None:
    function = torch.tanh if activation == "tanh" else torch.sigmoid
    x = torch.tensor([0.0, edge], requires_grad=True)
    function(x).sum().backward()
    steepest, at_edge = x.grad.tolist()  # type: ignore[union-attr]
    assert at_edge / steepest == pytest.approx(0.05, rel=1e-3)
    biases = [edge + 0.01, edge - 0.01, -edge - 0.01, -edge + 0.01]
    assert count_stuck([build(activation, biases)], [0.0] * 20) == [(0.5,)]


@pytest.mark.parametrize(("flat", "share"), [(18, 0.0), (19, 1.0), (20, 1.0)])
def test_a_unit_is_saturated_if_it_is_so_on_19_of_20_images(flat: int, share: float) -> None:
    assert count_stuck([build("tanh", [0.0])], [9.0] * flat + [0.1] * (20 - flat)) == [(share,)]


def test_networks_of_a_stack_are_counted_each() -> None:
    stack = [build("relu", [-3.0, 1.0]), build("relu", [1.0, 1.0]), build("relu", [-3.0, -3.0])]
    assert count_stuck(stack, [0.0, 1.0]) == [(0.5,), (0.0,), (1.0,)]


def test_a_network_without_hidden_layers_has_no_units_to_be_stuck() -> None:
    assert count_stuck([MLPnet(1, (), 2, "relu", 0.0), MLPnet(1, (), 2, "relu", 0.0)], [0.0]) == [(), ()]


def test_numbers_are_kept_with_four_digits() -> None:
    assert shorten([0.000123456, 1234567.0, 0.0, 1 / 3]) == (0.0001235, 1235000.0, 0.0, 0.3333)


@pytest.mark.parametrize(
    ("before", "after", "ratio"), [(4.0, 3.0, 0.25), (0.0, 3.0, 1.0), (4.0, 0.0, 1.0), (0.0, 0.0, 0.0)]
)
def test_an_update_is_compared_with_the_larger_of_the_weights_before_and_after(
    before: float, after: float, ratio: float
) -> None:
    weight, bias = torch.full((1, 1), before), torch.zeros(1)
    weight.grad = torch.zeros(1, 1)
    assert step_measured(lambda: weight.fill_(after), [weight, bias]).update_ratios.tolist() == [ratio]  # type: ignore[arg-type]
