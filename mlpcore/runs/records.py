"""What a run is: plain frozen records, with nothing of torch, SQL or Streamlit in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import Recipe

NAME = r"^[\w .\-]{1,40}$"  # what a person may call a run


class RunStatus(StrEnum):
    """Where a run stands. Its value is what the store keeps."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be measured: a run that is over never changes."""
        return self not in (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSED)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One measured point of a run, taken after `step` iterations.

    train_loss: mean over the mini-batches since the last evaluation, as training saw them (dropout on).
    train_eval_loss, train_acc: in eval mode, on a fixed sample of the training images with their (noisy) labels.
    test_loss, test_acc: in eval mode, on every test image.
    lr: the rate that the iteration `step` used. seconds: time spent training and evaluating, pauses not counted.
    weight_norms: the Euclidean norm of each layer's weight matrix, first layer first. val_loss, val_acc: in eval mode,
    on the training images held out for validation; None where none are.
    Losses are in nats, accuracies between 0 and 1.
    """

    step: int
    train_loss: float
    train_eval_loss: float
    train_acc: float
    test_loss: float
    test_acc: float
    lr: float
    seconds: float
    weight_norms: tuple[float, ...] = ()
    val_loss: float | None = None
    val_acc: float | None = None


@dataclass(frozen=True)
class Run:
    """One training of one recipe, as far as it has come."""

    id: str
    name: str
    recipe: Recipe
    status: RunStatus
    created: float  # seconds since the epoch, UTC
    owner: str = field(default="", repr=False)  # a secret of the browser that started it: never shown, never in a link
    step: int = 0  # iterations done
    seconds: float = 0.0  # spent training and evaluating
    device: str = ""
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    message: Sentence | None = None  # where the run ended otherwise than by finishing or being stopped
    traceback: str = field(default="", repr=False)  # of a failed run; for the person who runs the server, never a page
    note: str = ""
    starred: bool = False
    continues: str = ""  # the id of a run that ended early, where this one trains its recipe to the end
    evaluations: tuple[Evaluation, ...] = ()

    @property
    def ended_early(self) -> bool:
        """Whether it could have gone on: somebody, or the server's end, ended it."""
        return self.status in (RunStatus.STOPPED, RunStatus.INTERRUPTED)

    @property
    def latest(self) -> Evaluation | None:
        """The newest evaluation, if there is one."""
        return self.evaluations[-1] if self.evaluations else None

    @property
    def chosen(self) -> Evaluation | None:
        """The first evaluation with the highest validation accuracy: a choice that the test images had no part in."""
        validated = [evaluation for evaluation in self.evaluations if evaluation.val_acc is not None]
        return max(validated, key=lambda evaluation: evaluation.val_acc, default=None)

    @property
    def best(self) -> Evaluation | None:
        """The first evaluation with the highest test accuracy, if there is one."""
        return max(self.evaluations, key=lambda evaluation: evaluation.test_acc, default=None)
