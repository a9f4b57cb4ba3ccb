"""Runs, their evaluations and their owners as plain frozen records, without torch, SQL or Streamlit."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, ClassVar, NamedTuple

from pydantic import ConfigDict, Field

from mlpcore.messages import N_, Sentence
from mlpcore.recipes.recipe import Recipe

LONGEST_NAME = 40  # characters of a run, of a sweep, or of a row
NAME = rf"^[\w .\-]{{1,{LONGEST_NAME}}}$"  # what a person may call a run

Accuracy = Annotated[float, Field(ge=0, le=1)]
FLAT_SLOPE = 0.05  # of the steepest slope of sigmoid or tanh: where it is flatter, a unit is saturated
MOSTLY = 0.95  # of the images, at least, on which a unit that counts as saturated is
EVALUATION_BYTES = 1_200  # of one evaluation in memory
RECORD_BYTES = 8_000  # of a run in memory, without its evaluations
BROWSER = "browser:"  # begins the owner of runs that a browser started
PERSON = "person:"  # begins the owner of runs that a signed-in person started


class RunStatus(StrEnum):
    """The status of a run; the store keeps its value."""

    QUEUED = N_("queued")
    RUNNING = N_("running")
    PAUSED = N_("paused")
    FINISHED = N_("finished")
    STOPPED = N_("stopped")
    DIVERGED = N_("diverged")
    FAILED = N_("failed")
    INTERRUPTED = N_("interrupted")

    @property
    def is_over(self) -> bool:
        """Whether the run has ended: nothing more is measured, and it never changes."""
        return self not in (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSED)


class RunState(NamedTuple):
    """What decides what may be done with a run, by whom, and in which process."""

    owner: str
    status: RunStatus
    server: str  # the process that trains it, or trained it


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured of a run after `step` iterations. Losses are in nats, accuracies between 0 and 1.

    Attributes:
        step: Iterations done.
        train_loss: Mean over the mini-batches since the last evaluation, as training computed them, with dropout on.
        train_eval_loss: Loss in eval mode on a fixed sample of the training images, with their (noisy) labels.
        train_acc: Accuracy on the same sample.
        test_loss: Loss in eval mode on all test images.
        test_acc: Accuracy on all test images.
        lr: Learning rate of the iteration `step`, as the scheduler sets it.
        seconds: Time spent training and evaluating, without pauses.
        weight_norms: Euclidean norm of each layer's weight matrix, first layer first.
        val_loss: Loss in eval mode on the training images held out for validation; None if there are none.
        val_acc: Accuracy on the same images, with their (noisy) labels.
        avg_test_loss: Loss in eval mode on all test images of the averaged weights; None if there are none, or if the
            loss is not finite, which does not end a run: training does not read the averages.
        avg_test_acc: Accuracy of the averaged weights on the same images.
        effective_lr: The rate that the iteration `step` used instead: of Adagrad with lr_decay, lr divided by
            1 + (step - 1) * lr_decay; of ASGD, lr of the iteration before, divided by
            (1 + lambd * lr * (step - 1)) ** alpha. None for every other optimizer.
        gradient_norms: Euclidean norm of the gradient of each layer's weights, in the last mini-batch.
        update_ratios: By how much the last iteration moved each layer's weights: norm of the update over that of the
            weights, before or after it, whichever is larger.
        stuck_units: Share of each hidden layer's units that hardly pass any gradient: dead ones for ReLU, saturated
            ones for sigmoid and tanh, on the sample of the training images.
    """

    # for evaluations that are read from a file
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    step: Annotated[int, Field(ge=1, le=10_000_000)]
    train_loss: float
    train_eval_loss: float
    train_acc: Accuracy
    test_loss: float
    test_acc: Accuracy
    lr: float
    seconds: float
    weight_norms: Annotated[tuple[float, ...], Field(max_length=10)] = ()
    val_loss: float | None = None
    val_acc: Accuracy | None = None
    effective_lr: float | None = None
    gradient_norms: Annotated[tuple[float, ...], Field(max_length=10)] = ()
    update_ratios: Annotated[tuple[float, ...], Field(max_length=10)] = ()
    stuck_units: Annotated[tuple[Accuracy, ...], Field(max_length=10)] = ()
    avg_test_loss: float | None = None
    avg_test_acc: Accuracy | None = None

    @property
    def followed_loss(self) -> float:
        """What a ReduceLROnPlateau steps with: the validation loss, else the train loss in eval mode; never a test."""
        return self.train_eval_loss if self.val_loss is None else self.val_loss


@dataclass(frozen=True)
class Run:
    """One training of one recipe, with what was measured so far."""

    id: str
    name: str
    recipe: Recipe
    status: RunStatus
    created: float  # seconds since the epoch, UTC
    owner: str = field(default="", repr=False)  # see browser_owner and person_owner; never shown, never in a link
    step: int = 0  # iterations done
    seconds: float = 0.0  # spent training and evaluating
    device: str = ""
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    message: Sentence | None = None  # why it ended, unless it finished or was stopped
    traceback: str = field(default="", repr=False)  # of a failed run; for the operator of the server, never shown
    note: str = ""
    starred: bool = False
    continues: str = ""  # the id of the run that ended early and whose recipe this one trains to the end
    forked_from: str = ""  # the id of the run that this one repeats until it changes a hyperparameter
    submission: str = ""  # the same for all runs that were started together
    lesson: str = ""  # the lesson it was started in, as `Lesson.label` writes it
    last_losses: tuple[float, ...] = ()  # of a diverged run: the mini-batches after its last evaluation, before `step`
    evaluations: tuple[Evaluation, ...] = ()

    def belongs_to(self, owner: str) -> bool:
        """Return whether this owner started the run."""
        return is_same_owner(self.owner, owner)

    @property
    def ended_early(self) -> bool:
        """Whether it was stopped or interrupted before its last iteration."""
        return self.status in (RunStatus.STOPPED, RunStatus.INTERRUPTED)

    @property
    def latest(self) -> Evaluation | None:
        """The last evaluation, if there is one."""
        return self.evaluations[-1] if self.evaluations else None

    @property
    def chosen(self) -> Evaluation | None:
        """The first evaluation with the highest validation accuracy, chosen without the test images."""
        validated = [evaluation for evaluation in self.evaluations if evaluation.val_acc is not None]
        return max(validated, key=lambda evaluation: evaluation.val_acc or 0.0, default=None)

    @property
    def best(self) -> Evaluation | None:
        """The first evaluation with the highest test accuracy, if there is one."""
        return max(self.evaluations, key=lambda evaluation: evaluation.test_acc, default=None)


def browser_owner(token: str) -> str:
    """Return the owner that a browser's secret token stands for. Only this hash is stored, never the token."""
    return BROWSER + hashlib.sha256(token.encode()).hexdigest()


def person_owner(issuer: str, subject: str) -> str:
    """Return the owner that a signed-in person stands for; a subject is unique only at its issuer."""
    return PERSON + hashlib.sha256(f"{issuer} {subject}".encode()).hexdigest()


def is_same_owner(one: str, other: str) -> bool:
    """Compare two owners in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
