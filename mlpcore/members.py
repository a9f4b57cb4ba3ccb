"""Runs on their way: who trains with whom, how far they are, and how one ended, in a sentence."""

from collections import deque
from dataclasses import dataclass, field, replace

import torch

from mlpcore.cohort import Edit, Leave, Offers, Progress
from mlpcore.library import Loading
from mlpcore.messages import Sentence, SentenceError
from mlpcore.runs import Evaluation, Run, RunStatus
from mlpcore.sights import Sight

SHUT_DOWN = Sentence("The server was shut down; what was measured is kept.")


@dataclass(eq=False)
class Group:
    """Runs that were submitted together and train in one cohort."""

    members: list["Member"] = field(default_factory=list)
    loading: Loading | None = None
    training: Offers[None] | None = None
    paused: bool = False
    step: int = 0
    outbox: list[Edit | Leave] = field(default_factory=list)  # what the training is told at its next slice
    ticks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=200))  # when, step

    @property
    def is_loading(self) -> bool:
        """Whether its images are on their way into memory."""
        return self.loading is not None and not self.loading.images.done()

    def add(self, run: Run) -> "Member":
        """Let a run train with the others."""
        self.members.append(Member(run, self, position=len(self.members)))
        return self.members[-1]


@dataclass(eq=False)
class Member:
    """A run on its way. `run` is replaced, never changed, so that a page may hold on to it."""

    run: Run
    group: Group
    position: int  # in its cohort
    unstored: list[Evaluation] = field(default_factory=list)
    is_stored: bool = True
    sight: Sight | None = None  # the newest, replaced as a whole too
    stored_sight: Sight | None = None
    sight_stored_at: float = 0.0
    stop_requested: bool = False
    requested: dict[str, float] = field(default_factory=dict)  # knobs to change, not yet taken up

    def update(self, **values: object) -> None:
        """Replace the run by one with other values, to be stored."""
        self.run = replace(self.run, **values)
        self.is_stored = False

    def add(self, evaluation: Evaluation, sight: Sight) -> None:
        """Add what was measured, and what the network saw."""
        self.unstored.append(evaluation)
        self.update(evaluations=(*self.run.evaluations, evaluation))
        self.sight = sight.after(self.sight)


def explain_end(progress: Progress, position: int) -> Sentence | None:
    """Say why a run is over; None where it came to its last iteration."""
    if progress.over[position] is not RunStatus.DIVERGED:
        return None
    template = (
        "The loss left the range of numbers at step {step:,}: the learning rate is probably too high. "
        "Try a tenth of it."
    )
    return Sentence(template, {"step": progress.step})


def explain_failure(error: Exception) -> Sentence:
    """Say why a run failed, without a word that was not written for people."""
    if isinstance(error, SentenceError):
        return error.sentence
    if isinstance(error, torch.OutOfMemoryError):
        return Sentence("The device ran out of memory: try a smaller batch, a smaller network or fewer runs at a time.")
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return Sentence("The images could not be read: {reason}.", {"reason": reason})
    return Sentence("Something went wrong in the program while this run trained; the details are kept with the run.")
