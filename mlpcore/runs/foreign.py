"""A run of another program, known by its curves only."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ForeignRun:
    """What another program measured: no recipe, so nothing about it can be repeated or concluded.

    The measures have a value per step, None where a row had none; an empty one was not measured at all.
    """

    name: str
    steps: Sequence[int]
    train_loss: Sequence[float | None] = ()
    test_acc: Sequence[float | None] = ()  # between 0 and 1
    lr: Sequence[float | None] = ()

    @property
    def best(self) -> float | None:
        """The highest test accuracy, if one was measured."""
        return max((accuracy for accuracy in self.test_acc if accuracy is not None), default=None)
