"""Run a sweep in this process and wait for its end, with a progress bar: the command line and notebooks."""

import contextlib
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from mlpcore.data import catalog
from mlpcore.messages import SentenceError
from mlpcore.recipes.points import DataSource
from mlpcore.recipes.validation import find_misfit
from mlpcore.sweeps.definition import Definition, name_sweep, read_definition
from mlpcore.sweeps.files import tabulate
from mlpcore.sweeps.trials import Sweep, best_trial

if TYPE_CHECKING:
    import pandas as pd

    from mlpcore.jobs.manager import RunManager
    from mlpcore.runs.store import RunStore
    from mlpcore.sweeps.manager import SweepManager

OWNER = ""  # no browser has this token: no page can stop what a command or a notebook trains
LOOK_SECONDS = 0.1  # between two reads of the sweep
LINE_SECONDS = 1.0  # between two lines of the bar where it is written into a file
PATIENCE_SECONDS = 10.0  # with a sweep that cannot go on, as while another program keeps the database locked


def sweep(definition: Definition | Mapping[str, Any], *, name: str = "") -> "pd.DataFrame":
    """Train a sweep with a progress bar and return a table with one row per trial; an interrupt stops it.

    The sweep and its runs are stored, like those of the pages.

    Args:
        definition: What to train, as an object or as the command line's JSON has it:
            `{"base": {"dataset": "Shapes"}, "space": {"lr": {"low": 1e-4, "high": 1}}, "sampler": "sobol"}`.
        name: What the sweep is called; the hyperparameters that vary if not given.

    Returns:
        The values of each trial's point, then seeds, status, val_acc and test_acc (0 to 1, the mean over the seeds),
        step (at which they were measured), is_fresh (whether it trains the best of a row again) and runs (ids).

    Raises:
        SentenceError: The sweep is not valid, or cannot go on.
        StoreError: The database cannot be used.
    """
    read = definition if isinstance(definition, Definition) else complete_definition(definition)
    return tabulate(run_sweep(read, name=name or name_sweep(read)))


def complete_definition(given: Any) -> Definition:
    """Read a sweep as JSON has it; rows without a validation_size hold out what the pages hold out."""
    home = catalog.data_home()

    def hold_out(source: DataSource) -> int:
        return catalog.choose_validation_size(catalog.count_training_images(home, source))

    return read_definition(given, hold_out=hold_out)


def run_sweep(definition: Definition, *, name: str) -> Sweep:
    """Train a sweep in this process with a progress bar; an interrupt stops it. Return it when it is over."""
    from mlpcore.data.loader import DatasetLoader
    from mlpcore.jobs.executors.choice import choose_executor
    from mlpcore.jobs.manager import RunManager
    from mlpcore.runs.store import RunStore
    from mlpcore.sweeps.manager import SweepManager

    home = catalog.data_home()
    for row in definition.rows:
        images = catalog.count_training_images(home, row.data)
        if misfit := find_misfit(row, catalog.known_datasets(home), images):
            raise SentenceError(misfit.template, **misfit.values)
    with contextlib.closing(RunStore()) as store:
        store.mark_interrupted()
        runs = RunManager(store, DatasetLoader(catalog.data_home), executor=choose_executor())
        sweeps = SweepManager(runs, resume_left=False)
        try:
            sweep_id = sweeps.start(definition, owner=OWNER, name=name)
            try:
                return _explain(_follow(sweeps, runs, sweep_id), store)
            except BaseException as error:
                with contextlib.suppress(SentenceError):  # it ended just now
                    sweeps.stop(sweep_id, owner=OWNER)
                if not isinstance(error, KeyboardInterrupt):
                    raise
                return _follow(sweeps, runs, sweep_id, quiet=True)
        finally:
            sweeps.shutdown()
            runs.shutdown()


def _follow(sweeps: "SweepManager", runs: "RunManager", sweep_id: str, *, quiet: bool = False) -> Sweep:
    """Show a progress bar until the sweep is over. Raises SentenceError if it cannot go on."""
    sweep, stuck_since = _get(sweeps, sweep_id), None
    look: dict[str, Any] = {"disable": quiet, "mininterval": LOOK_SECONDS if sys.stderr.isatty() else LINE_SECONDS}
    with tqdm(desc=sweep.name, total=sweep.definition.count_trials(), unit="trial", **look) as bar:
        while not (sweep.status.is_over and not sweep.waiting):
            time.sleep(LOOK_SECONDS)
            sweep = _get(sweeps, sweep_id)
            done = sum(trial.result is not None for trial in sweep.trials)
            bar.total = max(bar.total, len(sweep.trials))  # those with fresh seeds come on top
            if (best := best_trial(sweep.trials)) is not None and best.result is not None:
                bar.set_postfix({"best val_acc": f"{best.result.val_acc:.3f}"}, refresh=False)
            bar.update(done - bar.n)
            trouble = sweep.problem or runs.trouble
            stuck_since = (stuck_since or time.monotonic()) if trouble and not runs.list_active() else None
            if trouble and stuck_since is not None and time.monotonic() - stuck_since > PATIENCE_SECONDS:
                raise SentenceError(trouble.template, **trouble.values)
    return sweep


def _explain(sweep: Sweep, store: "RunStore") -> Sweep:
    """Add to a sweep of which nothing came what its first run says."""
    run_ids = [run_id for trial in sweep.trials for run_id in trial.run_ids]
    if best_trial(sweep.trials) is not None or not run_ids:
        return sweep
    return replace(sweep, problem=store.get(run_ids[0]).message)


def _get(sweeps: "SweepManager", sweep_id: str) -> Sweep:
    sweep = sweeps.get(sweep_id)
    assert sweep is not None, "it was stored when it was started"
    return sweep
