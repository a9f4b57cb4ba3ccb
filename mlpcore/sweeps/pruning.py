"""Stop hopeless trials early, by Optuna's median rule, so that the same sweep always stops the same ones."""

import statistics
from collections.abc import Sequence
from dataclasses import replace

from mlpcore.runs.records import Run, RunStatus
from mlpcore.sweeps.samplers import BATCH
from mlpcore.sweeps.trials import PRUNED, Trial, TrialResult, judge

STARTUP_TRIALS = 5  # finished ones before the first can be pruned, as Optuna's MedianPruner has it


def find_hopeless_step(result: TrialResult, earlier: Sequence[Trial]) -> int | None:
    """Return the first step at which a trial was hopeless; None if it never was.

    It is when its best validation accuracy so far is below the median, at that step, of the trials that finished
    before. Pruned trials are not among them.
    """
    finished = [one.result for one in earlier if one.result and set(one.result.statuses) == {RunStatus.FINISHED}]
    if len(finished) < STARTUP_TRIALS:
        return None
    curves = [dict(zip(one.steps, _mean_curve(one), strict=True)) for one in finished]
    best = 0.0
    for step, accuracy in zip(result.steps, _mean_curve(result), strict=True):
        best = max(best, accuracy)
        others = [curve[step] for curve in curves if step in curve]
        if others and best < statistics.median(others):
            return step
    return None


def list_earlier(trial: Trial, trials: Sequence[Trial]) -> Sequence[Trial]:
    """List the trials that a trial is compared with: those that were over, whatever the timing, before it began."""
    return [one for one in trials[: max(trial.number - BATCH + 1, 0)] if not one.is_fresh]


def judge_until(runs: Sequence[Run], step: int) -> TrialResult:
    """Measure a pruned trial by its runs: only until that step, because what they did until they stopped is chance."""
    cut = [
        replace(run, status=RunStatus.STOPPED, evaluations=tuple(one for one in run.evaluations if one.step <= step))
        for run in runs
    ]
    return replace(judge(cut), statuses=(PRUNED,) * len(runs))


def _mean_curve(result: TrialResult) -> list[float]:
    return [statistics.fmean(values) for values in zip(*result.val_curves, strict=True)]
