"""Which library computed a run's matrix products on the CPU: the rule that the run records."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

LARGE = 4_000_000  # multiply-adds of one network's product; 64 × 3072 by 3072 × 128 has 25 million
RECORDED_AS = "kernels"  # the name of the rule in Run.versions

Kernel = Literal["MKL", "oneDNN"]


class KernelRule(StrEnum):
    """Which library computes a matrix product. The meaning of a rule never changes; a new one gets a new name.

    MKL: every product, as in runs of older versions, which recorded no rule.
    ONEDNN: products of at least 4 million multiply-adds by oneDNN, smaller ones by MKL.
    """

    MKL = "MKL"
    ONEDNN = "oneDNN from 4 million"

    def choose_kernel(self, batch_size: int, in_features: int, out_features: int) -> Kernel:
        """Choose the library for the products of one network's linear layer."""
        is_large = batch_size * in_features * out_features >= LARGE
        return "oneDNN" if self is KernelRule.ONEDNN and is_large else "MKL"


def recorded_rule(versions: Mapping[str, str]) -> KernelRule | None:
    """Return the rule that a run recorded; None if this version of the program does not know it."""
    name = versions.get(RECORDED_AS, KernelRule.MKL)
    return next((rule for rule in KernelRule if rule == name), None)
