"""How a run ended otherwise than at its last iteration, in a sentence."""

import torch

from mlpcore.messages import Sentence, SentenceError
from mlpcore.runs.records import RunStatus
from mlpcore.training.lockstep import Progress

SHUT_DOWN = Sentence("The server was shut down; what was measured is kept.")
# in what torch raises as a plain RuntimeError
MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")
DEVICE_WORDS = ("CUDA error", "HIP error", "cuDNN error", "CUBLAS_STATUS")


def explain_end(progress: Progress, position: int) -> Sentence | None:
    """Say why a run is over; None where it came to its last iteration."""
    if progress.over[position] is not RunStatus.DIVERGED:
        return None
    template = (
        "The loss left the range of numbers at step {step:,}: the learning rate is probably too high. "
        "Try a tenth of it."
    )
    return Sentence(template, {"step": progress.step})


def explain_absence(seconds: float) -> Sentence:
    """Say that a run was stopped because nobody was there any more."""
    template = "It was to stop when the person who started it had been away for {minutes:g} minutes, and so it did."
    return Sentence(template, {"minutes": seconds / 60})


def explain_failure(error: BaseException) -> Sentence:
    """Say why a run failed, without a word that was not written for people."""
    if isinstance(error, SentenceError):
        return error.sentence
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or _says(error, MEMORY_WORDS):
        return Sentence("The device ran out of memory: try a smaller batch, a smaller network or fewer runs at a time.")
    if isinstance(error, torch.AcceleratorError) or _says(error, DEVICE_WORDS):
        return Sentence(
            "The device failed while this run trained: start it again, on the CPU if it fails again; "
            "some devices work again only after the server has been restarted."
        )
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return Sentence("The images could not be read: {reason}.", {"reason": reason})
    return Sentence("Something went wrong in the program while this run trained; the details are kept with the run.")


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)
