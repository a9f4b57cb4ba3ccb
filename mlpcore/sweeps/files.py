"""Sweeps that leave as files and come back: their definitions, trials and results, without the runs' own histories."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from mlpcore.export.messages import DAMAGED
from mlpcore.export.reading import STRICT, read_file
from mlpcore.export.tables import as_cell
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import MAX_EVALUATIONS, WrittenRecipe
from mlpcore.recipes.url import MAX_SEEDS
from mlpcore.runs.records import NAME, Accuracy, RunStatus
from mlpcore.runs.sweeps import StoredSweep, SweepStatus
from mlpcore.sweeps import messages
from mlpcore.sweeps.definition import MAX_TRIALS, Definition, Point
from mlpcore.sweeps.space import Dimension, Range, Value
from mlpcore.sweeps.trials import (
    WORSE,
    Sweep,
    Trial,
    TrialResult,
    come_to_nothing,
    seeds_of,
    write_trial,
)

if TYPE_CHECKING:
    import pandas as pd

FORMAT, VERSION = "mlp-playground-sweep", 1
MAX_SWEEPS = 10  # in a file: equal budgets have one for each data set

Step = Annotated[int, Field(ge=1, le=10_000_000)]
Steps = Annotated[tuple[Step, ...], Field(max_length=MAX_EVALUATIONS)]
Curve = Annotated[tuple[Accuracy, ...], Field(max_length=MAX_EVALUATIONS)]
Accuracies = Annotated[tuple[Accuracy | None, ...], Field(max_length=MAX_SEEDS)]


class _Strict(BaseModel):
    model_config = STRICT


class _Result(_Strict):
    statuses: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_SEEDS)]
    steps: Steps
    val_curves: Annotated[tuple[Curve, ...], Field(max_length=MAX_SEEDS)]
    val_accs: Accuracies
    test_accs: Accuracies
    chosen_steps: Annotated[tuple[Step | None, ...], Field(max_length=MAX_SEEDS)]

    @model_validator(mode="after")
    def _fits_together(self) -> "_Result":
        count = len(self.statuses)
        is_ended = all(status in WORSE and not _is_active(status) for status in self.statuses)
        is_paired = count == len(self.val_accs) == len(self.test_accs) and len(self.chosen_steps) in (0, count)
        has_curves = len(self.val_curves) in (0, count) and all(len(one) == len(self.steps) for one in self.val_curves)
        if not (is_ended and is_paired and has_curves) or list(self.steps) != sorted(set(self.steps)):
            raise ValueError
        return self


class _StoredTrial(_Strict):
    point: Annotated[dict[str, Value], Field(max_length=10)]
    is_fresh: bool
    seeds: Annotated[tuple[int, ...], Field(max_length=MAX_SEEDS)]
    recipe: WrittenRecipe | None  # with the first seed; None where the values do not fit together
    runs: Annotated[tuple[Annotated[str, Field(pattern=r"^[\w\-]{1,64}$")], ...], Field(max_length=MAX_SEEDS)]
    result: _Result


class _StoredSweep(_Strict):
    name: Annotated[str, Field(pattern=NAME)]
    created: Annotated[float, Field(ge=0, le=1e11)]
    status: Literal["finished", "stopped"]
    definition: Definition
    trials: Annotated[list[_StoredTrial], Field(max_length=2 * MAX_TRIALS, fail_fast=True)]


class _File(_Strict):
    format: Literal["mlp-playground-sweep"]
    version: Literal[1]
    sweeps: Annotated[list[_StoredSweep], Field(min_length=1, max_length=MAX_SWEEPS, fail_fast=True)]


def to_json(sweeps: Sequence[Sweep]) -> str:
    """Export sweeps in a form that `from_json` reads; owners are left out. What goes on counts as stopped."""
    stored = [
        {
            "name": sweep.name,
            "created": sweep.created,
            "status": (sweep.status if sweep.status.is_over else SweepStatus.STOPPED).value,
            "definition": sweep.definition.model_dump(mode="json"),
            "trials": [_write(sweep.definition, trial) for trial in sweep.trials],
        }
        for sweep in sweeps
    ]
    return json.dumps({"format": FORMAT, "version": VERSION, "sweeps": stored}, allow_nan=False)


def to_csv(sweeps: Sequence[Sweep]) -> str:
    """Export one row per trial."""
    import pandas as pd

    tables = {sweep.definition.rows[0].dataset: tabulate(sweep) for sweep in sweeps}
    return str(pd.concat(tables, names=["dataset"]).map(as_cell).to_csv(lineterminator="\n"))


def tabulate(sweep: Sweep) -> "pd.DataFrame":
    """Write the trials of a sweep as a table, with one row per trial."""
    import pandas as pd

    seeds = partial(seeds_of, sweep.definition)
    rows = [
        {
            **{name: trial.point.get(name) for name in sweep.definition.dimensions()},
            "seeds": tuple(seeds(is_fresh=trial.is_fresh)),
            "status": trial.result.status if trial.result else None,
            "val_acc": trial.result.val_acc if trial.result else None,
            "test_acc": trial.result.test_acc if trial.result else None,
            "step": trial.result.step if trial.result else None,
            "is_fresh": trial.is_fresh,
            "runs": trial.run_ids,
        }
        for trial in sweep.trials
    ]
    return pd.DataFrame(rows, index=pd.Index([trial.number for trial in sweep.trials], name="trial"))


def from_json(data: bytes, *, owner: str) -> list[StoredSweep]:
    """Read sweeps that `to_json` wrote, as sweeps of `owner` with new ids, which are over.

    Raises SentenceError if the file is not one of ours, too large, damaged or of another version.
    """
    read = read_file(data, _File, form=FORMAT, version=VERSION, not_ours=messages.NOT_A_SWEEP_FILE)
    sweeps = []
    for place, stored in enumerate(read.sweeps):
        definition = stored.definition
        trials = tuple(
            Trial(number, one.point, one.runs, one.is_fresh, TrialResult(**one.result.model_dump()))
            for number, one in enumerate(stored.trials)
        )
        if sum(not one.is_fresh for one in trials) > definition.count_trials():
            raise SentenceError(DAMAGED, where=f"sweeps.{place}.trials")
        for number, one in enumerate(stored.trials):
            if not _belongs(definition, one):
                raise SentenceError(DAMAGED, where=f"sweeps.{place}.trials.{number}")
        sweeps.append(
            StoredSweep(
                *(secrets.token_hex(6), stored.name, owner, stored.created, SweepStatus(stored.status)),
                definition.model_dump_json(),
                tuple(map(write_trial, trials)),
            )
        )
    return sweeps


def _write(definition: Definition, trial: Trial) -> dict[str, Any]:
    seeds = tuple(seeds_of(definition, is_fresh=trial.is_fresh))
    result = trial.result or come_to_nothing(RunStatus.INTERRUPTED)
    recipe = None if trial.is_refused else definition.build_recipe(trial.point, seeds[0])
    return {
        "point": trial.point,
        "is_fresh": trial.is_fresh,
        "seeds": seeds,
        "recipe": recipe and recipe.model_dump(mode="json"),
        "runs": trial.run_ids,
        "result": asdict(result),
    }


def _belongs(definition: Definition, trial: _StoredTrial) -> bool:
    """Return whether the definition could have drawn a trial, with this recipe and as many results."""
    seeds = seeds_of(definition, is_fresh=trial.is_fresh)
    if not seeds or trial.seeds != tuple(seeds) or len(trial.result.statuses) > len(seeds):
        return False
    if len(trial.runs) != (len(seeds) if trial.recipe else 0) or not _is_drawn(definition, trial.point):
        return False
    try:
        recipe = definition.build_recipe(trial.point, seeds[0])
    except ValidationError:
        return trial.recipe is None
    return recipe == trial.recipe


def _is_drawn(definition: Definition, point: Point) -> bool:
    dimensions = definition.dimensions()
    if not point.keys() <= dimensions.keys() or not all(_lies_in(dimensions[name], point[name]) for name in point):
        return False
    return point.keys() == {name for name in dimensions if definition.applies(name, point)}


def _lies_in(dimension: Dimension, value: Value) -> bool:
    if not isinstance(dimension, Range):
        return repr(value) in map(repr, dimension)  # 1 is not True, nor 1.0
    is_number = isinstance(value, int if dimension.is_whole else int | float) and not isinstance(value, bool)
    return is_number and dimension.low <= value <= dimension.high  # type: ignore[operator]


def _is_active(status: str) -> bool:
    return status in [one.value for one in RunStatus if not one.is_over]
