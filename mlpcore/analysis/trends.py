"""What the losses of a history do: the gap they end with; whether they fall, jump, lie flat or turn, by thresholds.

All of it is read off the losses in eval mode; those that training itself saw (train_loss) have dropout in them. Where
there are many evaluations, each loss is averaged with its neighbours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlpcore.runs.records import Evaluation

CEILING = 1e6  # nats; a loss beyond is as bad as this one, and sums stay finite
SMOOTHED = 40  # one evaluation in so many is averaged with each, on both sides
RECENT = 5  # evaluations at least, when the latter half of a history is looked at

LOOKS = 30  # evaluations at most, at equal distances, in which a steady fall is looked for
STEADY = 0.1  # of them may have a higher loss than the one before; of low rates hardly any has
OFTEN = 0.25  # of the evaluations having a higher loss than the one before is no accident
JUMPS = 0.15  # of its value, the train loss between two evaluations; the noise of mini-batches stays below 0.1
RISEN = 0.1  # of its lowest value, the test loss
FELL = 0.1  # of its value meanwhile, the train loss
FLAT = 0.01  # of its value, the train loss from the first half of a plateau to the second
LEVEL = 0.02  # of a plateau's mean; the loss where it begins is no further above it
LONG = 0.2  # of the steps so far; what is shorter may be a pause
AT_ZERO = 0.1  # nats; below it the images are memorised: a plateau is the bottom, and jumps mean nothing
SAME_RATE = 0.9  # of a rate, and above: it was not lowered
AROUND = 3  # evaluations on each side of a drop of the rate, where there are so many; of long histories more


@dataclass(frozen=True)
class Gap:
    """How far training and test are apart at the end, and what an earlier end would have kept.

    best_step: the first with the highest test accuracy; it is read off the test images, and so optimistic. Accuracies
    are between 0 and 1. kept: the points of test accuracy lost since then, 0 or more. acc_gap: train_acc over test_acc
    in points, of the last evaluation, in eval mode.
    """

    best_step: int
    final_test_acc: float
    kept: float
    acc_gap: float


def measure_gap(evaluations: Sequence[Evaluation]) -> Gap | None:
    """Measure the gap of a history and what stopping at its best step would have kept; None without evaluations."""
    if not evaluations:
        return None
    best, last = max(evaluations, key=lambda evaluation: evaluation.test_acc), evaluations[-1]
    return Gap(
        best_step=best.step,
        final_test_acc=last.test_acc,
        kept=100 * (best.test_acc - last.test_acc),
        acc_gap=100 * (last.train_acc - last.test_acc),
    )


class Losses:
    """The losses of a history in eval mode: `train` and `test` averaged with their neighbours, `raw` train as it is.

    Needs one evaluation at least.
    """

    def __init__(self, evaluations: Sequence[Evaluation]) -> None:
        self.steps = np.array([evaluation.step for evaluation in evaluations], float)
        self.rates = np.array([evaluation.lr for evaluation in evaluations], float)
        self.accuracies = np.array([evaluation.test_acc for evaluation in evaluations], float)
        self.raw = np.array([min(evaluation.train_eval_loss, CEILING) for evaluation in evaluations], float)
        self.train = _average(self.raw)
        self.test = _average(np.array([min(evaluation.test_loss, CEILING) for evaluation in evaluations], float))


def _average(values: np.ndarray) -> np.ndarray:
    reach = len(values) // SMOOTHED
    places = np.arange(len(values))
    first, end = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return (sums[end] - sums[first]) / (end - first)


def falls_steadily(losses: Losses) -> bool:
    """Whether the train loss fell, and rose hardly ever: what a low rate does, and a high one does not."""
    count = len(losses.raw)
    seen = losses.raw[np.linspace(0, count - 1, min(count, LOOKS)).astype(int)]
    return bool(seen[-1] < seen[0] and np.mean(np.diff(seen) > 0) <= STEADY)


@dataclass(frozen=True)
class Jumps:
    """How far the train loss moves between two evaluations (median, as a share of it), and how often upwards."""

    size: float
    rises: float


def find_jumps(losses: Losses) -> Jumps | None:
    """Find a train loss that jumps up and down in the latter half of a history; None where it does not."""
    latter = losses.raw[min(len(losses.raw) // 2, max(len(losses.raw) - RECENT, 0)) :]
    moves = np.diff(latter)
    if not len(moves):
        return None
    jumps = Jumps(float(np.median(np.abs(moves) / np.maximum(latter[:-1], AT_ZERO))), float(np.mean(moves > 0)))
    return jumps if jumps.size >= JUMPS and jumps.rises > OFTEN else None


@dataclass(frozen=True)
class LateFall:
    """The train loss at three quarters of the steps and at the end, and the share of its whole fall in between."""

    before: float
    last: float
    share: float
    rate_was_kept: bool


def measure_late_fall(losses: Losses, *, start: float) -> LateFall:
    """Measure how much of a fall from `start`, or from the first evaluation if that is higher, came at the end."""
    quarter = 0.75 * losses.steps[-1]
    before, last = float(np.interp(quarter, losses.steps, losses.train)), float(losses.train[-1])
    whole = max(start, float(losses.train[0])) - last
    kept = losses.rates[-1] >= SAME_RATE * np.interp(quarter, losses.steps, losses.rates)
    return LateFall(before, last, (before - last) / whole if whole > 0 else 0.0, bool(kept))


def find_turn(losses: Losses) -> int | None:
    """Find the evaluation from which the test loss rose while the train loss fell; None where it did not."""
    lowest = int(np.argmin(losses.test))
    has_risen = losses.test[-1] >= (1 + RISEN) * losses.test[lowest]
    has_fallen = losses.train[-1] <= (1 - FELL) * losses.train[lowest]
    return lowest if has_risen and has_fallen and losses.train[lowest] > 0 else None


def find_plateau(losses: Losses) -> int | None:
    """Find the first evaluation of the plateau in which a history ends, at one rate; None where it ends in none."""
    train, count = losses.train, len(losses.train)
    if train[-1] < AT_ZERO:
        return None
    low, high = np.minimum(losses.rates, losses.rates[-1]), np.maximum(losses.rates, losses.rates[-1])
    elsewhere = np.flatnonzero(low < SAME_RATE * high)
    sums = np.concatenate([[0.0], np.cumsum(train)])
    for begin in range(int(elsewhere[-1]) + 1 if len(elsewhere) else 0, count - RECENT + 1):
        if losses.steps[-1] - losses.steps[begin] < LONG * losses.steps[-1]:
            return None
        middle = (begin + count) // 2
        first = (sums[middle] - sums[begin]) / (middle - begin)
        second = (sums[-1] - sums[middle]) / (count - middle)
        mean = (sums[-1] - sums[begin]) / (count - begin)
        if second > (1 - FLAT) * first and train[begin] <= (1 + LEVEL) * mean:
            return begin
    return None


@dataclass(frozen=True)
class Drop:
    """A drop of the rate after `step` and before `until`, two evaluations: means of up to `around` on each side."""

    step: int
    until: int
    rate: float
    loss_before: float
    loss_after: float
    accuracy_before: float
    accuracy_after: float
    around: int


def find_drops(losses: Losses) -> list[Drop]:
    """Find the drops of a rate that was held for two evaluations or more before and after: no curve has those."""
    held = [0, *(place for place in range(1, len(losses.rates)) if not _is_same(losses, place)), len(losses.rates)]
    around = max(AROUND, len(losses.rates) // SMOOTHED)
    drops = []
    for first, place, end in zip(held, held[1:], held[2:], strict=False):
        if place - first < 2 or end - place < 2 or losses.rates[place] > SAME_RATE * losses.rates[place - 1]:
            continue
        before, after = slice(max(first, place - around), place), slice(place, min(end, place + around))
        drops.append(
            Drop(
                int(losses.steps[place - 1]),
                int(losses.steps[place]),
                float(losses.rates[place]),
                float(np.mean(losses.raw[before])),
                float(np.mean(losses.raw[after])),
                float(np.mean(losses.accuracies[before])),
                float(np.mean(losses.accuracies[after])),
                around,
            )
        )
    return drops


def _is_same(losses: Losses, place: int) -> bool:
    return math.isclose(losses.rates[place - 1], losses.rates[place])
