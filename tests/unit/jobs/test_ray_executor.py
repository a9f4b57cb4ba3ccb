"""Cohorts on a real Ray cluster: three nodes on this machine, some of which are killed."""

import os
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs.executors import ray_executor
from mlpcore.jobs.executors.choice import choose_executor
from mlpcore.jobs.manager import RunManager
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Adam, CosineAnnealingLR
from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.sweeps.manager import SweepManager
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
from tests.support.present import present
from tests.support.ray_nodes import NODE, running_cluster
from tests.support.sweeps import BASE, define, measured, run_to_end

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

pytestmark = pytest.mark.timeout(600)  # a cluster and its processes need 20 s of computing to start
PATIENCE = 240.0
LASTING = SHORT.replace(train_iter=4_000, eval_every=100)


@pytest.fixture(scope="module")
def cluster() -> "Iterator[Cluster]":
    with pytest.MonkeyPatch.context() as patch, running_cluster(patch) as cluster:
        patch.setattr(ray_executor, "CONNECT_SECONDS", PATIENCE)
        yield cluster


@pytest.fixture
def manager(cluster: "Cluster", store: RunStore, library: DatasetLoader) -> Iterator[RunManager]:
    assert os.environ["RAY_ADDRESS"] == cluster.address
    manager = RunManager(store, library, executor=choose_executor())
    yield manager
    manager.shutdown()


def wait(predicate: Callable[[], object]) -> None:
    wait_until(predicate, PATIENCE)


def wait_for_all(manager: RunManager, *run_ids: str) -> list[Any]:
    wait(lambda: all(manager.get(run_id).status.is_over for run_id in run_ids))
    return wait_for_end(manager, *run_ids)


class TestNumbers:
    def test_runs_on_the_nodes_have_the_histories_they_have_in_this_process(self, manager, images):
        recipes = [
            LASTING,
            LASTING.replace(optimizer=Adam(), seed=3, dropout=0.5, scheduler=CosineAnnealingLR(T_max=4_000)),
            SHORT.replace(hidden_sizes=(13, 5), dropout=0.0),
            SHORT.replace(batch_size=7, label_noise=0.5, train_size=20),
        ]
        run_ids = submit(manager, *recipes)
        for recipe, run in zip(recipes, wait_for_all(manager, *run_ids), strict=True):
            assert (run.status, run.step, run.device, run.message) == (
                RunStatus.FINISHED,
                recipe.train_iter,
                "cpu",
                None,
            )
            assert timeless(run.evaluations) == train_alone(recipe, images)
            assert dict(run.versions) == describe_environment()
            assert present(manager.store.snapshots.read(run.id)).step == recipe.train_iter

    def test_runs_that_were_started_together_train_on_all_nodes_side_by_side(self, manager):
        run_ids = submit(manager, *[LONG.replace(seed=seed) for seed in range(3)])
        wait(lambda: [manager.count_nodes(run_id) for run_id in run_ids] == [3, 3, 3])
        for run_id in run_ids:
            manager.stop(run_id, owner=ME)
        wait_for_all(manager, *run_ids)
        assert manager.count_nodes(run_ids[0]) == 0

    def test_a_run_is_paused_changed_and_resumed_and_one_beside_it_leaves(self, manager, images):
        first, second = submit(manager, LASTING.replace(train_iter=30_000), LONG)
        beside = submit(manager, LONG, LONG.replace(optimizer=Adam()))
        wait(lambda: all(manager.get(run_id).evaluations for run_id in (first, second, *beside)))
        manager.pause(first, owner=ME)
        manager.change(first, owner=ME, lr=0.002)
        manager.stop(second, owner=ME)
        manager.stop(beside[0], owner=ME)
        manager.resume(first, owner=ME)
        wait_for_evaluations(manager, beside[1], 2)
        manager.stop(beside[1], owner=ME)
        (changed,) = wait_for_all(manager, first)
        assert [change.lr for change in changed.recipe.changes] == [0.002]
        assert timeless(changed.evaluations) == train_alone(changed.recipe, images)
        for run in wait_for_all(manager, second, *beside):
            assert run.status is RunStatus.STOPPED
            assert timeless(run.evaluations) == train_alone(run.recipe, images, until=run.step)

    def test_a_sweep_fills_the_cluster_and_finds_what_it_finds_in_this_process(self, manager, store, library):
        definition = define(BASE.replace(train_iter=60), space={"lr": {"low": 0.001, "high": 0.5, "log": True}})
        definition = definition.replace(sampler="sobol", trials=72)
        sweeps, most = SweepManager(manager), 0
        sweep_id = sweeps.start(definition, owner=ME, name="a sweep")
        while (sweep := present(sweeps.get(sweep_id))).waiting or not sweep.status.is_over:
            most = max(most, len(sweep.waiting))
            threading.Event().wait(0.02)
        sweeps.shutdown()
        local = RunManager(store, library)
        sweeps = SweepManager(local)
        alone = run_to_end(sweeps, definition)
        sweeps.shutdown()
        local.shutdown()
        assert measured(sweep) == measured(alone)
        assert most > 32

    def test_a_training_that_raises_fails_its_own_run_alone(self, manager):
        beside, failing = submit(manager, LASTING)[0], submit(manager, SHORT.replace(train_size=999))[0]
        failed, finished = wait_for_all(manager, failing, beside)
        assert (failed.status, finished.status) == (RunStatus.FAILED, RunStatus.FINISHED)
        assert str(failed.message).startswith("train_size is 999")
        assert "Traceback (most recent call last)" in failed.traceback


class TestShares:
    def test_of_more_people_than_cores_everybody_moves(self, manager):
        run_ids = [submit(manager, LONG.replace(seed=seed), owner=f"person {seed}")[0] for seed in range(5)]
        wait(lambda: all(manager.get(run_id).evaluations for run_id in run_ids))
        assert {manager.get(run_id).status for run_id in run_ids} == {RunStatus.RUNNING}
        with pytest.raises(SentenceError, match="Only the person who started this run"):
            manager.stop(run_ids[0], owner=STRANGER)


class TestLosses:
    def test_runs_of_a_node_that_dies_train_again_elsewhere_and_nothing_is_stored_twice(self, manager, cluster, images):
        recipes = [LASTING.replace(seed=seed, train_iter=8_000) for seed in range(3)]
        run_ids = submit(manager, *recipes)
        wait(lambda: all(len(manager.get(run_id).evaluations) > 4 for run_id in run_ids))
        assert manager.count_nodes(run_ids[0]) == 3
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        runs = wait_for_all(manager, *run_ids)
        cluster.add_node(**NODE)
        for recipe, run in zip(recipes, runs, strict=True):
            assert (run.status, run.message) == (RunStatus.FINISHED, None)
            assert timeless(run.evaluations) == train_alone(recipe, images)
