"""Trials of a sweep: one point of the search space each, its runs, and what came of them."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from mlpcore.analysis.comparison import select_evaluation
from mlpcore.messages import N_, Sentence
from mlpcore.runs.records import Run, RunStatus, is_same_owner
from mlpcore.runs.sweeps import StoredTrial, SweepStatus
from mlpcore.sweeps.definition import Definition, Point
from mlpcore.sweeps.space import Value

PRUNED = N_("pruned")  # how a trial ended that was stopped because it was hopeless
REFUSED, DELETED = (
    N_("refused"),
    N_("deleted"),
)  # how a trial ended without runs: values that do not fit, runs that are gone
WORSE = (
    *(RunStatus.FINISHED, PRUNED, RunStatus.STOPPED, RunStatus.INTERRUPTED, RunStatus.DIVERGED, RunStatus.FAILED),
    *(DELETED, REFUSED),
    *(RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSED),  # of a trial that is judged while it trains
)  # each is worse than the ones before


@dataclass(frozen=True)
class TrialResult:
    """What was measured of a trial, seed by seed. Accuracies are between 0 and 1.

    Attributes:
        statuses: How each run ended.
        steps: The steps of the evaluations, those that all runs have.
        val_curves: Validation accuracies at these steps.
        val_accs: Validation accuracy at the step that each run is judged by; None for a run that came to nothing.
        test_accs: Test accuracy at the same step.
        chosen_steps: That step.
    """

    statuses: tuple[str, ...]
    steps: tuple[int, ...]
    val_curves: tuple[tuple[float, ...], ...]
    val_accs: tuple[float | None, ...]
    test_accs: tuple[float | None, ...]
    chosen_steps: tuple[int | None, ...] = ()

    @property
    def val_acc(self) -> float | None:
        """The mean validation accuracy over the seeds; None if a run of them came to nothing."""
        return _mean(self.val_accs)

    @property
    def test_acc(self) -> float | None:
        """The mean test accuracy over the seeds; None if a run of them came to nothing."""
        return _mean(self.test_accs)

    @property
    def step(self) -> float | None:
        """The mean of the steps that the seeds are judged by; None if a run of them came to nothing."""
        return _mean(self.chosen_steps)

    @property
    def status(self) -> str:
        """How its runs ended: what is worst of it, if they ended differently."""
        return max(self.statuses, key=WORSE.index)

    @property
    def is_diverged(self) -> bool:
        """Whether a run of it diverged."""
        return RunStatus.DIVERGED in self.statuses

    def steps_to(self, accuracy: float) -> float | None:
        """Return the mean step at which the seeds reached a validation accuracy; None if one of them never did."""
        reached = [
            next((step for step, value in zip(self.steps, curve, strict=True) if value >= accuracy), None)
            for curve in self.val_curves
        ]
        return _mean(reached) if len(reached) == len(self.statuses) else None


@dataclass(frozen=True)
class Trial:
    """One point of the space, trained with some seeds.

    Attributes:
        number: Its place in the sweep, from 0.
        point: Its values, by flat name.
        run_ids: Its runs, one per seed.
        is_fresh: Whether it trains the best of a row again, with seeds that had no part in the choice.
        result: What came of it; None until all its runs are over.
    """

    number: Annotated[int, Field(ge=0)]
    point: dict[str, Value]
    run_ids: tuple[str, ...]
    is_fresh: bool = False
    result: TrialResult | None = None

    @property
    def score(self) -> float:
        """What samplers learn: its mean validation accuracy, 0 if it has none."""
        return (self.result.val_acc if self.result else None) or 0.0

    @property
    def is_refused(self) -> bool:
        """Whether the values of its point do not fit together, so that nothing was trained."""
        return not self.run_ids


def come_to_nothing(status: str) -> TrialResult:
    """Return the result of a trial without runs."""
    return TrialResult((status,), (), (), (None,), (None,), (None,))


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A sweep as pages show it: what it does, how far it is, and its trials so far."""

    id: str
    name: str
    owner: str = dataclasses.field(repr=False)
    created: float
    status: SweepStatus
    definition: Definition
    trials: tuple[Trial, ...] = ()
    problem: Sentence | None = None  # why it cannot go on at the moment

    @property
    def waiting(self) -> list[Trial]:
        """The trials whose runs wait or train."""
        return [trial for trial in self.trials if trial.result is None]

    def belongs_to(self, owner: str) -> bool:
        """Return whether this owner started it."""
        return is_same_owner(self.owner, owner)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


_RESULT = TypeAdapter(TrialResult)
_POINT = TypeAdapter(dict[str, Value])


def seeds_of(definition: Definition, *, is_fresh: bool) -> range:
    """Return the seeds of a trial: fresh ones follow those that the choice was made with."""
    if is_fresh:
        return range(definition.seeds, definition.seeds + definition.fresh_seeds)
    return range(definition.seeds)


def judge(runs: Sequence[Run]) -> TrialResult:
    """Measure a trial by its runs, which are over; runs that were stopped count as far as they came."""
    chosen = [None if run.status in (RunStatus.DIVERGED, RunStatus.FAILED) else select_evaluation(run) for run in runs]
    curves: list[Mapping[int, float]] = [
        {one.step: one.val_acc for one in run.evaluations if one.val_acc is not None} for run in runs
    ]
    steps = sorted(set.intersection(*map(set, curves)))
    return TrialResult(
        statuses=tuple(run.status.value for run in runs),
        steps=tuple(steps),
        val_curves=tuple(tuple(curve[step] for step in steps) for curve in curves),
        val_accs=tuple(None if one is None else one.val_acc for one in chosen),
        test_accs=tuple(None if one is None else one.test_acc for one in chosen),
        chosen_steps=tuple(None if one is None else one.step for one in chosen),
    )


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """Return the trial with the highest validation accuracy, None while there is none."""
    scored = [(trial.result.val_acc, trial) for trial in trials if trial.result and trial.result.val_acc is not None]
    return max(scored, key=lambda one: one[0], default=(0.0, None))[1]


def write_trial(trial: Trial) -> StoredTrial:
    """Write a trial as the store keeps it."""
    result = "" if trial.result is None else _RESULT.dump_json(trial.result).decode()
    return StoredTrial(trial.number, _POINT.dump_json(trial.point).decode(), trial.run_ids, trial.is_fresh, result)


def read_trial(stored: StoredTrial) -> Trial:
    """Read a stored trial."""
    result = _RESULT.validate_json(stored.result) if stored.result else None
    return Trial(stored.number, _POINT.validate_json(stored.point), stored.run_ids, stored.is_fresh, result)


def group_of(point: Point) -> tuple[tuple[str, Value], ...]:
    """Return what a point's trials have in common on one curve over lr: all of it but lr."""
    return tuple((name, value) for name, value in point.items() if name != "lr")
