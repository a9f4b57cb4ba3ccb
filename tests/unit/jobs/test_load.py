"""The load of a process: what waits and trains, how fast, in how much memory, and how long storing takes."""

import inspect
import os
import platform
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mlpcore.data.batches import DeviceImages
from mlpcore.data.catalog import ImageCounts
from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs.estimate import estimate_job
from mlpcore.jobs.executors import local
from mlpcore.jobs.executors.contract import Order
from mlpcore.jobs.executors.local import LARGE_BYTES, LocalExecutor
from mlpcore.jobs.load import Load
from mlpcore.jobs.machine import return_freed_memory
from mlpcore.jobs.manager import RunManager
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.training.lockstep import ProgressGenerator, train_cohort
from tests.support.managers import LONG, ME, SHORT, submit, wait_for_end, wait_for_evaluations, wait_until
from tests.support.process_usage import read_usage

COUNTS = ImageCounts(train=40, test=12, classes=4)
IMAGES = 52 * 3072  # bytes


def test_a_process_that_does_nothing_says_so_and_how_much_memory_it_may_take(
    store: RunStore, library: DatasetLoader
) -> None:
    manager = RunManager(store, library, memory=2e9, reserved=500_000_000)
    load = manager.measure_load()
    assert load == Load(memory=load.memory)
    assert (load.memory["cpu"].used, load.memory["cpu"].budget) == (0, 1_500_000_000)
    manager.shutdown()


def test_runs_count_by_status_and_those_of_a_cohort_by_the_run(lone_manager: RunManager) -> None:
    first, *_others = submit(lone_manager, *(LONG.replace(seed=seed) for seed in range(3)))
    submit(lone_manager, LONG.replace(batch_size=8))
    wait_for_evaluations(lone_manager, first, 2)
    load = lone_manager.measure_load()
    assert load.runs == {RunStatus.RUNNING: 3, RunStatus.QUEUED: 1}
    speed = lone_manager.iterations_per_second(lone_manager.get(first))
    assert load.steps_per_second == pytest.approx(3 * speed, rel=0.5)
    assert (
        load.memory["cpu"].used == estimate_job([LONG.replace(seed=seed) for seed in range(3)], COUNTS).total + IMAGES
    )


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep less of what is freed")
def test_what_a_large_run_freed_goes_back_to_the_system() -> None:
    blocks = [b"x" * 100_000 for _ in range(2_000)]
    pieces = blocks[::100]  # which are kept, and hold up what was freed between them
    blocks.clear()
    held = read_usage(os.getpid()).memory
    return_freed_memory()
    assert read_usage(os.getpid()).memory < held - 100
    assert len(pieces) == 20


@pytest.mark.parametrize(("needed", "returned"), [(LARGE_BYTES, 1), (LARGE_BYTES - 1, 0)])
def test_only_a_large_cohort_returns_its_memory(
    needed: int, returned: int, images: DeviceImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[None] = []
    monkeypatch.setattr(local, "return_freed_memory", lambda: calls.append(None))
    order = Order(recipes=[SHORT], versions={}, device="cpu", bytes=needed, keeps_snapshots=True)
    LocalExecutor().start(order, images).close()
    assert len(calls) == returned


def test_runs_that_are_over_free_the_memory_of_their_training(store: RunStore, library: DatasetLoader) -> None:
    trainings: list[ProgressGenerator[None]] = []

    def train(recipes: Sequence[Recipe], images: DeviceImages, **place: Any) -> ProgressGenerator[None]:
        trainings.append(train_cohort(recipes, images, **place))
        return trainings[-1]

    manager = RunManager(store, library, executor=LocalExecutor(train))
    (finished,), (stopped,) = submit(manager, SHORT), submit(manager, LONG)
    wait_for_evaluations(manager, stopped, 1)
    manager.stop(stopped, owner=ME)
    wait_for_end(manager, finished, stopped)
    wait_until(lambda: [inspect.getgeneratorstate(one) for one in trainings] == 2 * [inspect.GEN_CLOSED])
    manager.shutdown()


def test_a_run_that_waits_for_its_turn_has_the_speed_of_all_its_training(lone_manager: RunManager) -> None:
    first, second = (submit(lone_manager, LONG.replace(seed=seed))[0] for seed in range(2))
    wait_for_evaluations(lone_manager, first, 1)
    lone_manager.pause(first, owner=ME)
    wait_for_evaluations(lone_manager, second, 2)
    lone_manager.resume(first, owner=ME)
    wait_for_evaluations(lone_manager, first, 2)
    waits = lone_manager.get(second)
    assert waits.status is RunStatus.QUEUED
    assert lone_manager.iterations_per_second(waits) == waits.step / waits.seconds


def test_what_cannot_be_stored_waits_ever_longer_and_not_at_all_afterwards(
    manager: RunManager, store: RunStore, tmp_path: Path
) -> None:
    (run_id,) = submit(manager, LONG)
    wait_for_evaluations(manager, run_id, 2)
    with closing(sqlite3.connect(tmp_path / "runs.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        wait_until(lambda: manager.trouble is not None)
        first = manager.measure_load().storing_delay
        wait_until(lambda: manager.measure_load().storing_delay > first + 1.0)
    wait_until(lambda: manager.trouble is None)
    wait_until(lambda: manager.measure_load().storing_delay < 1.0)
    manager.stop(run_id, owner=ME)
    wait_until(lambda: store.get(run_id).status.is_over)
    wait_until(lambda: manager.measure_load().storing_delay == 0.0)
