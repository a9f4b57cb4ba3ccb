"""Import torchvision with a CPU-only torch.

The Linux wheel of torchvision is linked to the CUDA build of torch. With a CPU build, torchvision's C++ operators do
not load, and `import torchvision` fails: "operator torchvision::nms does not exist". Reading a data set needs none of
them, so it is enough to declare the two operators that the import looks up, without an implementation.
"""

import importlib
from types import ModuleType

import torch

SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def import_torchvision_datasets() -> ModuleType:
    """Import torchvision.datasets; declare torchvision's operators where they cannot be loaded."""
    try:
        return importlib.import_module("torchvision.datasets")
    except RuntimeError:
        for name in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, name):
                torch.library.define(f"torchvision::{name}", SCHEMA)
        return importlib.import_module("torchvision.datasets")
