"""A run's own random generators: one per purpose, never torch's global state."""

import hashlib

import torch

PURPOSES = ("weights", "batches", "dropout", "subset", "label_noise", "sample")


def build_generator(seed: int, purpose: str, *, device: torch.device | str = "cpu") -> torch.Generator:
    """Build the generator that a run with this seed uses for one purpose.

    The streams of two purposes, and of two seeds, are unrelated: with more dropout a run draws more numbers, and its
    batches and initial weights stay the same.

    Args:
        purpose: one of PURPOSES.

    Raises:
        ValueError: for any other purpose.
    """
    if purpose not in PURPOSES:
        raise ValueError(f"purpose is {purpose!r}: expected one of {', '.join(PURPOSES)}")
    digest = hashlib.sha256(f"{purpose}/{seed}".encode()).digest()
    return torch.Generator(device=device).manual_seed(int.from_bytes(digest[:7], "big"))
