"""What a sweep over the learning rate shows: one curve per row, the best rate of each, and who wins at their best."""

import math
from collections.abc import Sequence

from mlpcore.analysis.differences import label_recipes
from mlpcore.analysis.sweeps.edges import Edge
from mlpcore.analysis.sweeps.sensitivity import RateResult, find_good_rates
from mlpcore.charts.sweeps.sensitivity import RateCurve
from mlpcore.recipes.recipe import Recipe
from mlpcore.sweeps.definition import Definition, read_definition
from mlpcore.sweeps.space import Range, list_values
from mlpcore.sweeps.trials import Trial, best_trial, group_of, seeds_of

SAME_RATE = 0.1  # of all rows that are compared in what else they are


def group_trials(definition: Definition, trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Group trials that differ in nothing but the learning rate, by a label that says what sets the groups apart.

    Trials whose values do not fit together are left out.
    """
    groups: dict[object, list[Trial]] = {}
    for trial in trials:
        if not trial.is_refused:
            groups.setdefault(group_of(trial.point), []).append(trial)
    recipes = [definition.build_recipe({**members[0].point, "lr": SAME_RATE}, 0) for members in groups.values()]
    given = [_given_name(definition, trial[0]) for trial in groups.values()]
    return dict(zip(label_recipes(recipes, given), groups.values(), strict=True))


def _given_name(definition: Definition, trial: Trial) -> str:
    """Return the name of a trial's row, if nothing but the rate varies within the row."""
    row = int(trial.point.get("row", 0))  # type: ignore[arg-type]
    is_alone = trial.point.keys() <= {"row", "lr"}
    return definition.names[row] if is_alone and row < len(definition.names) else ""


def build_curves(definition: Definition, trials: Sequence[Trial], *, target: float | None = None) -> list[RateCurve]:
    """Build the curve of each group over the learning rate, from the trials with a result.

    target: a validation accuracy (0 to 1); each result then has the steps to it.
    """
    curves = []
    images = definition.rows[0].validation_size
    for label, members in group_trials(definition, [one for one in trials if not one.is_fresh]).items():
        results = [
            RateResult(
                lr=float(trial.point["lr"]),  # type: ignore[arg-type]
                accuracies=trial.result.val_accs,
                trial=trial.number,
                steps=None if target is None else trial.result.steps_to(target),
            )
            for trial in members
            if trial.result is not None
        ]
        results.sort(key=lambda one: one.lr)
        curves.append(RateCurve(label, results, find_good_rates(results, images=images)))
    return curves


def fresh_accuracies(definition: Definition, trials: Sequence[Trial]) -> dict[str, dict[int, float]]:
    """Return each row's test accuracies with fresh seeds at its best rate, by seed; rows without any are left out."""
    accuracies: dict[str, dict[int, float]] = {}
    for label, members in group_trials(definition, trials).items():
        best = best_trial([trial for trial in members if not trial.is_fresh])
        fresh = next((one for one in members if best and one.is_fresh and one.point == best.point), None)
        seeds = seeds_of(definition, is_fresh=True)
        if fresh is not None and fresh.result is not None and len(fresh.result.test_accs) == len(seeds):  # none deleted
            by_seed = zip(seeds, fresh.result.test_accs, strict=True)
            accuracies[label] = {seed: accuracy for seed, accuracy in by_seed if accuracy is not None}
    return accuracies


def find_edges(curves: Sequence[RateCurve]) -> set[Edge]:
    """Find the ends of the grid that a best rate lies on."""
    return {curve.good.best_edge for curve in curves if curve.good is not None and curve.good.best_edge is not None}


def rates_of(definition: Definition) -> list[float]:
    """List the learning rates of a grid, lowest first."""
    return sorted(map(float, list_values(definition.space["lr"])))  # type: ignore[arg-type]


def merge_rates(rows: Sequence[Recipe], names: Sequence[str]) -> tuple[list[Recipe], list[str]]:
    """Make rows that differ only in the learning rate one row, with the name of the first."""
    merged: dict[Recipe, str] = {}
    for row, name in zip(rows, names, strict=True):
        merged.setdefault(row.replace(optimizer=row.optimizer.replace(lr=SAME_RATE)), name)
    return list(merged), list(merged.values())


def define_sensitivity(
    rows: Sequence[Recipe], names: Sequence[str] = (), *, seeds: int, low: float = 1e-4, high: float = 1.0
) -> Definition:
    """Define the sweep that trains each row at half decades of the learning rate, and its best with fresh seeds.

    Raises SentenceError if the rows do not go together.
    """
    rates = Range(low=low, high=high, log=True, points=1 + round(2 * math.log10(high / low)))
    given = {"rows": rows, "names": tuple(names), "space": {"lr": rates}, "seeds": seeds, "fresh_seeds": 5}
    return read_definition(given)
