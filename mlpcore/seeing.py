"""The arithmetic of a sight, on the device where the networks are."""

import numpy as np
import torch
from torch import Tensor

from mlpcore.sights import LIKELIEST, UNITS


def rank_classes(logits: Tensor, predicted: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Find the likeliest classes, best first, and their probabilities as float16: (K, B, k) each.

    logits is (K, B, classes), predicted its argmax. For 500 images of CIFAR-10 and one run this takes 0.08 ms, their
    forward pass 28 (one thread); for 16 runs 1.3 and 390.
    """
    top = logits.topk(min(LIKELIEST, logits.shape[2]), dim=2)
    shares, classes = (top.values - logits.logsumexp(dim=2, keepdim=True)).exp(), top.indices
    tied = classes[..., 0] != predicted  # topk takes any of equal logits, argmax the first
    if tied.any():
        classes[tied] = logits[tied].sort(dim=1, descending=True, stable=True).indices[:, : classes.shape[2]]
    smallest = np.min_scalar_type(logits.shape[2] - 1)
    return classes.cpu().numpy().astype(smallest), shares.half().cpu().numpy()


def draw_units(weights: Tensor, shape: torch.Size) -> np.ndarray:
    """Draw the first units of a layer (out, in) that reads images of `shape` (C, H, W), as `Frame` says."""
    shown = weights[:UNITS].detach()
    peaks = shown.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(shown.dtype).tiny)
    return (128 + 127 * shown / peaks).round().to(torch.uint8).view(-1, *shape).cpu().numpy()
