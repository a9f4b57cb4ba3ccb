"""An active sweep of this process: draws its trials, submits their runs, and stores their results."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from mlpcore.jobs.manager import RunManager
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run, RunStatus
from mlpcore.runs.sweeps import StoredSweeps, SweepStatus
from mlpcore.sweeps.definition import Definition, Point
from mlpcore.sweeps.pruning import find_hopeless_step, judge_until, list_earlier
from mlpcore.sweeps.samplers import BATCH, depends_on_results, draw_batch
from mlpcore.sweeps.trials import (
    DELETED,
    PRUNED,
    REFUSED,
    Sweep,
    Trial,
    TrialResult,
    best_trial,
    come_to_nothing,
    group_of,
    judge,
    seeds_of,
    write_trial,
)

MAX_NAME = 34  # characters of a sweep's name that its runs carry, before their number


@dataclass(frozen=True)
class _Batch:
    """Trials that are being submitted."""

    points: Sequence[Point]
    is_fresh: bool
    recipes: dict[int, list[Recipe]]  # by number, one per seed; none where the values do not fit together
    run_ids: list[list[str]] = field(default_factory=list)  # of the seeds that were accepted: each is submitted once


class ActiveSweep:
    """A sweep that this process runs.

    Whoever calls a method holds `busy`. `sweep` may be read at any time: it is replaced, never changed.
    """

    def __init__(self, sweep: Sweep, runs: RunManager, store: StoredSweeps) -> None:
        self.sweep = sweep
        self.busy = threading.Lock()
        self.retry_at = 0.0
        self._runs, self._store = runs, store
        self._batch: _Batch | None = None
        self._measured: dict[int, int] = {}  # by trial: evaluations at the last look for hopeless ones

    @property
    def is_done(self) -> bool:
        """Whether it is over and everything that it trained has its result."""
        return self.sweep.status.is_over and not self.sweep.waiting

    def set_status(self, status: SweepStatus) -> None:
        """Store another status."""
        self._store.update(self.sweep.id, status=status)
        self.sweep = replace(self.sweep, status=status)

    def extend(self, definition: Definition) -> None:
        """Go on, in this process, as another definition says; what is paused stays so."""
        status = SweepStatus.RUNNING if self.sweep.status.is_over else self.sweep.status
        self._store.update(self.sweep.id, status=status, definition=definition.model_dump_json(), is_mine=True)
        self.sweep = replace(self.sweep, status=status, definition=definition)

    def stop(self) -> None:
        """Draw no more trials, and stop the runs of those that were drawn."""
        self.set_status(SweepStatus.STOPPED)
        batch, self._batch = self._batch, None
        own = [run_id for trial in self.sweep.waiting for run_id in trial.run_ids]
        for run_id in [*own, *(run_id for run_ids in (batch.run_ids if batch else ()) for run_id in run_ids)]:
            with suppress(SentenceError):  # over already
                self._runs.stop(run_id, owner=self.sweep.owner)

    def advance(self) -> None:
        """Store what has been measured; when all of a batch is over, or cores of a cluster are free, submit the next.

        Raises SentenceError if the runs are refused at the moment, StoreError if the store is: to be tried again.
        """
        self._collect()
        if self.sweep.status is not SweepStatus.RUNNING or not self._has_room():
            return
        self._batch = self._batch or self._draw()
        if self._batch is not None:
            self._submit(self._batch)
        elif not self.sweep.waiting:
            self.set_status(SweepStatus.FINISHED)

    def _has_room(self) -> bool:
        """Return whether another batch may wait or train: one more than compute at a time, so that no core waits."""
        runs = sum(len(trial.run_ids) for trial in self.sweep.waiting)
        at_once = self._runs.executor.max_asked
        if not runs or at_once == 1 or depends_on_results(self.sweep.definition):
            return not runs
        return runs <= BATCH * at_once

    def _collect(self) -> None:
        """Store the results of the trials whose runs are over and stored; train again those interrupted or gone.

        A server that is killed leaves no result behind of which a run lacks evaluations.
        """
        lost: dict[int, list[Trial]] = {}  # by the place of the seed
        unstored = set(self._runs.list_unstored())  # one look, so that nothing is read before it is over
        for trial in self.sweep.waiting:
            if not unstored.isdisjoint(trial.run_ids):
                if self.sweep.definition.prune and not trial.is_fresh:
                    self._stop_hopeless(trial)
                continue
            runs = [self._find(run_id) for run_id in trial.run_ids]
            is_lost = [run is None or run.status is RunStatus.INTERRUPTED for run in runs]
            known = [run for run in runs if run is not None]
            if any(is_lost) and not self.sweep.status.is_over:
                for place in [place for place, one in enumerate(is_lost) if one]:
                    lost.setdefault(place, []).append(trial)
            elif all(run.status.is_over for run in known):
                self._put(replace(trial, result=self._judge(trial, known) if known else come_to_nothing(DELETED)))
        for place, trials in lost.items():
            self._train_again(trials, place)

    def _judge(self, trial: Trial, runs: Sequence[Run]) -> TrialResult:
        """Measure a trial by its runs; a hopeless one has the same result however late its runs were stopped."""
        result = judge(runs)
        if self.sweep.definition.prune and not trial.is_fresh:
            step = find_hopeless_step(result, list_earlier(trial, self.sweep.trials))
            # one that was hopeless only at its last step has been trained to its end
            if step is not None and step < runs[0].recipe.train_iter:
                return judge_until(runs, step)
        return result

    def _stop_hopeless(self, trial: Trial) -> None:
        """Stop the runs of a trial if what they have measured since the last look makes it hopeless."""
        runs = [run for run_id in trial.run_ids if (run := self._find(run_id)) is not None]
        measured = sum(len(run.evaluations) for run in runs)
        if len(runs) == len(trial.run_ids) and measured != self._measured.get(trial.number):
            self._measured[trial.number] = measured
            if self._judge(trial, runs).status == PRUNED:
                for run in runs:
                    with suppress(SentenceError):  # over already
                        self._runs.stop(run.id, owner=self.sweep.owner)

    def _find(self, run_id: str) -> Run | None:
        try:
            return self._runs.get(run_id)
        except ValueError:  # somebody has deleted it
            return None

    def _train_again(self, trials: Sequence[Trial], place: int) -> None:
        """Train the runs of one seed again, together as they were."""
        definition = self.sweep.definition
        recipes = [
            definition.build_recipe(trial.point, seeds_of(definition, is_fresh=trial.is_fresh)[place])
            for trial in trials
        ]
        run_ids = self._submit_runs(recipes, [trial.number for trial in trials])
        for trial, run_id in zip(trials, run_ids, strict=True):
            now = self.sweep.trials[trial.number]
            self._put(replace(now, run_ids=(*now.run_ids[:place], run_id, *now.run_ids[place + 1 :])))

    def _draw(self) -> _Batch | None:
        """Draw the next batch: of the space, then each best point for fresh seeds; None when there is nothing left."""
        definition, first = self.sweep.definition, len(self.sweep.trials)
        drawn = [(trial.point, trial.score) for trial in self.sweep.trials if not trial.is_fresh]
        points = draw_batch(definition, drawn)
        is_fresh = not points
        points = points or ([] if self.sweep.waiting else self._find_unconfirmed())
        recipes: dict[int, list[Recipe]] = {}
        for number, point in enumerate(points, start=first):
            with suppress(ValidationError):
                seeds = seeds_of(definition, is_fresh=is_fresh)
                recipes[number] = [definition.build_recipe(point, seed) for seed in seeds]
        return _Batch(points, is_fresh, recipes) if points else None

    def _submit(self, batch: _Batch) -> None:
        """Submit the runs of a batch, seed by seed, so that each cohort shares its images; then store the trials."""
        numbers, columns = list(batch.recipes), list(zip(*batch.recipes.values(), strict=True))
        for column in columns[len(batch.run_ids) :]:
            batch.run_ids.append(self._submit_runs(column, numbers))
        run_ids = dict(zip(numbers, zip(*batch.run_ids, strict=True), strict=True))
        trials = tuple(
            Trial(number, dict(point), run_ids[number], batch.is_fresh)
            if number in run_ids
            else Trial(number, dict(point), (), batch.is_fresh, come_to_nothing(REFUSED))
            for number, point in enumerate(batch.points, start=len(self.sweep.trials))
        )
        self._store.add_trials(self.sweep.id, list(map(write_trial, trials)))
        self.sweep = replace(self.sweep, trials=(*self.sweep.trials, *trials))
        self._batch = None

    def _submit_runs(self, recipes: Sequence[Recipe], numbers: Sequence[int]) -> list[str]:
        sweep = self.sweep
        names = [f"{sweep.name[:MAX_NAME]} {number}" for number in numbers]
        return self._runs.submit(recipes, owner=sweep.owner, names=names, submission=sweep.id, keep_snapshots=False)

    def _put(self, trial: Trial) -> None:
        """Replace a trial, also in the store; one with a result only once that is stored, to be tried again."""
        trials = (*self.sweep.trials[: trial.number], trial, *self.sweep.trials[trial.number + 1 :])
        if trial.result is None:  # the runs train already, whatever the store says
            self.sweep = replace(self.sweep, trials=trials)
        self._store.update_trial(self.sweep.id, write_trial(trial))
        self.sweep = replace(self.sweep, trials=trials)

    def _find_unconfirmed(self) -> list[Point]:
        """Return the best point of each curve over lr that fresh seeds have not been tried on."""
        trials = self.sweep.trials
        if not self.sweep.definition.fresh_seeds:
            return []
        groups: dict[object, list[Trial]] = {}
        for trial in trials:
            if not trial.is_fresh:
                groups.setdefault(group_of(trial.point), []).append(trial)
        best = [one.point for members in groups.values() if (one := best_trial(members)) is not None]
        return [point for point in best if not any(one.is_fresh and one.point == point for one in trials)]
