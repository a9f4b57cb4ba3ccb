"""Into how many lockstep cohorts a sweep falls, before it starts."""

from collections.abc import Sequence

from mlpcore.sweeps.definition import Definition, Point
from mlpcore.sweeps.samplers import BATCH, grid, sobol
from mlpcore.sweeps.space import Range

# what the trials of a cohort must agree in, of the hyperparameters that may vary: see training.lockstep.cohort_key
SHARED = ("batch_size", "hidden_sizes", "activation", "train_size", "precision")


def list_apart(definition: Definition) -> list[str]:
    """List the hyperparameters of the space that keep trials from training together."""
    return [name for name in definition.space if name in SHARED]


def count_cohorts(definition: Definition) -> int:
    """Count the cohorts, those of each seed apart; where TPE draws the trials, the most that there can be.

    The limit on memory may divide them further.
    """
    if definition.sampler != "tpe":
        points = grid(definition) if definition.sampler == "grid" else sobol(definition)
        batches = [points[start : start + BATCH] for start in range(0, len(points), BATCH)]
        return definition.seeds * sum(_count_kinds(definition, batch) for batch in batches)
    kinds = 1
    for name in list_apart(definition):
        one = definition.space[name]
        kinds *= BATCH if isinstance(one, Range) else len(one)
    whole, rest = divmod(definition.trials, BATCH)
    return definition.seeds * (whole * min(kinds, BATCH) + min(kinds, rest))


def _count_kinds(definition: Definition, points: Sequence[Point]) -> int:
    kinds = {tuple(point.get(name, getattr(definition.row_of(point), name)) for name in SHARED) for point in points}
    return len(kinds)
