"""A stack of networks computes what autograd computes for each of them, and what each of them computes alone."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mlpcore.models import MLPnet
from mlpcore.network import StackedMLP

CPU = torch.device("cpu")
RATES = (0.5, 0.0, 0.3, 0.95)  # of the four networks of a stack
SEEDS = (slice(0, 1), slice(1, 4))  # which networks read the first batch and which the second
SHAPES = [(128, 64), (32,), (16, 8), (13, 5), (7,), (1,), (33, 17, 9), (64, 48, 32)]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(shape: tuple[int, ...], activation: str, *, classes: int = 10) -> list[MLPnet]:
    return [
        MLPnet(48, shape, classes, activation, rate, generator=seeded(number)) for number, rate in enumerate(RATES)
    ]


def draw_batch(size: int, units: int, *, classes: int = 10) -> tuple[list[Tensor], Tensor, Tensor]:
    """Two batches of images, the labels that each network has for its own, and what dropout draws from."""
    images = [torch.randn(size, 48, generator=seeded(10 + number)) for number in range(2)]
    labels = torch.randint(classes, (len(RATES), size), generator=seeded(20))
    return images, labels, torch.rand(len(RATES), size, units, generator=seeded(21))


def stack_results(rows: list[int], models: list[MLPnet], size: int, *, drops: bool) -> list[list[Tensor]]:
    """Of each network of a stack of `rows`: loss, logits in eval mode, and gradients."""
    images, labels, uniform = draw_batch(size, models[0].fc1.in_features and last_units(models[0]))
    network = StackedMLP([models[row] for row in rows], device=CPU)
    own = [[row for row in rows if row in range(4)[part]] for part in SEEDS]
    bounds = [0, len(own[0]), len(rows)]
    inputs = [
        (batch, slice(low, high)) for batch, (low, high) in zip(images, pairwise(bounds), strict=True) if low < high
    ]
    losses = network.forward_backward(inputs, labels[rows], uniform[rows] if drops else None)
    logits = network.forward(inputs)
    gradients = [[parameter.grad for parameter in network.parameters(place)] for place in range(len(rows))]
    return [[losses[place], logits[place], *gradients[place]] for place in range(len(rows))]


def last_units(model: MLPnet) -> int:
    return getattr(model, f"fc{model.depth}").in_features


def autograd_results(row: int, models: list[MLPnet], size: int, *, drops: bool) -> list[Tensor]:
    """The same for one network, by MLPnet and autograd, whose dropout draws the same numbers."""
    images, labels, uniform = draw_batch(size, last_units(models[0]))
    batch = images[0] if row == 0 else images[1]
    model = models[row]
    model.dropout.generator = Replay(uniform[row]) if drops else None
    model.train(drops)
    original = torch.rand
    torch.rand = lambda *_args, **_kwargs: uniform[row]
    try:
        loss = F.cross_entropy(model(batch), labels[row])
    finally:
        torch.rand = original
    model.zero_grad()
    loss.backward()
    return [loss.detach(), model.eval()(batch).detach(), *(parameter.grad for parameter in model.parameters())]
