"""Every sentence that jobs show to people: why a run ended early, why it waits and why a request is refused."""

from collections.abc import Collection

import torch

from mlpcore.messages import N_, Sentence, SentenceError

SHUT_DOWN = Sentence("The server was shut down. The evaluations made until then are kept.")
NOT_STORED_YET = Sentence("Some evaluations could not be stored for an unknown reason. The server keeps trying.")

DIFFERS = Sentence(
    "The computer that trained this run was lost, and the one that trained it again rounds differently. What was "
    "measured until then is kept. Continue trains the whole recipe on one computer."
)

BAD_EXECUTOR = N_("MLPCORE_EXECUTOR is {value}: it must be {options}.")
RAY_IS_MISSING = N_("MLPCORE_EXECUTOR is ray, and Ray is not installed: pip install -r requirements-ray.txt")
CONNECTING = Sentence("Connecting to the Ray cluster.")
NO_CLUSTER = Sentence("The Ray cluster cannot be reached. What waits starts when it is back.")
CLUSTER_IS_GONE = Sentence(
    "The Ray cluster was lost: its head, or the network, does not answer. What was measured until then is kept. "
    "Continue trains the recipe to its end."
)
NO_NODE = N_("No node of the Ray cluster has {threads} cores: set OMP_NUM_THREADS to fewer.")
STARTS_ON_CLUSTER = Sentence("Starting on the Ray cluster, as soon as a node has enough cores and memory free.")

NOT_CONTINUABLE = N_("Only a run that was stopped or interrupted can be continued.")
ALREADY_OVER = N_("This run is already over.")
TOO_MANY_SUBMISSIONS = N_(
    "{limit} runs and comparisons are already waiting or training on this server. Try again when some are over."
)
TOO_MANY_SUBMISSIONS_OF_OWNER = N_(
    "You already have {limit} runs and comparisons waiting or training. Try again when some are over."
)
TOO_MANY_RUNS = N_(
    "These are {count:,} runs, and the queue has room for {room:,} more of yours. Start fewer, or wait until some end."
)
WAITS_FOR_MEMORY = N_(
    "Waiting for memory: this needs {needed:.1f} GB, and {free:.1f} of {total:.1f} GB are free. "
    "It starts when enough other runs have ended."
)
OTHER_STARTS_FIRST = N_("Waiting for memory: another run needs more of it and has waited longer. It starts first.")
OWNER_USES_MEMORY = N_(
    "Waiting for memory: your other runs use {used:.1f} GB, paused ones included, and one person may use {limit:.1f} "
    "GB. This starts when one of them ends."
)
NEVER_FITS = N_(
    "One run needs {needed:.1f} GB of memory, and there are {total:.1f} GB for all runs. It needs {weights:.1f} GB for "
    "weights and optimizer, {batches:.1f} GB for batches and evaluation, and {images:.1f} GB for images. "
    "Choose smaller hidden_sizes, a smaller batch_size or another data set."
)

IMAGES_DO_NOT_FIT = N_(
    "Loading these images needs {needed:.1f} GB of memory, and {free:.1f} of {total:.1f} GB are free. "
    "Come back when some runs have ended."
)
TEST_DOES_NOT_FIT = N_(
    "The learning-rate test needs {needed:.1f} GB of memory, and {free:.1f} GB are free. "
    "Choose smaller hidden_sizes or a smaller batch_size, or try again when some runs have ended."
)
REPLAY_NEVER_FITS = N_(
    "This view needs {needed:.1f} GB of memory, and there are {total:.1f} GB for all runs and views. A run with a "
    "smaller network needs less."
)
TOO_MANY_REPLAYS = N_("You are already waiting for {limit} views of runs. Cancel one, or wait until one is there.")

# in messages that torch raises as plain RuntimeErrors
MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")
DEVICE_WORDS = ("CUDA error", "HIP error", "cuDNN error", "CUBLAS_STATUS")


def explain_divergence(step: int) -> Sentence:
    """Say that a run diverged, and what to try."""
    template = "The loss became infinite or NaN at step {step:,}: the learning rate is probably too high. Lower it."
    return Sentence(template, {"step": step})


def explain_absence(seconds: float) -> Sentence:
    """Say that a run was stopped because its owner left."""
    template = (
        "Stopped because no page of this app had been open for {minutes:g} minutes, as was asked when it started."
    )
    return Sentence(template, {"minutes": seconds / 60})


def explain_missing(steps: Collection[int]) -> Sentence:
    """Say which evaluations of a run could not be stored."""
    template = "Evaluations that could not be stored: {count}. The first one missing is that of step {step:,}."
    return Sentence(template, {"count": len(steps), "step": min(steps)})


def explain_losses(count: int) -> Sentence:
    """Say that a training ended again and again without having come any further."""
    template = (
        "The process that trained this was lost {count} times at the same place, probably for lack of memory. Try a "
        "smaller batch or a smaller network."
    )
    return Sentence(template, {"count": count})


def explain_failure(error: BaseException) -> Sentence:
    """Say why a run failed, without the text of an error that was not written for people."""
    if isinstance(error, SentenceError):
        return error.sentence
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or _mentions(error, MEMORY_WORDS):
        return Sentence("The device ran out of memory. Try a smaller batch, a smaller network or fewer runs at a time.")
    if isinstance(error, torch.AcceleratorError) or _mentions(error, DEVICE_WORDS):
        return Sentence(
            "The device failed during training. Start the run again, and on the CPU if it fails again. "
            "Some devices only work again after the server has been restarted."
        )
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return Sentence("The images could not be read: {reason}.", {"reason": reason})
    return Sentence("The program failed during training. The server keeps the details with the run.")


def _mentions(error: BaseException, words: tuple[str, ...]) -> bool:
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)
