"""Softmax and cross-entropy as the lecture defines them, numerically stable for every logit and probability.

And the loss that runs train on, with its gradient.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

EPSILON = 1e-8  # in the denominator of the lecture's softmax


def softmax(z: Tensor) -> Tensor:
    """Compute the softmax of logits, e^z / (Σ e^z + 1e-8) over dim 1.

    This is the lecture's formula, finite for logits of any size. Probabilities are at least twice the smallest normal
    number of their type (1.2e-38 in float32), so that the gradient of `cross_entropy` reaches even a logit that is 1e4
    below the largest.

    Args:
        z: Logits, (N, C).

    Returns:
        Probabilities, (N, C).

    Raises:
        ValueError: `z` has another shape.
    """
    z = _as_matrix("z", z)
    # Numerator and denominator are multiplied by e^-largest, which cancels: nothing overflows and no gradient flows.
    # The epsilon is one more term of the sum, e^log(1e-8), so it takes part in finding the largest.
    largest = z.detach().amax(dim=1, keepdim=True).clamp(min=math.log(EPSILON))
    shifted = z - largest
    denominator = shifted.exp().sum(dim=1, keepdim=True) + torch.exp(math.log(EPSILON) - largest)
    log_probability = shifted - denominator.log()
    with torch.no_grad():  # only the value is clamped: the gradient passes as if it were not
        log_probability.clamp_(min=math.log(2 * torch.finfo(z.dtype).tiny))  # twice: exp may round down
    return log_probability.exp()


def cross_entropy(y_hat: Tensor, y: Tensor) -> Tensor:
    """Compute the cross-entropy -Σ y log(y_hat), the mean over the batch.

    Args:
        y_hat: Probabilities from `softmax`, (N, C). A probability of 0 counts as the smallest normal number, so one
            image contributes at most 87.3 in float32.
        y: One-hot labels, (N, C).

    Returns:
        A scalar, in nats.

    Raises:
        ValueError: The shapes are different, or not (N, C).
    """
    y_hat = _as_matrix("y_hat", y_hat)
    if y.shape != y_hat.shape:
        raise ValueError(f"y has the shape {tuple(y.shape)}: expected that of y_hat, {tuple(y_hat.shape)}, one-hot")
    log_probability = y_hat.clamp(min=torch.finfo(y_hat.dtype).tiny).log()
    return -(y * log_probability).sum(dim=1).mean()


def _as_matrix(name: str, value: Tensor) -> Tensor:
    if value.ndim != 2 or 0 in value.shape:
        raise ValueError(f"{name} has the shape {tuple(value.shape)}: expected (N, C), at least 1 by 1")
    return value if value.is_floating_point() else value.to(torch.get_default_dtype())


@dataclass(frozen=True)
class LabelSmoothing:
    """How each of K networks' labels is spread over all classes, as torch's cross_entropy does it.

    kept: What the label keeps, (K, 1).
    spread: What every class gets, (K, 1).
    """

    kept: Tensor
    spread: Tensor

    @classmethod
    def build(cls, shares: Sequence[float], classes: int, device: torch.device) -> "LabelSmoothing":
        """Build it from the share that each network spreads."""
        kept, spread = [1 - share for share in shares], [share / classes for share in shares]
        return cls(*(torch.tensor(values, device=device).view(-1, 1) for values in (kept, spread)))

    def __getitem__(self, rows: slice | list[int]) -> "LabelSmoothing":
        return LabelSmoothing(self.kept[rows], self.spread[rows])


def stacked_cross_entropy(logits: Tensor, labels: Tensor, smoothing: LabelSmoothing | None) -> tuple[Tensor, Tensor]:
    """Compute the cross-entropy of K networks and its gradient, with the operators that autograd would call.

    Args:
        logits: (K, B, C).
        labels: Indices of classes, (K, B).
        smoothing: Of each network's labels; None for none.

    Returns:
        The mean loss of each network, (K,), and the gradient of the logits, (K, B, C).
    """
    log_probabilities = torch.log_softmax(logits, dim=2)
    picked = log_probabilities.gather(2, labels.unsqueeze(2)).squeeze(2)
    losses, gradient = -picked.mean(dim=1), torch.zeros_like(logits)
    gradient.scatter_(2, labels.unsqueeze(2), -1 / labels.shape[1])
    if smoothing is not None:
        smoothed = smoothing.kept * -picked + -log_probabilities.sum(dim=2) * smoothing.spread
        losses = torch.where(smoothing.spread[:, 0] > 0, smoothed.mean(dim=1), losses)
        gradient.mul_(smoothing.kept.unsqueeze(2)).sub_(smoothing.spread.unsqueeze(2) * (1 / labels.shape[1]))
    # d loss / d logits = (softmax − labels) / batch size
    return losses, torch.ops.aten._log_softmax_backward_data(gradient, log_probabilities, 2, logits.dtype)
