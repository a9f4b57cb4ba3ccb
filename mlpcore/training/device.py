"""The device a run computes on, through torch's accelerator interface."""

import torch

from mlpcore.messages import SentenceError


def list_devices() -> list[str]:
    """List the devices a recipe can name on this machine: the accelerator, if there is one, then the CPU."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return ["cpu"] if accelerator is None else [accelerator.type, "cpu"]


def pick_device(wanted: str = "auto") -> torch.device:
    """Pick the device that `wanted` names; "auto" means the accelerator if there is one, otherwise the CPU.

    Raises:
        SentenceError: This machine has no such device.
    """
    available = list_devices()
    if wanted == "auto":
        return torch.device(available[0])
    if wanted not in available:
        template = "{field} is {value}: this machine has {options}."
        raise SentenceError(template, field="device", value=wanted, options=", ".join(available))
    return torch.device(wanted)
