"""torchvision, importable beside a CPU-only torch.

The Linux wheel of torchvision is linked to the CUDA build of torch. Beside a CPU build its C++ operators do not load,
and `import torchvision` stops at "operator torchvision::nms does not exist", although reading a data set needs none
of them. Declaring the two operators that the import looks up, without an implementation, is enough.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import torch

SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def import_torchvision_datasets() -> ModuleType:
    """Import torchvision.datasets, declaring the missing operators first where they are missing."""
    if "torchvision" not in sys.modules and not _operators_load():
        for name, schema in SCHEMAS.items():
            if not hasattr(torch.ops.torchvision, name):
                torch.library.define(f"torchvision::{name}", schema)
    return importlib.import_module("torchvision.datasets")


def _operators_load() -> bool:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True  # not installed: the import says so better than we could
    for library in Path(spec.origin).parent.glob("_C*.so"):  # Windows has a .pyd and no such mismatch
        try:
            torch.ops.load_library(library)
        except OSError:
            return False
    return True
