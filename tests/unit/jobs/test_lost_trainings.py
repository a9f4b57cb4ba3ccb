"""Trainings whose process or node is lost: they start again from their recipes, and nothing is measured twice."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from mlpcore.data.batches import DeviceImages
from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs.executors.contract import CutOff, Lost, Progressed, Report
from mlpcore.jobs.executors.local import LocalExecutor, LocalTraining
from mlpcore.jobs.manager import RunManager
from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import Adam, Recipe
from mlpcore.runs.records import Run, RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.training.lockstep import ProgressGenerator, train_cohort
from tests.support.managers import (
    LONG,
    ME,
    SHORT,
    submit,
    timeless,
    train_alone,
    wait_for_end,
    wait_for_evaluations,
    wait_until,
)

LASTING = SHORT.replace(train_iter=600, eval_every=20)


class LosingExecutor(LocalExecutor):
    """Trains in this process, and replaces a report by what `spoil` returns for the number of starts and the step."""

    def __init__(self, spoil: Callable[[int, int], Report | None] = lambda *_: None, train: Any = train_cohort) -> None:
        super().__init__(train)
        self.starts = 0
        self._spoil = spoil

    def open(self, notify: Callable[[], None]) -> None:
        """Keep what wakes the manager."""
        self._notify = notify
        super().open(notify)

    def start(self, *given: Any) -> LocalTraining:
        """Count the starts, and keep the last."""
        self.starts += 1
        self._last = super().start(*given)
        return self._last

    def lose_now(self) -> None:
        """Lose the training that started last, although it has been asked for nothing."""
        self.has_reports = True
        self._notify()

    def collect(self) -> Sequence[tuple[LocalTraining, Report]]:
        """Spoil a report."""
        if self.has_reports:
            self.has_reports = False
            return [(self._last, Lost("the node died"))]
        reports = super().collect()
        for training, report in reports:
            if isinstance(report, Progressed) and (spoilt := self._spoil(self.starts, report.progress[-1].step)):
                return [(training, spoilt)]
        return reports


def lose_at(*steps: int) -> Callable[[int, int], Report | None]:
    """Lose the first training at the first of these steps, the second at the second and so on."""
    return lambda start, step: Lost("the node died") if start <= len(steps) and step >= steps[start - 1] else None


@pytest.fixture
def start(store: RunStore, library: DatasetLoader) -> Iterator[Callable[[LosingExecutor], RunManager]]:
    managers: list[RunManager] = []

    def start(executor: LosingExecutor) -> RunManager:
        managers.append(RunManager(store, library, executor=executor))
        return managers[-1]

    yield start
    for manager in managers:
        manager.shutdown()


def test_lost_runs_start_again_and_arrive_at_the_histories_they_have_alone(start, images):
    executor = LosingExecutor(lose_at(150, 40, 400))
    manager = start(executor)
    recipes = [LASTING, LASTING.replace(optimizer=Adam()), LASTING.replace(train_iter=100)]
    runs = wait_for_end(manager, *submit(manager, *recipes))
    assert executor.starts == 4
    for recipe, run in zip(recipes, runs, strict=True):
        assert (run.status, run.step, run.message) == (RunStatus.FINISHED, recipe.train_iter, None)
        assert timeless(run.evaluations) == train_alone(recipe, images)


def test_what_was_measured_stays_in_sight_while_it_is_repeated(start):
    shown: list[Run] = []

    def spoil(start: int, step: int) -> Report | None:
        if start == 2 and step < 150:
            shown.append(manager.get(run_id))
        return lose_at(300)(start, step)

    manager = start(LosingExecutor(spoil))
    (run_id,) = submit(manager, LONG)
    wait_for_evaluations(manager, run_id, 8)
    assert shown
    for run in shown:
        assert run.step >= 200
        assert [one.step for one in run.evaluations][:4] == [50, 100, 150, 200]


def test_a_paused_run_whose_training_is_lost_stays_paused(start, images):
    def spoil(start: int, step: int) -> Report | None:
        if start == 1 and step >= 150:
            manager.pause(run_id, owner=ME)
            return Lost("the node died")
        return None

    manager = start(LosingExecutor(spoil))
    (run_id,) = submit(manager, LASTING)
    wait_until(lambda: manager.get(run_id).status is not RunStatus.RUNNING and manager.get(run_id).step)
    assert manager.get(run_id).status is RunStatus.PAUSED
    manager.resume(run_id, owner=ME)
    (run,) = wait_for_end(manager, run_id)
    assert timeless(run.evaluations) == train_alone(LASTING, images)


def test_a_run_stopped_in_a_paused_cohort_that_is_then_lost_takes_no_other_with_it(start, images):
    executor = LosingExecutor()
    manager = start(executor)
    stopped, kept = submit(manager, LONG, LONG.replace(seed=0, train_iter=600))
    wait_for_evaluations(manager, kept, 1)
    manager.pause(kept, owner=ME)
    manager.stop(stopped, owner=ME)
    wait_for_end(manager, stopped)
    executor.lose_now()
    wait_until(lambda: not executor.has_reports)
    manager.resume(kept, owner=ME)
    (run,) = wait_for_end(manager, kept)
    assert executor.starts == 2
    assert (run.status, run.step) == (RunStatus.FINISHED, 600)
    assert timeless(run.evaluations) == train_alone(run.recipe, images)


def test_a_change_made_while_lost_steps_are_repeated_takes_effect_after_them(start, images):
    known: list[int] = []

    def spoil(start: int, step: int) -> Report | None:
        if start == 2 and step >= 100 and not known:
            known.append(manager.get(run_id).step)
            manager.change(run_id, owner=ME, lr=0.001)
        return lose_at(300)(start, step)

    manager = start(LosingExecutor(spoil))
    (run_id,) = submit(manager, LASTING)
    (run,) = wait_for_end(manager, run_id)
    (change,) = run.recipe.changes
    assert change.step >= known[0] >= 200
    assert run.status is RunStatus.FINISHED
    assert timeless(run.evaluations) == train_alone(run.recipe, images)


def test_changes_and_stops_of_before_hold_after_a_loss(start, images):
    manager = start(LosingExecutor(lambda start, step: Lost("gone") if start == 1 and is_told and step > 400 else None))
    is_told: list[str] = []
    stopped, changed = submit(manager, LONG, LONG.replace(seed=0, train_iter=2000))
    wait_for_evaluations(manager, changed, 1)
    manager.change(changed, owner=ME, lr=0.002)
    manager.stop(stopped, owner=ME)
    is_told.append("both")
    first, second = wait_for_end(manager, stopped, changed)
    assert first.status is RunStatus.STOPPED
    assert [change.lr for change in second.recipe.changes] == [0.002]
    assert timeless(second.evaluations) == train_alone(second.recipe, images)


def test_a_training_that_is_lost_again_and_again_at_the_same_place_fails(start):
    executor = LosingExecutor(lambda _start, step: Lost("killed: out of memory") if step >= 100 else None)
    manager = start(executor)
    (run,) = wait_for_end(manager, *submit(manager, LASTING))
    assert run.status is RunStatus.FAILED
    assert str(run.message) == (
        "The process that trained this was lost 6 times at the same place, probably for lack of memory. Try a smaller "
        "batch or a smaller network."
    )
    assert run.traceback == "killed: out of memory"
    assert executor.starts == 6


def test_a_run_whose_repeated_evaluation_differs_is_interrupted_and_can_be_continued(start, images):
    def train(recipes: Sequence[Recipe], images: DeviceImages, **place: Any) -> ProgressGenerator[None]:
        for progress in train_cohort(recipes, images, **place):
            if executor.starts == 2:  # on a processor that rounds differently
                changed = {at: replace(one, test_loss=one.test_loss + 1e-9) for at, one in progress.evaluations.items()}
                progress = replace(progress, evaluations=changed)
            yield progress

    executor = LosingExecutor(lose_at(200), train)
    manager = start(executor)
    (run_id,) = submit(manager, LASTING)
    (run,) = wait_for_end(manager, run_id)
    assert run.status is RunStatus.INTERRUPTED
    assert str(run.message).startswith("The computer that trained this run was lost, and the one that trained it again")
    assert timeless(run.evaluations) == train_alone(LASTING, images, until=run.evaluations[-1].step)
    (continued,) = wait_for_end(manager, *manager.continue_runs([run_id], owner=ME))
    assert timeless(continued.evaluations) == train_alone(LASTING, images)


def test_runs_that_are_cut_off_are_interrupted_with_the_reason(start):
    sentence = Sentence("The cluster is gone.")
    manager = start(LosingExecutor(lambda _start, step: CutOff(sentence) if step >= 100 else None))
    (run,) = wait_for_end(manager, *submit(manager, LASTING))
    assert (run.status, run.message) == (RunStatus.INTERRUPTED, sentence)
    assert run.evaluations
