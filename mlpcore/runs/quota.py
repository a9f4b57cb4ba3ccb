"""How much each person may store: what their runs and sweeps take, and the limit."""

import os
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.messages import BAD_GIGABYTES, OVER_QUOTA, StoreError
from mlpcore.runs.records import Run
from mlpcore.runs.schema import EVALUATIONS, KEPT, PER_LAYER, RUNS
from mlpcore.runs.sweeps import SWEEPS, TRIALS, StoredSweep

DEFAULT_QUOTA = 10.0  # GB: 9,000 runs on 10,000 test images
ROW_BYTES = 110  # of a run or an evaluation, besides its texts: within 15 % of what the file grows by
SNAPSHOT_BYTES = 1_050_000  # the largest: 10,000 test images of 3×32×32 pixels


@dataclass(frozen=True)
class Usage:
    """What the runs of one person take."""

    runs: int
    bytes: int


def measure_rows(connection: Connection, owner: str) -> tuple[list[str], int]:
    """Return the ids of an owner's runs, and the bytes that the database needs for them and for the owner's sweeps."""
    texts = (RUNS.c[name] for name in ("recipe", "message", "traceback", "note", "versions"))
    length = sum((func.length(text) for text in texts), start=func.length(RUNS.c.name))
    runs = connection.execute(select(RUNS.c.id, length).where(RUNS.c.owner == owner, KEPT)).all()
    owned = EVALUATIONS.c.run_id.in_(select(RUNS.c.id).where(RUNS.c.owner == owner, KEPT))
    layers = sum((func.length(EVALUATIONS.c[name]) for name in PER_LAYER[1:]), func.length(EVALUATIONS.c[PER_LAYER[0]]))
    count, of_layers = connection.execute(select(func.count(), func.coalesce(func.sum(layers), 0)).where(owned)).one()
    size = sum(n for _id, n in runs) + of_layers + ROW_BYTES * (len(runs) + count) + _measure_sweeps(connection, owner)
    return [run_id for run_id, _length in runs], size


def _measure_sweeps(connection: Connection, owner: str) -> int:
    mine = SWEEPS.c.owner == owner
    definitions = select(func.count(), func.coalesce(func.sum(func.length(SWEEPS.c.definition)), 0)).where(mine)
    length = func.length(TRIALS.c.point) + func.length(TRIALS.c.run_ids) + func.length(TRIALS.c.result)
    owned = TRIALS.c.sweep_id.in_(select(SWEEPS.c.id).where(mine))
    trials = select(func.count(), func.coalesce(func.sum(length), 0)).where(owned)
    measured = [connection.execute(query).one() for query in (definitions, trials)]
    return sum(ROW_BYTES * count + size for count, size in measured)


def estimate_recipe(recipe: Recipe) -> int:
    """Estimate the bytes that a run of a recipe needs when it is over."""
    return len(recipe.model_dump_json()) + 3 * ROW_BYTES * (recipe.evaluation_count + 1) + SNAPSHOT_BYTES


def estimate_run(run: Run) -> int:
    """Estimate the bytes that a run from a file needs: it has no snapshot."""
    return len(run.recipe.model_dump_json()) + len(run.note) + 3 * ROW_BYTES * (len(run.evaluations) + 1)


def estimate_sweep(sweep: StoredSweep) -> int:
    """Estimate the bytes that a sweep from a file needs: its runs do not come with it."""
    texts = [sweep.definition, *(text for trial in sweep.trials for text in (trial.point, trial.result))]
    ids = sum(len(run_id) + 4 for trial in sweep.trials for run_id in trial.run_ids)  # with quotes, comma and space
    return sum(map(len, texts)) + ids + ROW_BYTES * (1 + len(sweep.trials))


def read_quota() -> float:
    """Read from MLPCORE_QUOTA_GB how many bytes each person may store. Raises StoreError if it is no number above 0."""
    return read_gigabytes("MLPCORE_QUOTA_GB", os.environ.get("MLPCORE_QUOTA_GB")) or DEFAULT_QUOTA * 1e9


def read_gigabytes(variable: str, text: str | None) -> float | None:
    """Return the bytes that a variable names in GB; None if it is not set. Raises StoreError if it is not above 0."""
    if text is None:
        return None
    try:
        size = float(text)
    except ValueError:
        size = 0.0
    if not size > 0:
        raise StoreError(BAD_GIGABYTES, variable=variable, value=text)
    return size * 1e9


def check_quota(used: int, more: int, quota: float) -> None:
    """Raise SentenceError, which says how to free space, if somebody who has used so much may not store more."""
    if used + more > quota:
        raise SentenceError(OVER_QUOTA, used=used / 1e9, more=more / 1e9, quota=quota / 1e9)
