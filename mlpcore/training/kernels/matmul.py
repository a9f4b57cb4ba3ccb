"""The matrix products of linear layers on the CPU: which library computes them, and the two libraries' operators.

torch sends its products to MKL, which is slow on AMD: 104 GFLOP/s per core, where oneDNN, which torch contains as
well, computes the same float32 products at 210. For small layers MKL starts faster: 4 µs for 64 × 64 by 64 × 10, where
oneDNN's operator takes 13. On Intel both are equally fast.

The two sum in different orders, so the last digits differ. Which one computes a product therefore follows from a rule
that the run records, and from the size of one network's product: never from a clock, and never from how many networks
are stacked.
"""

import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from mlpcore.runs.kernel_rule import Kernel, KernelRule, recorded_rule

ALIGNMENT = 16  # float32 numbers, 64 bytes: matrix products on memory aligned so are fastest, and repeatable


def align(stack: Tensor) -> Tensor:
    """Copy (K, …) on the CPU so that each of the K begins at a multiple of 64 bytes."""
    size = stack[0].numel()
    if stack.device.type != "cpu" or size % ALIGNMENT == 0:
        return stack
    padded = stack.new_empty(len(stack), -(-size // ALIGNMENT) * ALIGNMENT)
    return padded[:, :size].view(stack.shape).copy_(stack)


def choose_rule(vendor: str | None = None) -> KernelRule:
    """Choose the rule for new runs by the vendor of the processor, default this machine's."""
    is_amd = (processor_vendor() if vendor is None else vendor) == "AuthenticAMD"
    return KernelRule.ONEDNN if is_amd and has_onednn() else KernelRule.MKL


def usable_rule(versions: Mapping[str, str]) -> KernelRule:
    """Return the rule that a run recorded, or the rule of new runs if this machine cannot follow it."""
    rule = recorded_rule(versions)
    return choose_rule() if rule is None or (rule is KernelRule.ONEDNN and not has_onednn()) else rule


def linear(inputs: Tensor, weight: Tensor, bias: Tensor, kernel: Kernel, *, relu: bool = False) -> Tensor:
    """Compute inputs (B, in) times weight (out, in) plus bias (out,), then ReLU if asked for."""
    if kernel == "oneDNN":
        return _onednn(inputs, weight, bias, relu=relu)
    outputs = F.linear(inputs, weight, bias)
    return outputs.relu_() if relu else outputs


def weight_gradient(gradient: Tensor, inputs: Tensor) -> Tensor:
    """Compute a layer's weight gradient (out, in) with oneDNN, from (B, out) and its inputs (B, in)."""
    return _onednn(gradient.t(), inputs.t(), None)


def _onednn(inputs: Tensor, weight: Tensor, bias: Tensor | None, *, relu: bool = False) -> Tensor:
    return cast(Tensor, torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "relu" if relu else "none", [], ""))


def multiply_bfloat16(left: Tensor, right: Tensor) -> Tensor:
    """Multiply (K, m, n) by (K, n, p), both rounded to bfloat16; the products are float32 (K, m, p)."""
    left, right = left.bfloat16(), right.bfloat16()
    if len(left) == 1:
        return torch.mm(left[0], right[0]).float().unsqueeze(0)
    return torch.bmm(left, right).float()


def has_bfloat16(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 numbers itself, without turning them into float32."""
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)


def widest_float(device: torch.device) -> torch.dtype:
    """Return the most exact type of a device in which norms are added up: mps has no float64, and not every xpu has."""
    return torch.float64 if device.type in ("cpu", "cuda") else torch.float32


@cache
def has_onednn() -> bool:
    """Return whether torch has oneDNN's operator, which is not a public one, and whether it computes a product."""
    try:
        ones = torch.ones(16, 16)
        return torch.equal(_onednn(ones, ones, None), torch.full((16, 16), 16.0))
    except (AttributeError, RuntimeError, NotImplementedError):
        return False


@cache
def processor_vendor() -> str:
    """Return the vendor of this machine's processor as the processor itself gives it, such as AuthenticAMD."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        vendors = [line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")]
        return vendors[0] if vendors else ""
    return next((name for name in ("AuthenticAMD", "GenuineIntel") if name in platform.processor()), "")
