"""What a server that ends leaves behind, and runs that go on from where they stopped."""

import gc
import sqlite3
import threading
import weakref
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from mlpcore.data.batches import DeviceImages
from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs import manager as manager_module
from mlpcore.jobs.executors.local import LocalExecutor
from mlpcore.jobs.manager import RunManager
from mlpcore.jobs.memory import MemoryBudget
from mlpcore.jobs.queue import JobQueue
from mlpcore.jobs.submission import build_jobs, build_runs
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Change, Recipe
from mlpcore.runs.kernel_rule import KernelRule
from mlpcore.runs.records import Run, RunState, RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.training.kernels import matmul
from mlpcore.training.kernels.matmul import choose_rule
from mlpcore.training.lockstep import ProgressGenerator, train_cohort
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


class TestContinuing:
    def interrupt(self, url: str, library: DatasetLoader, *recipes: Recipe) -> list[Run]:
        """The runs of a server that was shut down while they went on."""
        with closing(RunStore(url)) as store:
            manager = RunManager(store, library)
            ids = submit(manager, *recipes)
            for run_id in ids:
                wait_for_evaluations(manager, run_id, 2)
            manager.shutdown()
            return [store.get(run_id) for run_id in ids]

    def test_an_interrupted_run_comes_to_the_history_of_one_that_never_was(self, library, images, tmp_path):
        url = f"sqlite:///{tmp_path / 'runs.sqlite3'}"
        recipes = [LONG.replace(train_iter=2000, seed=seed, changes=(Change(step=70, lr=0.003),)) for seed in (1, 0)]
        interrupted = self.interrupt(url, library, *recipes)
        assert [run.status for run in interrupted] == [RunStatus.INTERRUPTED] * 2
        with closing(RunStore(url)) as store:
            store.mark_interrupted()
            manager = RunManager(store, library)
            ids = manager.continue_runs([run.id for run in interrupted], owner=STRANGER)
            for before, run in zip(interrupted, wait_for_end(manager, *ids), strict=True):
                assert run.status is RunStatus.FINISHED
                assert timeless(run.evaluations) == train_alone(before.recipe, images)
                kept = timeless(before.evaluations)
                assert 2 <= len(kept) < 40
                assert timeless(run.evaluations)[: len(kept)] == kept
                assert (run.recipe, run.name, run.owner) == (before.recipe, before.name, STRANGER)
                assert run.continues == before.id
                assert store.get(before.id) == before
            manager.shutdown()

    def test_a_run_goes_on_with_the_matrix_products_it_began_with(self, library, tmp_path, monkeypatch):
        rules = []

        def train(recipes: Sequence[Recipe], images: DeviceImages, **place: Any) -> ProgressGenerator[None]:
            rules.append(place["rule"])
            yield from train_cohort(recipes, images, **place)

        url = f"sqlite:///{tmp_path / 'runs.sqlite3'}"
        monkeypatch.setattr(matmul, "processor_vendor", lambda: "GenuineIntel")
        (interrupted,) = self.interrupt(url, library, LONG.replace(train_iter=2000))
        monkeypatch.setattr(matmul, "processor_vendor", lambda: "AuthenticAMD")  # whose new runs use oneDNN
        with closing(RunStore(url)) as store:
            manager = RunManager(store, library, executor=LocalExecutor(train))
            (run,) = wait_for_end(manager, *manager.continue_runs([interrupted.id], owner=ME))
            assert run.versions["kernels"] == interrupted.versions["kernels"] == KernelRule.MKL
            (new,) = wait_for_end(manager, *submit(manager, SHORT))
            assert new.versions["kernels"] == choose_rule()
            assert rules == [KernelRule.MKL, choose_rule()]
            manager.shutdown()

    def test_runs_with_different_matrix_products_do_not_train_together(self, manager):
        executor = LocalExecutor()
        budget = MemoryBudget(manager.library, executor)
        runs = build_runs([SHORT, SHORT], ["one", "other"], ME)
        rules = (KernelRule.MKL, KernelRule.ONEDNN)
        apart = [
            replace(run, versions={**run.versions, "kernels": rule}) for run, rule in zip(runs, rules, strict=True)
        ]
        jobs = [build_jobs(some, budget, executor, JobQueue(), seen_at=0.0) for some in (runs, apart)]
        assert [[len(job.runs) for job in some] for some in jobs] == [[2], [1, 1]]

    def test_runs_know_the_lesson_they_belong_to_and_what_was_started_with_them(self, manager):
        one, other = submit(manager, LONG, LONG.replace(seed=1), lesson="1a2b rates")
        (later,) = submit(manager, SHORT)
        started = [manager.get(run_id) for run_id in (one, other, later)]
        assert [run.lesson for run in started] == ["1a2b rates", "1a2b rates", ""]
        assert started[0].submission == started[1].submission != started[2].submission
        for run_id in (one, other):
            manager.stop(run_id, owner=ME)
        wait_for_end(manager, one, other)
        again = [manager.get(run_id) for run_id in manager.continue_runs([one, other], owner=STRANGER)]
        assert [run.lesson for run in again] == ["1a2b rates"] * 2
        assert again[0].submission == again[1].submission != started[0].submission

    def test_a_stopped_run_goes_on_with_the_changes_that_were_made(self, manager, images):
        (first,) = submit(manager, LONG.replace(train_iter=2000))
        wait_for_evaluations(manager, first, 1)
        manager.change(first, owner=ME, lr=0.003)
        wait_until(lambda: manager.get(first).recipe.changes)
        manager.stop(first, owner=ME)
        (stopped,) = wait_for_end(manager, first)
        (run,) = wait_for_end(manager, *manager.continue_runs([first], owner=ME))
        assert run.recipe == stopped.recipe
        assert timeless(run.evaluations) == train_alone(stopped.recipe, images)
        assert timeless(run.evaluations)[: len(stopped.evaluations)] == timeless(stopped.evaluations)

    def test_asking_twice_begins_one_run_and_another_persons_asking_another(self, manager, store):
        (first,) = submit(manager, LONG)
        wait_for_evaluations(manager, first, 1)
        manager.stop(first, owner=ME)
        wait_for_end(manager, first)
        once, again = (manager.continue_runs([first], owner=ME) for _ in range(2))
        assert once == again
        assert manager.continue_runs([first], owner=STRANGER) != once
        assert store.count() == 3

    def test_a_run_that_goes_on_or_came_to_its_end_is_not_continued(self, manager, store):
        (going_on,) = submit(manager, LONG)
        (finished,) = wait_for_end(manager, *submit(manager, SHORT))
        for run_id in (going_on, finished.id):
            with pytest.raises(SentenceError, match=r"^Only a run that was stopped or interrupted can be continued\.$"):
                manager.continue_runs([run_id], owner=ME)
        assert store.count() == 2

    def test_a_run_of_another_program_on_the_same_runs_is_left_to_it(self, manager, library, tmp_path):
        (run_id,) = submit(manager, LONG)
        wait_for_evaluations(manager, run_id, 1)
        with closing(RunStore(f"sqlite:///{tmp_path / 'runs.sqlite3'}")) as second_store:
            assert second_store.mark_interrupted() == []
            second = RunManager(second_store, library)
            with pytest.raises(SentenceError, match="Only a run that was stopped or interrupted"):
                second.continue_runs([run_id], owner=ME)
            second.shutdown()
        wait_until(lambda: manager.store.get(run_id).status is RunStatus.RUNNING)

    @pytest.mark.parametrize("ask", ["stop", "pause", "resume", "change"])
    def test_asking_for_a_run_that_is_not_here_keeps_nobody_waiting_for_the_store(self, ask, library, tmp_path):
        looked: list[bool] = []

        class WatchedStore(RunStore):
            def read_state(self, run_id: str) -> RunState | None:
                reader = threading.Thread(target=manager.list_active, daemon=True)  # needs the queue's lock
                reader.start()
                reader.join(10)
                looked.append(not reader.is_alive())
                return super().read_state(run_id)

            def get(self, run_id: str) -> Run:
                raise AssertionError(f"all evaluations of run {run_id} are read")

        with closing(WatchedStore(f"sqlite:///{tmp_path / 'runs.sqlite3'}")) as store:
            manager = RunManager(store, library)
            with pytest.raises(SentenceError, match=r"^This run is already over\.$"):
                getattr(manager, ask)("none", owner=ME)
            manager.shutdown()
        assert looked == [True]


