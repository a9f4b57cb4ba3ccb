"""Equal budgets: each row tunes the same number of trials on each data set, and is scored by the steps to a target."""

import statistics
from collections.abc import Sequence

from mlpcore.analysis.differences import label_recipes
from mlpcore.analysis.sweeps.budgets import score_recipe
from mlpcore.recipes.recipe import Recipe
from mlpcore.sweeps.definition import Definition, read_definition
from mlpcore.sweeps.space import Range
from mlpcore.sweeps.trials import Trial

TRIALS, STUDIES = 15, 3  # of each row


def define_budget(rows: Sequence[Recipe], names: Sequence[str] = ()) -> Definition:
    """Define the sweep in which each row tunes its learning rate: three studies of five trials.

    Raises SentenceError if the rows do not go together.
    """
    drawn = {"sampler": "sobol", "trials": TRIALS, "studies": STUDIES}
    space = {"lr": Range(low=1e-4, high=1.0, log=True)}
    return read_definition({"rows": rows, "names": tuple(names), "space": space} | drawn)


def group_studies(definition: Definition, trials: Sequence[Trial]) -> list[list[list[Trial]]]:
    """Group the trials so far by row, and within a row by study."""
    rows, each = len(definition.rows), definition.trials // definition.studies
    studies: list[list[list[Trial]]] = [[[] for _ in range(definition.studies)] for _ in range(rows)]
    for trial in trials:
        if trial.is_fresh:
            continue
        study, place = divmod(trial.number, rows * each)
        studies[place // each][study].append(trial)
    return studies


def label_rows(definition: Definition) -> list[str]:
    """Label the rows by their names, or by what sets them apart."""
    rows = definition.rows
    return label_recipes(rows, definition.names or [""] * len(rows))


def find_target(definition: Definition, trials: Sequence[Trial], row: int = 0) -> float | None:
    """Return the validation accuracy that a row reaches with its budget: the median over its studies of their best.

    None until it has a result.
    """
    best = [max((trial.score for trial in study), default=0.0) for study in group_studies(definition, trials)[row]]
    return statistics.median(best) or None


def score_rows(definition: Definition, trials: Sequence[Trial], target: float) -> list[float]:
    """Return the steps that each row needs to a validation accuracy (0 to 1): see `score_recipe`."""
    return [
        score_recipe([[trial.result.steps_to(target) for trial in study if trial.result] for study in studies])
        for studies in group_studies(definition, trials)
    ]
