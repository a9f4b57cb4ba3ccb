"""Trends in a run's losses, found by thresholds: falls, jumps, plateaus, where overfitting begins, drops of the rate,
changes.

All of them use losses measured in eval mode, because train_loss is measured with dropout on. From 40 evaluations on,
late falls, plateaus and the start of overfitting are found in losses averaged with their neighbours; steady falls,
jumps and rate drops in the losses as they are.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import numpy.typing as npt

from mlpcore.data.catalog import find_inputs
from mlpcore.numbers import short_number
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation

Floats = npt.NDArray[np.float64]

LARGEST = 1e6  # nats; larger losses count as this one, so that sums stay finite
SMOOTHING = 40  # one evaluation in so many is averaged with each, on both sides
RECENT = 5  # evaluations at least in the second half of a run

SAMPLES = 30  # evaluations at most, at equal distances, in which a steady fall is looked for
STEADY = 0.1  # of them may have a higher loss than the one before; at low rates hardly any has
OFTEN = 0.25  # of the evaluations having a higher loss than the one before is no accident
JUMPS = 0.15  # of its value, the train loss between two evaluations; the noise of mini-batches stays below 0.1
RISEN = 0.1  # of its lowest value, the test loss
FELL = 0.1  # of its value meanwhile, the train loss
FLAT = 0.01  # of its value, the train loss from the first half of a plateau to the second
LEVEL = 0.02  # of a plateau's mean; the loss where it begins is no further above it
LONG = 0.2  # of the steps so far; a shorter plateau may be a pause
AT_ZERO = 0.1  # nats; below it the images are memorised: a plateau is the minimum, and jumps mean nothing
SAME_RATE = 0.9  # of a rate, and above: it was not lowered
HALF_STUCK = 0.5  # of a layer's units: with more, 9 of 10 short runs had learned next to nothing
NEGLIGIBLE = 0.05  # of the highest rate: below it the loss stays about where it is
FAR_FROM_END = 0.5  # of the steps so far: a cosine, and a rate that drops tenfold at every third, come below it later
AROUND = 3  # evaluations on each side of a change or a drop of the rate, if there are so many; more in long histories


@dataclass(frozen=True)
class Gap:
    """The gap between train and test accuracy at the end, and what early stopping would have gained.

    best_step: the first with the highest test accuracy; the test images chose it, so its accuracy is optimistic.
    test_acc: of the last evaluation, 0 to 1. early_stop_gain: test accuracy at the best step minus that at the end, 0
    or more. train_over_test: train_acc minus test_acc of the last evaluation; both in percentage points.
    """

    best_step: int
    test_acc: float
    early_stop_gain: float
    train_over_test: float


def measure_gap(evaluations: Sequence[Evaluation]) -> Gap:
    """Measure the gap of a history with one evaluation at least."""
    best, last = max(evaluations, key=lambda evaluation: evaluation.test_acc), evaluations[-1]
    return Gap(
        best_step=best.step,
        test_acc=last.test_acc,
        early_stop_gain=100 * (best.test_acc - last.test_acc),
        train_over_test=100 * (last.train_acc - last.test_acc),
    )


class Losses:
    """The losses of a history in eval mode: `train` and `test` averaged with their neighbours, `raw` the train loss.

    Needs one evaluation at least.
    """

    def __init__(self, evaluations: Sequence[Evaluation]) -> None:
        self.steps = np.array([evaluation.step for evaluation in evaluations], float)
        self.rates = np.array([evaluation.lr for evaluation in evaluations], float)
        self.accuracies = np.array([evaluation.test_acc for evaluation in evaluations], float)
        self.raw = np.array([min(evaluation.train_eval_loss, LARGEST) for evaluation in evaluations], float)
        self.train = _average(self.raw)
        self.test = _average(np.array([min(evaluation.test_loss, LARGEST) for evaluation in evaluations], float))


def _average(values: Floats) -> Floats:
    reach = len(values) // SMOOTHING
    indices = np.arange(len(values))
    first, end = np.maximum(indices - reach, 0), np.minimum(indices + reach + 1, len(values))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    averages: Floats = (sums[end] - sums[first]) / (end - first)
    return averages


def measure_weight_growth(evaluation: Evaluation, *, recipe: Recipe, classes: int) -> float | None:
    """Return the norm of all weights as a multiple of its expected initial value; None if one of the two is unknown.

    The variance of a weight is 1/(3 in) for a layer with `in` inputs as torch draws it, 2/(in + out) with Xavier's
    scheme and 2/in with He's. From zeros, weights do not grow by a factor.
    """
    if not evaluation.weight_norms or recipe.init == "zeros":
        return None
    expected = 0.0
    for inputs, outputs in pairwise((find_inputs(recipe.data).size, *recipe.hidden_sizes, classes)):
        variances = {"torch": 1 / (3 * inputs), "xavier": 2 / (inputs + outputs), "he": 2 / inputs}
        expected += inputs * outputs * variances[recipe.init]
    return math.hypot(*evaluation.weight_norms) / math.sqrt(expected)


def falls_steadily(losses: Losses) -> bool:
    """Return whether the train loss fell and hardly ever rose, as it does at a low rate."""
    count = len(losses.raw)
    sample = losses.raw[np.linspace(0, count - 1, min(count, SAMPLES)).astype(int)]
    return bool(sample[-1] < sample[0] and np.mean(np.diff(sample) > 0) <= STEADY)


@dataclass(frozen=True)
class StuckUnits:
    """The share of a hidden layer's units, layer 1 first, that are dead or saturated, and since which evaluation."""

    layer: int
    share: float
    since: int


