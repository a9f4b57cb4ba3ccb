"""The manager with its real thread, a real store on disk and a real folder of images."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from mlpcore.data.batches import DeviceImages
from mlpcore.jobs import manager as manager_module
from mlpcore.jobs.executors.local import LocalExecutor
from mlpcore.jobs.manager import RunManager
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Adam, CosineAnnealingLR, Recipe
from mlpcore.runs.records import RunStatus
from mlpcore.training import lockstep
from mlpcore.training.lockstep import ProgressGenerator, train_cohort
from mlpcore.training.reproducibility import describe_environment
from tests.support.managers import (
    LONG,
    ME,
    SHORT,
    STRANGER,
    submit,
    timeless,
    train_alone,
    wait_for_end,
    wait_for_evaluations,
    wait_until,
)


class TestLife:
    def test_a_submitted_run_finishes_with_its_evaluations_stored(self, manager, images):
        (run_id,) = submit(manager, SHORT)
        (run,) = wait_for_end(manager, run_id)
        assert run.status is RunStatus.FINISHED
        assert (run.step, run.device, run.message, run.traceback) == (30, "cpu", None, "")
        assert (run.recipe, run.name, run.owner) == (SHORT, "a run", ME)
        assert dict(run.versions) == describe_environment()
        assert [evaluation.step for evaluation in run.evaluations] == [10, 20, 30]
        assert timeless(run.evaluations) == train_alone(SHORT, images)
        wait_until(lambda: manager.list_active() == [])
        assert manager.get(run_id) == run

    def test_a_run_that_goes_on_is_listed_and_its_record_is_never_changed(self, manager):
        (run_id,) = submit(manager, LONG)
        first = wait_for_evaluations(manager, run_id, 1)
        kept = replace(first)
        later = wait_for_evaluations(manager, run_id, 2)
        assert first == kept
        assert later.evaluations[: len(first.evaluations)] == first.evaluations
        assert [run.id for run in manager.list_active()] == [run_id]
        wait_until(lambda: manager.iterations_per_second(manager.get(run_id)) > 0)

    def test_the_training_thread_has_the_number_of_threads_that_runs_record(self, store, library, monkeypatch):
        monkeypatch.setenv("OMP_NUM_THREADS", "2")  # after torch was imported, as in a notebook
        counts = []

        def train(recipes: Sequence[Recipe], images: DeviceImages, **place: Any) -> ProgressGenerator[None]:
            counts.append(torch.get_num_threads())
            yield from train_cohort(recipes, images, **place)

        before = torch.get_num_threads()
        manager = RunManager(store, library, executor=LocalExecutor(train))
        (run,) = wait_for_end(manager, *submit(manager, SHORT))
        manager.shutdown()
        torch.set_num_threads(before)
        assert counts == [2]
        assert run.versions["threads"] == "2"

    def test_what_was_measured_is_soon_on_disk_while_the_run_goes_on(self, manager, store):
        (run_id,) = submit(manager, LONG)
        measured = wait_for_evaluations(manager, run_id, 1)
        wait_until(lambda: len(store.get(run_id).evaluations) >= len(measured.evaluations), timeout=5)
        assert store.get(run_id).status is RunStatus.RUNNING

    def test_runs_of_one_cohort_and_of_others_all_have_the_history_they_have_alone(self, manager, images):
        recipes = [
            SHORT.replace(optimizer=Adam()),
            SHORT.replace(seed=3, train_iter=17, scheduler=CosineAnnealingLR(T_max=17)),
            SHORT.replace(hidden_sizes=(13, 5), dropout=0.0),
            SHORT.replace(batch_size=7, label_noise=0.5, train_size=20),
        ]
        for recipe, run in zip(recipes, wait_for_end(manager, *submit(manager, *recipes)), strict=True):
            assert run.status is RunStatus.FINISHED
            assert timeless(run.evaluations) == train_alone(recipe, images)

    def test_more_cohorts_than_train_at_a_time_wait_and_all_finish(self, lone_manager):
        (first,) = submit(lone_manager, LONG)
        others = [submit(lone_manager, SHORT.replace(seed=seed))[0] for seed in range(4)]
        wait_for_evaluations(lone_manager, first, 2)
        assert [lone_manager.get(run_id).status for run_id in others] == [RunStatus.QUEUED] * 4
        assert [lone_manager.get(run_id).step for run_id in others] == [0] * 4
        lone_manager.stop(first, owner=ME)
        assert [run.status for run in wait_for_end(lone_manager, *others)] == [RunStatus.FINISHED] * 4

    def test_several_jobs_train_side_by_side(self, manager):
        ids = [submit(manager, LONG.replace(seed=seed))[0] for seed in range(3)]
        wait_until(lambda: all(manager.get(run_id).evaluations for run_id in ids))
        assert [manager.get(run_id).status for run_id in ids] == [RunStatus.RUNNING] * 3

    def test_a_run_of_a_dead_process_cannot_be_confused_with_one_that_goes_on(self, manager, store):
        (run_id,) = submit(manager, LONG)
        assert store.mark_interrupted() == []
        assert not manager.get(run_id).status.is_over

    def test_more_runs_than_the_queue_has_room_for_are_refused_and_none_of_them_is_stored(self, library, store):
        manager = RunManager(store, library, memory=400_000_000)  # 8 kB each, in a tenth of it, of which half is mine
        with pytest.raises(
            SentenceError, match=r"^These are 2,501 runs, and the queue has room for 2,500 more of yours"
        ):
            submit(manager, *[SHORT] * 2_501)
        assert store.count() == 0
        manager.shutdown()

    def test_a_search_of_1000_trials_with_5_seeds_is_one_submission(self, manager, store):
        recipes = [
            SHORT.replace(train_iter=2, seed=seed, optimizer=Adam(lr=1e-5 * trial))
            for trial in range(1, 1001)
            for seed in range(5)
        ]
        first, *_ = submit(manager, *recipes)
        assert store.count() == 5_000
        wait_until(lambda: manager.get(first).status is RunStatus.FINISHED, timeout=100)
        assert max(len(job.runs) for job in manager._queue.jobs()) == 80


class TestPause:
    def test_a_paused_run_stands_still_until_it_is_resumed(self, manager, images):
        (run_id,) = submit(manager, LONG.replace(train_iter=1000))
        wait_for_evaluations(manager, run_id, 1)
        manager.pause(run_id, owner=ME)
        assert manager.get(run_id).status is RunStatus.PAUSED
        (other,) = submit(manager, SHORT)
        wait_for_end(manager, other)  # the slice that was going on is over by then
        stopped_at = manager.get(run_id)
        wait_for_end(manager, submit(manager, SHORT.replace(train_iter=300))[0])
        assert manager.get(run_id).step == stopped_at.step < 1000
        assert manager.get(run_id).seconds == stopped_at.seconds
        manager.resume(run_id, owner=ME)
        (run,) = wait_for_end(manager, run_id)
        assert run.status is RunStatus.FINISHED
        assert timeless(run.evaluations) == train_alone(run.recipe, images)

    def test_pausing_shows_in_the_store(self, manager, store):
        (run_id,) = submit(manager, LONG)
        wait_for_evaluations(manager, run_id, 1)
        manager.pause(run_id, owner=ME)
        wait_until(lambda: store.get(run_id).status is RunStatus.PAUSED)

    def test_a_run_paused_before_it_started_starts_when_it_is_resumed(self, lone_manager):
        (first,) = submit(lone_manager, LONG)
        (second,) = submit(lone_manager, SHORT)
        lone_manager.pause(second, owner=ME)
        lone_manager.stop(first, owner=ME)
        wait_for_end(lone_manager, first)
        assert lone_manager.get(second).step == 0
        lone_manager.resume(second, owner=ME)
        assert wait_for_end(lone_manager, second)[0].status is RunStatus.FINISHED

    def test_a_paused_run_can_be_stopped(self, manager):
        (run_id,) = submit(manager, LONG)
        wait_for_evaluations(manager, run_id, 1)
        manager.pause(run_id, owner=ME)
        manager.stop(run_id, owner=ME)
        (run,) = wait_for_end(manager, run_id)
        assert run.status is RunStatus.STOPPED
        assert run.evaluations


class TestStop:
    def test_a_stopped_run_keeps_its_evaluations(self, manager, images):
        (run_id,) = submit(manager, LONG)
        measured = wait_for_evaluations(manager, run_id, 2)
        manager.stop(run_id, owner=ME)
        (run,) = wait_for_end(manager, run_id)
        assert (run.status, run.message) == (RunStatus.STOPPED, None)
        assert run.evaluations[:2] == measured.evaluations[:2]
        assert timeless(run.evaluations) == train_alone(LONG, images, until=run.step)

    def test_a_run_that_waits_is_stopped_without_having_started(self, lone_manager):
        submit(lone_manager, LONG)
        (second,) = submit(lone_manager, SHORT)
        lone_manager.stop(second, owner=ME)
        (run,) = wait_for_end(lone_manager, second)
        assert (run.status, run.step, run.evaluations) == (RunStatus.STOPPED, 0, ())

    def test_stopping_one_of_a_cohort_that_waits_leaves_the_others_their_whole_history(self, lone_manager, images):
        (first,) = submit(lone_manager, LONG)
        recipes = [SHORT.replace(seed=seed) for seed in range(3)]
        waiting = submit(lone_manager, *recipes)
        lone_manager.stop(waiting[0], owner=ME)
        wait_for_end(lone_manager, waiting[0])
        lone_manager.stop(first, owner=ME)
        for recipe, run in zip(recipes[1:], wait_for_end(lone_manager, *waiting[1:]), strict=True):
            assert run.status is RunStatus.FINISHED
            assert timeless(run.evaluations) == train_alone(recipe, images)

    def test_stopping_one_of_a_cohort_leaves_the_others_their_whole_history(self, manager, images):
        recipes = [LONG.replace(seed=seed, train_iter=1000) for seed in (2, 0, 1)]
        ids = submit(manager, *recipes)
        wait_for_evaluations(manager, ids[0], 1)
        manager.stop(ids[0], owner=ME)
        stopped, *others = wait_for_end(manager, *ids)
        assert stopped.status is RunStatus.STOPPED
        for recipe, run in zip(recipes[1:], others, strict=True):
            assert run.status is RunStatus.FINISHED
            assert timeless(run.evaluations) == train_alone(recipe, images)

    def test_only_its_owner_stops_pauses_or_changes_a_run(self, manager):
        (run_id,) = submit(manager, LONG)
        for ask in (manager.stop, manager.pause, manager.resume, lambda *a, **k: manager.change(*a, lr=0.1, **k)):
            with pytest.raises(SentenceError, match=r"^Only the person who started this run can do that\.$"):
                ask(run_id, owner=STRANGER)
        wait_for_evaluations(manager, run_id, 1)
        assert manager.get(run_id).status is RunStatus.RUNNING
        assert manager.get(run_id).recipe == LONG

    @pytest.mark.parametrize("run_id", ["unknown", None])
    def test_a_run_that_is_over_takes_nothing_any_more(self, manager, run_id):
        run_id = run_id or wait_for_end(manager, *submit(manager, SHORT))[0].id
        for ask in (manager.stop, manager.pause, manager.resume, lambda *a, **k: manager.change(*a, lr=0.1, **k)):
            with pytest.raises(SentenceError, match=r"^This run is already over\.$"):
                ask(run_id, owner=ME)


class TestStopDuringAnEvaluation:
    """The worker is held between two batches of the evaluation after step 50; then something is asked of the run."""

    @pytest.fixture
    def evaluating(self) -> threading.Event:
        return threading.Event()

    @pytest.fixture
    def may_go_on(self) -> Iterator[threading.Event]:
        may_go_on = threading.Event()
        yield may_go_on
        may_go_on.set()

    @pytest.fixture
    def manager(self, store, library, evaluating, may_go_on, monkeypatch) -> Iterator[RunManager]:
        monkeypatch.setattr(lockstep, "SLICE_SECONDS", 0.0)  # control comes back after every step and every batch

        def train(recipes: Sequence[Recipe], images: DeviceImages, **place: Any) -> ProgressGenerator[None]:
            training = train_cohort(recipes, images, **place)
            progress = next(training)
            while True:
                commands = yield progress
                if progress.pending and not evaluating.is_set():
                    evaluating.set()
                    assert may_go_on.wait(30)
                progress = training.send(commands)

        manager = RunManager(store, library, executor=LocalExecutor(train))
        yield manager
        may_go_on.set()
        manager.shutdown()

    @pytest.mark.parametrize("paused", [False, True])
    def test_a_stop_waits_for_the_evaluation_that_is_being_computed(
        self, manager, images, evaluating, may_go_on, paused
    ):
        (run_id,) = submit(manager, LONG)
        assert evaluating.wait(30)
        if paused:
            manager.pause(run_id, owner=ME)
        manager.stop(run_id, owner=ME)
        may_go_on.set()
        (run,) = wait_for_end(manager, run_id)
        assert run.status is RunStatus.STOPPED
        assert run.step == run.evaluations[-1].step == 50
        assert timeless(run.evaluations) == train_alone(LONG, images, until=50)

    def test_a_shutdown_does_not_count_the_step_whose_evaluation_it_loses(
        self, manager, store, evaluating, monkeypatch
    ):
        monkeypatch.setattr(manager_module, "SHUTDOWN_SECONDS", 0.5)
        (run_id,) = submit(manager, LONG)
        assert evaluating.wait(30)
        manager.shutdown()
        run = store.get(run_id)
        assert (run.status, run.step, run.evaluations) == (RunStatus.INTERRUPTED, 49, ())
