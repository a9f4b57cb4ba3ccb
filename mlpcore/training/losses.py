"""Softmax and cross-entropy as the lecture defines them, written so that no logit and no probability breaks them."""

import math

import torch
from torch import Tensor

EPSILON = 1e-8  # the lecture adds it to softmax's denominator


def softmax(z: Tensor) -> Tensor:
    """Turn logits into probabilities, e^z / (Σ e^z + 1e-8) over dim 1.

    `z` is (N, C), and so is the result. It is the lecture's formula, finite for logits of any size. No probability
    falls under the smallest normal number of its type (float32: twice 1.2e-38), so that the gradient of
    `cross_entropy` reaches even a logit that lost by 1e4.

    Raises ValueError where `z` has another shape.
    """
    z = _matrix("z", z)
    # Numerator and denominator are multiplied by e^-largest: nothing overflows, and it cancels, so no gradient flows.
    # The epsilon is one more term of the sum, e^log(1e-8), so it takes part in finding the largest.
    largest = z.detach().amax(dim=1, keepdim=True).clamp(min=math.log(EPSILON))
    shifted = z - largest
    denominator = shifted.exp().sum(dim=1, keepdim=True) + torch.exp(math.log(EPSILON) - largest)
    log_probability = shifted - denominator.log()
    with torch.no_grad():  # the value alone is bounded: the gradient passes as if it were not
        log_probability.clamp_(min=math.log(2 * torch.finfo(z.dtype).tiny))  # twice: exp may round down
    return log_probability.exp()


def cross_entropy(y_hat: Tensor, y: Tensor) -> Tensor:
    """Measure how far probabilities are from the truth, -Σ y log(y_hat), as the mean over the batch.

    `y_hat` (N, C) holds probabilities, as `softmax` gives them, and `y` (N, C) the one-hot labels; the result is a
    scalar. A probability of 0 counts as the smallest normal number, so one image costs at most 87.3 in float32.

    Raises ValueError where the shapes are others.
    """
    y_hat = _matrix("y_hat", y_hat)
    if y.shape != y_hat.shape:
        raise ValueError(f"y has the shape {tuple(y.shape)}: expected that of y_hat, {tuple(y_hat.shape)}, one-hot")
    log_probability = y_hat.clamp(min=torch.finfo(y_hat.dtype).tiny).log()
    return -(y * log_probability).sum(dim=1).mean()


def _matrix(name: str, value: Tensor) -> Tensor:
    if value.ndim != 2 or 0 in value.shape:
        raise ValueError(f"{name} has the shape {tuple(value.shape)}: expected (N, C), at least 1 by 1")
    return value if value.is_floating_point() else value.to(torch.get_default_dtype())