class TestShutdown:
    def test_runs_are_interrupted_with_what_they_had(self, store, home, images):
        manager = RunManager(store, DatasetLoader(lambda: home), executor=LocalExecutor(max_active=1))
        going_on, waiting = submit(manager, LONG)[0], submit(manager, SHORT)[0]
        measured = wait_for_evaluations(manager, going_on, 2)
        manager.shutdown()
        run, queued = store.get(going_on), store.get(waiting)
        assert (run.status, queued.status) == (RunStatus.INTERRUPTED, RunStatus.INTERRUPTED)
        assert str(run.message) == "The server was shut down. The evaluations made until then are kept."
        assert run.evaluations[:2] == measured.evaluations[:2]
        assert timeless(run.evaluations) == train_alone(LONG, images, until=run.step)
        assert queued.evaluations == ()

    def test_four_cohorts_are_marked_though_one_of_them_does_not_come_back(self, store, library):
        is_stuck, may_go_on = threading.Event(), threading.Event()

        def train(recipes: Sequence[Recipe], images: DeviceImages, **place: Any) -> ProgressGenerator[None]:
            for progress in train_cohort(recipes, images, **place):
                yield progress
                if recipes[0].seed == 3 and progress.evaluations:
                    is_stuck.set()
                    may_go_on.wait()

        manager = RunManager(store, library, executor=LocalExecutor(train))
        ids = [submit(manager, LONG.replace(seed=seed))[0] for seed in range(4)]
        assert is_stuck.wait(30)
        measured = [manager.get(run_id) for run_id in ids]
        manager.shutdown()
        stored = [store.get(run_id) for run_id in ids]
        assert [run.status for run in stored] == [RunStatus.INTERRUPTED] * 4
        assert [run.evaluations for run in stored] == [run.evaluations for run in measured]
        assert measured[3].evaluations
        may_go_on.set()

    def test_with_the_database_locked_the_next_start_marks_them(self, library, tmp_path):
        url, file = f"sqlite:///{tmp_path / 'runs.sqlite3'}", tmp_path / "runs.sqlite3"
        others = {thread.ident for thread in threading.enumerate()}
        with closing(RunStore(url)) as store:
            manager = RunManager(store, library)
            (run_id,) = submit(manager, LONG)
            measured = wait_for_evaluations(manager, run_id, 1)
            wait_until(lambda: store.get(run_id).evaluations)
            with closing(sqlite3.connect(file, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                manager.shutdown()
                assert manager.trouble is not None
                wait_until(lambda: others >= {thread.ident for thread in threading.enumerate()})
                assert not store.get(run_id).status.is_over
        with closing(RunStore(url)) as store:
            store.mark_interrupted()
            assert store.get(run_id).status is RunStatus.INTERRUPTED
            assert store.get(run_id).evaluations[:1] == measured.evaluations[:1]

    def test_a_manager_that_was_shut_down_can_be_freed(self, library, tmp_path):
        with closing(RunStore(f"sqlite:///{tmp_path / 'runs.sqlite3'}")) as store:
            manager = RunManager(store, library)
            (run_id,) = submit(manager, LONG)
            wait_for_evaluations(manager, run_id, 1)
            manager.shutdown()
            kept = weakref.ref(manager)
            del manager
            gc.collect()
            assert kept() is None

    def test_the_shared_manager_is_one_and_a_new_one_after_its_shutdown(self, tmp_path, monkeypatch):
        monkeypatch.setenv("MLPCORE_HOME", str(tmp_path))
        first = manager_module.shared_manager()
        assert manager_module.shared_manager() is first
        manager_module.shutdown()
        manager_module.shutdown()
        second = manager_module.shared_manager()
        assert second is not first
        manager_module.shutdown()