def find_stuck_units(evaluations: Sequence[Evaluation]) -> StuckUnits | None:
    """Find the layer with the most stuck units, if they are more than half of it; None if that was not measured."""
    shares = evaluations[-1].stuck_units
    if not shares or max(shares) <= HALF_STUCK:
        return None
    layer = shares.index(max(shares))
    since = evaluations[-1].step
    for evaluation in reversed(evaluations):
        if not evaluation.stuck_units or evaluation.stuck_units[layer] <= HALF_STUCK:
            break
        since = evaluation.step
    return StuckUnits(layer + 1, shares[layer], since)


@dataclass(frozen=True)
class Jumps:
    """The median change of the train loss between two evaluations, as a share of it, and the share that go up."""

    size: float
    rises: float


def find_jumps(losses: Losses) -> Jumps | None:
    """Find a train loss that jumps up and down in the second half of a history."""
    recent = losses.raw[min(len(losses.raw) // 2, max(len(losses.raw) - RECENT, 0)) :]
    moves = np.diff(recent)
    if not len(moves):
        return None
    jumps = Jumps(float(np.median(np.abs(moves) / np.maximum(recent[:-1], AT_ZERO))), float(np.mean(moves > 0)))
    return jumps if jumps.size >= JUMPS and jumps.rises > OFTEN else None


@dataclass(frozen=True)
class LateFall:
    """The train loss at three quarters of the steps and at the end, and the share of its whole fall in between.

    test_falls: whether the test loss fell in between as well.
    """

    before: float
    last: float
    share: float
    has_same_rate: bool
    test_falls: bool


def measure_late_fall(losses: Losses, *, start: float) -> LateFall:
    """Measure how much of a fall from `start`, or from the first evaluation if that is higher, came at the end."""
    quarter = 0.75 * losses.steps[-1]
    before, last = float(np.interp(quarter, losses.steps, losses.train)), float(losses.train[-1])
    whole = max(start, float(losses.train[0])) - last
    rates = [np.interp(quarter, losses.steps, losses.rates), *losses.rates[losses.steps > quarter]]
    has_same_rate = min(rates) >= SAME_RATE * max(rates)  # a cycle may end where it began
    test_falls = losses.test[-1] < np.interp(quarter, losses.steps, losses.test)
    return LateFall(before, last, (before - last) / whole if whole > 0 else 0.0, bool(has_same_rate), bool(test_falls))


def find_turn(losses: Losses) -> int | None:
    """Find the index of the evaluation from which the test loss rose while the train loss fell."""
    lowest = int(np.argmin(losses.test))
    has_risen = losses.test[-1] >= (1 + RISEN) * losses.test[lowest]
    has_fallen = losses.train[-1] <= (1 - FELL) * losses.train[lowest]
    return lowest if has_risen and has_fallen and losses.train[lowest] > 0 else None


def find_plateau(losses: Losses) -> int | None:
    """Find the index of the first evaluation of the plateau, at one rate, that a history ends in."""
    train, count = losses.train, len(losses.train)
    if train[-1] < AT_ZERO:
        return None
    low, high = np.minimum(losses.rates, losses.rates[-1]), np.maximum(losses.rates, losses.rates[-1])
    other_rate = np.flatnonzero(low < SAME_RATE * high)
    sums = np.concatenate([[0.0], np.cumsum(train)])
    for begin in range(int(other_rate[-1]) + 1 if len(other_rate) else 0, count - RECENT + 1):
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
class RateDrop:
    """A drop of the rate after `step` and before `until`, two evaluations: means of up to `around` on each side."""

    step: int
    until: int
    rate: float
    loss_before: float
    loss_after: float
    accuracy_before: float
    accuracy_after: float
    around: int


def find_rate_drops(losses: Losses) -> list[RateDrop]:
    """Find the drops of a rate that was constant for two evaluations or more before and after."""
    rates, count = losses.rates, len(losses.rates)
    moved = [place for place in range(1, count) if not math.isclose(rates[place - 1], rates[place])]
    bounds = [0, *moved, count]
    around = max(AROUND, count // SMOOTHING)
    drops = []
    for first, place, end in zip(bounds, bounds[1:], bounds[2:], strict=False):
        if place - first < 2 or end - place < 2 or rates[place] > SAME_RATE * rates[place - 1]:
            continue
        before, after = slice(max(first, place - around), place), slice(place, min(end, place + around))
        drops.append(
            RateDrop(
                step=int(losses.steps[place - 1]),
                until=int(losses.steps[place]),
                rate=float(rates[place]),
                loss_before=float(np.mean(losses.raw[before])),
                loss_after=float(np.mean(losses.raw[after])),
                accuracy_before=float(np.mean(losses.accuracies[before])),
                accuracy_after=float(np.mean(losses.accuracies[after])),
                around=around,
            )
        )
    return drops


def find_early_end(losses: Losses) -> int | None:
    """Find the step of the last evaluation at more than a negligible rate, if most of the steps came after it."""
    step = losses.steps[np.flatnonzero(losses.rates >= NEGLIGIBLE * losses.rates.max())[-1]]
    return int(step) if step < FAR_FROM_END * losses.steps[-1] else None


@dataclass(frozen=True)
class ChangeEffect:
    """What changes set, `lr 0.01 → 0.05`, with their steps, and means of evaluations before and after."""

    steps: tuple[int, ...]
    setting: str
    accuracy_before: float
    accuracy_after: float
    loss_before: float
    loss_after: float


def find_change_effects(recipe: Recipe, evaluations: Sequence[Evaluation]) -> list[ChangeEffect]:
    """Measure the changes that have evaluations on both sides, the newest first.

    Changes without an evaluation between them, as of a slider that is moved in several steps, count as one.
    """
    effects = []
    values = recipe.optimizer.model_dump()
    measured = [evaluation.step for evaluation in evaluations]
    groups = [list(group) for _place, group in groupby(recipe.changes, lambda one: bisect_right(measured, one.step))]
    bounds = [0, *(group[-1].step for group in groups)]
    ends = [*(group[0].step for group in groups[1:]), recipe.train_iter]
    for group, start, end in zip(groups, bounds, ends, strict=False):
        new = {name: value for change in group for name, value in change.values.items()}
        setting = ", ".join(
            f"{name} {short_number(values[name])} → {short_number(value)}" for name, value in new.items()
        )
        values |= new
        before = [one for one in evaluations if start < one.step <= group[0].step][-AROUND:]
        after = [one for one in evaluations if group[-1].step < one.step <= end][:AROUND]
        if before and after:
            effects.append(
                ChangeEffect(
                    steps=tuple(change.step for change in group),
                    setting=setting,
                    accuracy_before=float(np.mean([one.test_acc for one in before])),
                    accuracy_after=float(np.mean([one.test_acc for one in after])),
                    loss_before=float(np.mean([min(one.train_eval_loss, LARGEST) for one in before])),
                    loss_after=float(np.mean([min(one.train_eval_loss, LARGEST) for one in after])),
                )
            )
    return effects[::-1]
