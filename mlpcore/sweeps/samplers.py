"""Draw the trials of a sweep: a grid, Sobol's points, or Optuna's TPE, which learns from the trials before.

What is drawn follows from the definition and the trials before it alone, so a sweep that another process goes on with
draws what it would have drawn.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlpcore.sweeps.definition import ROW, Definition, Point
from mlpcore.sweeps.space import Dimension, Range, Value, list_values

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial as OptunaTrial

BATCH = 16  # trials that are drawn together, and train in lockstep where their recipes allow


def draw_batch(definition: Definition, drawn: Sequence[tuple[Point, float]]) -> list[Point]:
    """Draw the next points of a sweep, at most BATCH; none when all are drawn.

    drawn: the points before, in order, with their accuracies (0 to 1); 0 for a trial without one.
    """
    if definition.sampler == "grid":
        done = {frozenset(point.items()) for point, _accuracy in drawn}  # a grid that was widened begins elsewhere
        return [point for point in grid(definition) if frozenset(point.items()) not in done][:BATCH]
    count = max(min(BATCH, definition.count_trials() - len(drawn)), 0)
    if definition.sampler == "sobol":
        return sobol(definition)[len(drawn) : len(drawn) + count]
    # from the batches before, whole: a sweep that ended within a batch and is extended goes on as the longer one
    start = len(drawn) // BATCH * BATCH
    return _ask_tpe(definition, drawn[:start])[len(drawn) - start :][:count]


def depends_on_results(definition: Definition) -> bool:
    """Return whether what is drawn next, or what becomes of it, depends on the trials before."""
    return definition.sampler not in ("grid", "sobol") or definition.prune


def grid(definition: Definition) -> list[Point]:
    """List every combination of values; what the optimizer or scheduler of one does not have is left out."""
    points: list[Point] = [{}]
    for name, dimension in definition.dimensions().items():
        values = list_values(dimension)
        wider: list[Point] = []
        for point in points:
            wider += [{**point, name: value} for value in values] if definition.applies(name, point) else [point]
        points = wider
    return points


def sobol(definition: Definition) -> list[Point]:
    """Draw Sobol's points, scrambled by the definition's seed: a power of two of them, of which the first are used.

    In studies, all rows get the same points: those of the first study row by row, then those of the next.
    """
    dimensions = definition.dimensions()
    if not definition.studies:
        return [
            _place(definition, dimensions, {}, shares)
            for shares in _draw_shares(dimensions, definition.trials, [definition.seed])
        ]
    own = {name: dimension for name, dimension in dimensions.items() if name != ROW}
    rows: list[Point] = [{ROW: row} for row in range(len(definition.rows))] if ROW in dimensions else [{}]
    points = []
    for study in range(definition.studies):
        drawn = _draw_shares(own, definition.trials // definition.studies, [definition.seed, study])
        points += [_place(definition, own, row, shares) for row in rows for shares in drawn]
    return points


def _draw_shares(dimensions: dict[str, Dimension], count: int, seed: Sequence[int]) -> list[list[float]]:
    """Draw points of the unit cube: the same first ones, however many are drawn."""
    import numpy as np
    from scipy.stats import qmc  # takes 0.5 s to import

    sequence = qmc.Sobol(len(dimensions), scramble=True, rng=np.random.default_rng(seed))
    shares: list[list[float]] = sequence.random_base2(math.ceil(math.log2(max(count, 2))))[:count].tolist()
    return shares


def _place(definition: Definition, dimensions: dict[str, Dimension], row: Point, shares: Sequence[float]) -> Point:
    point: dict[str, Value] = dict(row)
    for (name, dimension), share in zip(dimensions.items(), shares, strict=True):
        if definition.applies(name, point):
            if isinstance(dimension, Range):
                point[name] = dimension.place(share)
            else:
                point[name] = dimension[int(share * len(dimension))]
    return point


def _ask_tpe(definition: Definition, drawn: Sequence[tuple[Point, float]]) -> list[Point]:
    """Ask Optuna's tree-structured Parzen estimator for a batch, with random numbers of its own."""
    import numpy as np
    import optuna  # 0.3 s

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seed = int(np.random.SeedSequence([definition.seed, len(drawn)]).generate_state(1)[0])
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True, n_startup_trials=BATCH)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    dimensions = definition.dimensions()
    distributions = {name: build_distribution(dimension) for name, dimension in dimensions.items()}
    for point, accuracy in drawn:
        params = {name: as_param(dimensions[name], value) for name, value in point.items()}
        own = {name: distributions[name] for name in params}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=own, value=accuracy))
    return [_suggest(definition, dimensions, study.ask()) for _ in range(BATCH)]


def _suggest(definition: Definition, dimensions: dict[str, Dimension], trial: "OptunaTrial") -> Point:
    point: dict[str, Value] = {}
    for name, dimension in dimensions.items():
        if not definition.applies(name, point):
            continue
        if not isinstance(dimension, Range):
            names = list(map(repr, dimension))
            point[name] = dimension[names.index(trial.suggest_categorical(name, names))]
        elif dimension.is_whole:
            point[name] = trial.suggest_int(name, int(dimension.low), int(dimension.high), log=dimension.log)
        else:
            point[name] = dimension.round(trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log))
    return point


def build_distribution(dimension: Dimension) -> "BaseDistribution":
    """Build what Optuna calls the distribution of a dimension."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(dimension, Range):
        return CategoricalDistribution(list(map(repr, dimension)))
    if dimension.is_whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def as_param(dimension: Dimension, value: Value) -> object:
    """Return a value as Optuna takes it: a choice is named by its text, because it may be a tuple."""
    return value if isinstance(dimension, Range) else repr(value)
