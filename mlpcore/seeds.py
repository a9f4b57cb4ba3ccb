"""Random numbers of a run's own: one generator a purpose, never torch's global state."""

import hashlib

import torch

PURPOSES = ("weights", "batches", "dropout", "subset", "label_noise", "sample")


def build_generator(seed: int, purpose: str, *, device: torch.device | str = "cpu") -> torch.Generator:
    """Build the generator that a run with this seed uses for one purpose.

    Two purposes of one seed, and one purpose of two seeds, give unrelated streams, so that turning a knob that
    draws more numbers (dropout, say) leaves the batches and the initial weights as they were.
    """
    if purpose not in PURPOSES:
        raise ValueError(f"purpose is {purpose!r}: expected one of {', '.join(PURPOSES)}")
    digest = hashlib.sha256(f"{purpose}/{seed}".encode()).digest()
    return torch.Generator(device=device).manual_seed(int.from_bytes(digest[:7], "big"))
