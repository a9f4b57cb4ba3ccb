"""The measures of a run that can be drawn over its steps: the name of each, its axis and its look."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlpcore.charts.traces import ACCURACY, LOSS
from mlpcore.messages import N_


@dataclass(frozen=True)
class Measure:
    """A measure's name and look; `uid` keeps its trace's identity while its data change.

    Losses are drawn as lines and accuracies with markers too, so that they differ without colour.
    """

    uid: str
    name: str
    is_loss: bool
    dash: str = "solid"

    @property
    def colour(self) -> str:
        """The colour of its axis."""
        return LOSS if self.is_loss else ACCURACY

    @property
    def symbol(self) -> str:
        """The marker of each evaluation, empty for none."""
        return "" if self.is_loss else "circle" if self.dash == "solid" else "circle-open"


# By the field of Evaluation. The mini-batch loss is measured while the network trains, with dropout on; the train loss
# in eval mode, like all the others.
MEASURES: Mapping[str, Measure] = {
    "train_loss": Measure("loss", N_("mini-batch loss"), is_loss=True),
    "train_eval_loss": Measure("train_eval_loss", N_("train loss"), is_loss=True, dash="dash"),
    "test_loss": Measure("test_loss", N_("test loss"), is_loss=True, dash="dot"),
    "train_acc": Measure("train_acc", N_("train accuracy"), is_loss=False, dash="dash"),
    "test_acc": Measure("accuracy", N_("test accuracy"), is_loss=False),
    "avg_test_acc": Measure("avg_test_acc", N_("test accuracy, averaged weights"), is_loss=False, dash="dot"),
}
AVERAGED = "avg_test_acc"  # of a run that averages its weights: always drawn
USUAL = ("train_loss", "test_acc")  # the lecture's two curves
