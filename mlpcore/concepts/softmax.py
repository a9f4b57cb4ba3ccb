"""Softmax and cross-entropy of one image taken apart: as the lecture writes them, and as `losses` computes them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mlpcore.training.losses import EPSILON, cross_entropy, softmax


@dataclass(frozen=True)
class SoftmaxIntermediates:
    """One way to the probabilities, a number a class: e is raised to `exponents`, and `powers` divided by `total`.

    `total` is the sum of the powers and of `epsilon`.
    """

    exponents: tuple[float, ...]
    powers: tuple[float, ...]
    epsilon: float
    total: float
    probabilities: tuple[float, ...]
    loss: float


@dataclass(frozen=True)
class CrossEntropyIntermediates:
    """Both ways in float32, and the derivative of the loss by each logit, as autograd gives it."""

    plain: SoftmaxIntermediates
    shifted: SoftmaxIntermediates
    gradient: tuple[float, ...]


def compute_cross_entropy(logits: Sequence[float], true_class: int) -> CrossEntropyIntermediates:
    """Compute the loss of one image whose class is `true_class`. Raises ValueError where there is no such class."""
    if not 0 <= true_class < len(logits):
        raise ValueError(f"true_class is {true_class}: it must be from 0 to {len(logits) - 1}")
    z = torch.tensor([list(logits)], dtype=torch.float32, requires_grad=True)
    y = torch.zeros_like(z)
    y[0, true_class] = 1.0
    with torch.enable_grad():
        probabilities = softmax(z)
        loss = cross_entropy(probabilities, y)
        (gradient,) = torch.autograd.grad(loss, z)
    plain_z = z.detach()[0]
    plain_powers = plain_z.exp()
    plain_total = plain_powers.sum() + EPSILON
    plain = plain_powers / plain_total
    largest = max(float(plain_z.max()), math.log(EPSILON))
    exponents = plain_z - largest
    powers = exponents.exp()
    epsilon = math.exp(math.log(EPSILON) - largest)  # multiplied by e^-largest, as the powers are
    total = powers.sum() + epsilon
    return CrossEntropyIntermediates(
        plain=SoftmaxIntermediates(
            tuple(plain_z.tolist()),
            tuple(plain_powers.tolist()),
            EPSILON,
            float(plain_total),
            tuple(plain.tolist()),
            -float(plain[true_class].log()),
        ),
        shifted=SoftmaxIntermediates(
            tuple(exponents.tolist()),
            tuple(powers.tolist()),
            epsilon,
            float(total),
            tuple(probabilities[0].tolist()),
            loss.item(),
        ),
        gradient=tuple(gradient[0].tolist()),
    )
