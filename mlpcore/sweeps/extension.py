"""Sweeps that go further: with more trials, or over wider ranges where a best value lies at an edge."""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from mlpcore.analysis.sweeps.edges import EDGE_SHARE, Edge, EdgeBest, find_edge
from mlpcore.messages import SentenceError
from mlpcore.sweeps import messages
from mlpcore.sweeps.definition import Definition, read_definition
from mlpcore.sweeps.space import Dimension, Range, list_values
from mlpcore.sweeps.trials import Sweep, Trial, best_trial

WIDER_BY = 2  # values of a list or of a grid, at each end that a best value lies at
WIDER_SHARE = 0.25  # of a range, at each such end
FEWEST_VALUES = 3  # of a list that has edges


def add_trials(sweep: Sweep, count: int) -> Definition:
    """Define a sweep with so many more trials; one that was stopped gets them on top of those it drew.

    Raises SentenceError if it is a grid, or if these are more than a sweep may have.
    """
    definition, drawn = sweep.definition, sum(not trial.is_fresh for trial in sweep.trials)
    if definition.sampler == "grid":
        raise SentenceError(messages.NO_MORE_POINTS)
    return _change(definition, trials=(drawn if sweep.status.is_over else definition.trials) + count)


def list_edges(definition: Definition, trials: Sequence[Trial]) -> list[EdgeBest]:
    """Find what the best trial has at an edge that may be moved; where optimizers differ, for the best of each."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        if not trial.is_fresh:
            kind = trial.point.get("optimizer", definition.row_of(trial.point).optimizer.name)
            groups.setdefault(str(kind), []).append(trial)
    return [
        edge
        for kind, members in groups.items()
        if (best := best_trial(members)) is not None
        for edge in _list_edges(definition, best, kind if len(groups) > 1 else "")
    ]


def widen(definition: Definition, edges: Mapping[str, Collection[Edge]]) -> Definition:
    """Widen hyperparameters at these ends, as far as their fields allow.

    On a grid their values are then a list, which has the old ones to the last digit: their trials are kept.

    Raises SentenceError if the sweep would have too many trials.
    """
    wider = {name: _widen(definition, name, ends) for name, ends in edges.items()}
    return _change(definition, space={**definition.space, **wider})


def _change(definition: Definition, **values: object) -> Definition:
    return read_definition(dict(definition) | values)


def _list_edges(definition: Definition, best: Trial, optimizer: str) -> list[EdgeBest]:
    """List the hyperparameters of a trial that lie at an edge, unless their fields allow nothing beyond it."""
    found = []
    for name, dimension in definition.space.items():
        value, numbers, is_grid = best.point.get(name), _list_numbers(dimension), _is_grid(definition, name)
        if not isinstance(value, int | float) or len(numbers) < (FEWEST_VALUES if is_grid else 2):
            continue
        low, high = numbers[0], numbers[-1]
        is_log, share = isinstance(dimension, Range) and dimension.log, 0.0 if is_grid else EDGE_SHARE
        edge = find_edge(value, low, high, is_log=is_log, share=share)
        least, most = _find_allowed(definition, name)
        if (edge is Edge.LOW and low > least) or (edge is Edge.HIGH and high < most):
            found.append(EdgeBest(name, value, low, high, edge, optimizer))
    return found


def _is_grid(definition: Definition, name: str) -> bool:
    """Return whether only certain values of a hyperparameter are tried."""
    return definition.sampler == "grid" or not isinstance(definition.space[name], Range)


def _list_numbers(dimension: Dimension) -> list[int | float]:
    """Sort the values of a grid or a list; none if they are no numbers."""
    values = list_values(dimension)
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return sorted(numbers) if len(numbers) == len(values) else []


def _find_allowed(definition: Definition, name: str) -> tuple[float, float]:
    """Return the least and the greatest value that a range may be widened to."""
    (least, most), dimension = definition.find_allowed(name), definition.space[name]
    return (max(least, 1) if isinstance(dimension, Range) and dimension.log and dimension.is_whole else least), most


def _widen(definition: Definition, name: str, ends: Collection[Edge]) -> Dimension:
    dimension, (least, most) = definition.space[name], _find_allowed(definition, name)
    if isinstance(dimension, Range) and not _is_grid(definition, name):
        low = max(_move(dimension, Edge.LOW), least) if Edge.LOW in ends else dimension.low
        high = min(_move(dimension, Edge.HIGH), most) if Edge.HIGH in ends else dimension.high
        return dimension.replace(low=low, high=high)
    numbers = _list_numbers(dimension)
    if len(numbers) < 2:  # one value says nothing of how far apart the next would be
        return dimension
    is_whole = all(isinstance(number, int) for number in numbers)
    new = [number for edge in ends for number in _go_on(numbers, edge, is_log=_is_log(dimension, numbers))]
    rounded = [round(number) if is_whole else float(f"{number:.4g}") for number in new]
    allowed = [number for number in rounded if least <= number <= most]
    return tuple(sorted({*numbers, *allowed})) if allowed else dimension


def _move(dimension: Range, edge: Edge) -> int | float:
    """Return an end that lies WIDER_SHARE of the range further out, with no more digits than it needs."""
    low, high = dimension.low, dimension.high
    end, sign = (low, -1) if edge is Edge.LOW else (high, 1)
    further = end * (high / low) ** (sign * WIDER_SHARE) if dimension.log else end + sign * WIDER_SHARE * (high - low)
    rounded = (float(f"{further:.{digits}g}") for digits in range(1, 17))
    moved = next((one for one in rounded if sign * one > sign * end), further)
    return round(moved) if dimension.is_whole else moved


def _is_log(dimension: Dimension, numbers: Sequence[float]) -> bool:
    """Return whether a grid is logarithmic, or whether the ratios of a list differ no more than its distances."""
    if isinstance(dimension, Range) or numbers[0] <= 0:
        return isinstance(dimension, Range) and dimension.log
    pairs = list(pairwise(numbers))
    ratios, distances = [high / low for low, high in pairs], [high - low for low, high in pairs]
    return max(ratios) / min(ratios) <= max(distances) / min(distances)


def _go_on(numbers: Sequence[float], edge: Edge, *, is_log: bool) -> list[float]:
    """Go on with sorted numbers beyond one of their ends, by the ratio or the distance that they have on average."""
    low, high = numbers[0], numbers[-1]
    end, sign = (low, -1) if edge is Edge.LOW else (high, 1)
    steps = [sign * step / (len(numbers) - 1) for step in range(1, WIDER_BY + 1)]
    return [end * (high / low) ** step if is_log else end + step * (high - low) for step in steps]
