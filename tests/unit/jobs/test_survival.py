"""Whatever happens to one run, the manager goes on and the next run works."""

import errno
import shutil
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from mlpcore.data.batches import DeviceImages
from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs import worker
from mlpcore.jobs.executors.local import LocalExecutor
from mlpcore.jobs.manager import RunManager
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore, StoreError
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
from tests.support.present import present


def raise_of_memory() -> None:
    torch.empty(10**15)


def raise_error(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


MEMORY = "The device ran out of memory. Try a smaller batch, a smaller network or fewer runs at a time."
DEVICE = (
    "The device failed during training. Start the run again, and on the CPU if it fails again. "
    "Some devices only work again after the server has been restarted."
)
PROGRAM = "The program failed during training. The server keeps the details with the run."


class TestSurvival:
    @pytest.mark.parametrize(
        ("fail", "message"),
        [
            (raise_of_memory, MEMORY),
            (lambda: bytearray(2**60), MEMORY),
            (raise_error(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")), MEMORY),
            (raise_error(torch.AcceleratorError("CUDA error: device-side assert triggered")), DEVICE),
            (raise_error(RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")), DEVICE),
            (raise_error(RuntimeError("shape '[3]' is invalid for input of size 4")), PROGRAM),
            (raise_error(SystemExit(1)), PROGRAM),
            (raise_error(KeyboardInterrupt()), PROGRAM),
        ],
    )
    def test_a_training_that_raises_fails_its_own_run_alone(self, fail, message, store, library, images):
        def train(recipes: Sequence[Recipe], images: DeviceImages, **place: Any) -> ProgressGenerator[None]:
            for progress in train_cohort(recipes, images, **place):
                if recipes[0].seed == 13 and progress.step >= 10:
                    fail()
                yield progress

        manager = RunManager(store, library, executor=LocalExecutor(train))
        (beside,) = submit(manager, SHORT.replace(train_iter=500))
        (failed,) = wait_for_end(manager, *submit(manager, SHORT.replace(seed=13, train_iter=2000)))
        assert (failed.status, str(failed.message)) == (RunStatus.FAILED, message)
        assert failed.traceback.startswith("Traceback (most recent call last)")
        assert failed.step < 2000
        following = wait_for_end(manager, beside, *submit(manager, SHORT))
        assert [timeless(run.evaluations) for run in following] == [
            train_alone(run.recipe, images) for run in following
        ]
        manager.shutdown()

    def test_a_defect_of_the_thread_itself_fails_what_it_had_in_hand_and_it_goes_on(self, store, library, images):
        is_broken = threading.Event()

        def read_clock() -> float:
            if is_broken.is_set() and threading.current_thread() is not threading.main_thread():
                is_broken.clear()
                raise ArithmeticError("the clock stands still")
            return time.monotonic()

        manager = RunManager(store, library, clock=read_clock)
        ids = [submit(manager, LONG.replace(seed=seed))[0] for seed in range(6)]
        wait_for_evaluations(manager, ids[0], 1)
        is_broken.set()
        for run in wait_for_end(manager, *ids):
            assert (run.status, str(run.message)) == (RunStatus.FAILED, PROGRAM)
            assert "the clock stands still" in run.traceback
        (following,) = wait_for_end(manager, *submit(manager, SHORT))
        assert timeless(following.evaluations) == train_alone(SHORT, images)
        manager.shutdown()

    def test_a_defect_of_the_thread_that_repeats_neither_spins_nor_floods_the_log(self, store, library, images, caplog):
        is_broken, calls = threading.Event(), []

        def read_clock() -> float:
            if is_broken.is_set() and threading.current_thread() is not threading.main_thread():
                calls.append(time.monotonic())
                raise ArithmeticError("the clock stands still")
            return time.monotonic()

        manager = RunManager(store, library, clock=read_clock)
        (first,) = submit(manager, LONG)
        wait_for_evaluations(manager, first, 1)
        is_broken.set()
        wait_for_end(manager, first)
        for _ in range(3):
            wait_for_end(manager, *submit(manager, LONG))
        pauses = [after - before for before, after in pairwise(calls)]
        assert pauses[0] >= 0.05
        assert pauses[1] >= 0.1
        assert caplog.text.count("The training thread failed") == 1
        is_broken.clear()
        (following,) = wait_for_end(manager, *submit(manager, SHORT))
        assert timeless(following.evaluations) == train_alone(SHORT, images)
        manager.shutdown()

    def test_a_defect_that_repeats_for_hours_does_not_end_the_thread(self, store, library, monkeypatch):
        monkeypatch.setattr(worker, "LAST_RETRY_SECONDS", 1e-6)
        calls: list[float] = []

        class Unspeakable(RuntimeError):
            def __str__(self) -> str:  # so that not even the run can be failed
                raise ArithmeticError("no words")

        def read_clock() -> float:
            if threading.current_thread() is not threading.main_thread() and len(calls) < 1_100:
                calls.append(time.monotonic())
                raise Unspeakable
            return time.monotonic()

        manager = RunManager(store, library, clock=read_clock)
        (run,) = wait_for_end(manager, *submit(manager, SHORT))
        assert (run.status, len(calls)) == (RunStatus.FINISHED, 1_100)
        manager.shutdown()

    def test_a_loading_thread_that_dies_fails_the_runs_that_wait_for_it(self, store, home, images):
        def find_home() -> Path:
            if threading.current_thread().name == "load Shapes":
                raise SystemExit(1)
            return home

        manager = RunManager(store, DatasetLoader(find_home))
        (failed,) = wait_for_end(manager, *submit(manager, SHORT.replace(dataset="Shapes")))
        assert (failed.status, str(failed.message)) == (RunStatus.FAILED, PROGRAM)
        (following,) = wait_for_end(manager, *submit(manager, SHORT))
        assert timeless(following.evaluations) == train_alone(SHORT, images)
        manager.shutdown()

    def test_images_that_vanish_while_their_run_waits_fail_it_and_no_other(self, store, home, tmp_path, images):
        data = tmp_path / "data"
        shutil.copytree(home / "stripes", data / "stripes")
        shutil.copytree(home / "stripes", data / "gone")
        manager = RunManager(store, DatasetLoader(lambda: data), executor=LocalExecutor(max_active=1))
        (first,) = submit(manager, LONG)
        (second,) = submit(manager, SHORT.replace(dataset="gone"))
        shutil.rmtree(data / "gone")
        manager.stop(first, owner=ME)
        (failed,) = wait_for_end(manager, second)
        assert failed.status is RunStatus.FAILED
        assert str(failed.message).startswith("dataset is gone: it must be one of ")
        (following,) = wait_for_end(manager, *submit(manager, SHORT))
        assert timeless(following.evaluations) == train_alone(SHORT, images)
        manager.shutdown()

    def break_evaluations(self, steps: Collection[int]) -> Callable[..., ProgressGenerator[None]]:
        """Training whose evaluations after these steps cannot be stored."""

        def train(recipes: Sequence[Recipe], images: DeviceImages, **place: Any) -> ProgressGenerator[None]:
            for progress in train_cohort(recipes, images, **place):
                if recipes[0].seed == 13 and progress.step in steps:
                    unstorable: Any = {"weight_norms": None}
                    broken = {at: replace(one, **unstorable) for at, one in progress.evaluations.items()}
                    progress = replace(progress, evaluations=broken)
                yield progress

        return train

    @pytest.mark.parametrize("step", [10, 30])
    def test_a_run_without_one_of_its_evaluations_is_not_finished(self, step, store, library, images, caplog):
        manager = RunManager(store, library, executor=LocalExecutor(self.break_evaluations([step])))
        (run,) = wait_for_end(manager, *submit(manager, SHORT.replace(seed=13)))
        assert (run.status, str(run.message)) == (
            RunStatus.FAILED,
            f"Evaluations that could not be stored: 1. The first one missing is that of step {step}.",
        )
        kept = [each for each in train_alone(run.recipe, images) if each.step != step]
        assert timeless(run.evaluations) == kept
        assert caplog.text.count("could not be stored.") == 1
        wait_until(lambda: manager._queue.runs == {})
        assert manager.trouble is None
        (following,) = wait_for_end(manager, *submit(manager, SHORT))
        assert len(following.evaluations) == 3
        manager.shutdown()

    def test_a_stopped_run_names_the_evaluations_it_lacks(self, store, library):
        manager = RunManager(store, library, executor=LocalExecutor(self.break_evaluations(range(200_000))))
        (run_id,) = submit(manager, LONG.replace(seed=13))
        wait_until(lambda: manager._queue.runs[run_id].missing_steps)
        manager.stop(run_id, owner=ME)
        (run,) = wait_for_end(manager, run_id)
        assert (run.status, run.evaluations) == (RunStatus.STOPPED, ())
        values = present(run.message).values
        assert (values["step"], values["count"]) == (50, run.step // 50)
        manager.shutdown()

    def test_an_error_of_the_store_that_passes_loses_no_evaluation(self, library, images, tmp_path):
        class FailingStore(RunStore):
            failures = 2

            def update(self, *arguments: Any, **values: Any) -> None:
                if values["evaluations"] and self.failures:
                    self.failures -= 1
                    raise OSError("not a StoreError")
                super().update(*arguments, **values)

        with closing(FailingStore(f"sqlite:///{tmp_path / 'runs.sqlite3'}")) as store:
            manager = RunManager(store, library)
            (run,) = wait_for_end(manager, *submit(manager, SHORT))
            assert (run.status, run.message, store.failures) == (RunStatus.FINISHED, None, 0)
            assert timeless(run.evaluations) == train_alone(SHORT, images)
            manager.shutdown()

    def test_evaluations_are_stored_many_at_a_time(self, library, tmp_path):
        counts = []

        class CountingStore(RunStore):
            def update(self, *arguments: Any, **values: Any) -> None:
                counts.append(len(values["evaluations"]))
                super().update(*arguments, **values)

        with closing(CountingStore(f"sqlite:///{tmp_path / 'runs.sqlite3'}")) as store:
            manager = RunManager(store, library)
            (run_id,) = submit(manager, LONG)
            wait_for_evaluations(manager, run_id, 40)
            manager.shutdown()
        assert sum(counts) >= 40
        assert len(counts) < 20

    def test_a_run_whose_end_the_store_refuses_at_first_is_stored_when_it_takes_it(self, library, images, tmp_path):
        class RefusingStore(RunStore):
            refusals = 2

            def update(self, *arguments: Any, **values: Any) -> None:
                if values["status"].is_over and self.refusals:
                    self.refusals -= 1
                    raise StoreError("The disk is full.")
                super().update(*arguments, **values)

        with closing(RefusingStore(f"sqlite:///{tmp_path / 'runs.sqlite3'}")) as store:
            manager = RunManager(store, library)
            (run,) = wait_for_end(manager, *submit(manager, SHORT))
            assert (run.status, store.refusals) == (RunStatus.FINISHED, 0)
            assert timeless(run.evaluations) == train_alone(SHORT, images)
            manager.shutdown()

    def test_a_full_disk_takes_one_line_of_the_log_for_each_snapshot(self, store, library, caplog):
        refused = []

        def refuse(*snapshot: object) -> None:
            refused.append(snapshot)
            raise OSError(errno.ENOSPC, "No space left on device", "/srv/runs/snapshots")

        store.snapshots.write = refuse
        manager = RunManager(store, library)
        (run,) = wait_for_end(manager, *submit(manager, SHORT))
        manager.shutdown()
        records = [(record.message, record.exc_info) for record in caplog.records if "snapshot" in record.message]
        line = f"The snapshot of run {run.id} could not be stored: No space left on device"
        assert records == [(line, None)] * len(refused)
        assert refused
