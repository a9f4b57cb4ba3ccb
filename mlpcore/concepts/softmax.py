"""Softmax and cross-entropy of one image with every intermediate value: the lecture's formula and the stable one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mlpcore.training.losses import EPSILON, cross_entropy, softmax


@dataclass(frozen=True)
class SoftmaxIntermediates:
    """The values on the way from logits to the loss, one per class where a tuple.

    `powers` are e^`exponents`; `total` is their sum plus `epsilon`; `probabilities` are `powers` / `total`.
    """

    exponents: tuple[float, ...]
    powers: tuple[float, ...]
    epsilon: float
    total: float
    probabilities: tuple[float, ...]
    loss: float


@dataclass(frozen=True)
class CrossEntropyIntermediates:
    """Both formulas in float32, and the gradient of the loss with respect to the logits, from autograd."""

    plain: SoftmaxIntermediates  # of the logits as they are, as in the lecture
    shifted: SoftmaxIntermediates  # after the largest logit is subtracted, as mlpcore.training.losses computes it
    gradient: tuple[float, ...]


def compute_cross_entropy(logits: Sequence[float], true_class: int) -> CrossEntropyIntermediates:
    """Compute the cross-entropy of one image, with and without subtracting the largest logit.

    Raises ValueError if `true_class` is not the index of a logit.
    """
    if not 0 <= true_class < len(logits):
        raise ValueError(f"true_class is {true_class}: it must be from 0 to {len(logits) - 1}")
    z = torch.tensor([list(logits)], dtype=torch.float32, requires_grad=True)
    y = torch.zeros_like(z)
    y[0, true_class] = 1.0
    with torch.enable_grad():
        probabilities = softmax(z)
        loss = cross_entropy(probabilities, y)
        (gradient,) = torch.autograd.grad(loss, z)
    exponents = z.detach()[0]
    largest = max(float(exponents.max()), math.log(EPSILON))
    epsilon = math.exp(math.log(EPSILON) - largest)  # multiplied by e^-largest, as the powers are
    shifted = _softmax_intermediates(exponents - largest, epsilon, true_class)
    return CrossEntropyIntermediates(
        plain=_softmax_intermediates(exponents, EPSILON, true_class),
        shifted=replace(shifted, probabilities=tuple(probabilities[0].tolist()), loss=loss.item()),
        gradient=tuple(gradient[0].tolist()),
    )


def _softmax_intermediates(exponents: Tensor, epsilon: float, true_class: int) -> SoftmaxIntermediates:
    powers = exponents.exp()
    total = powers.sum() + epsilon
    probabilities = powers / total
    return SoftmaxIntermediates(
        exponents=tuple(exponents.tolist()),
        powers=tuple(powers.tolist()),
        epsilon=epsilon,
        total=float(total),
        probabilities=tuple(probabilities.tolist()),
        loss=-float(probabilities[true_class].log()),
    )
