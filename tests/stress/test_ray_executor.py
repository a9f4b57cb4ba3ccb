"""Cohorts on a real Ray cluster: three nodes on this machine, some of which are killed."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mlpcore.data.batches import DeviceImages
from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs.executors import ray_executor
from mlpcore.jobs.executors.choice import choose_executor
from mlpcore.jobs.executors.local import LocalExecutor
from mlpcore.jobs.executors.ray_actor import _place
from mlpcore.jobs.executors.ray_cluster import Node, build_environment, count_seats
from mlpcore.jobs.executors.ray_executor import RayExecutor
from mlpcore.jobs.manager import RunManager
from mlpcore.jobs.memory import MemoryBudget
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Adam, CosineAnnealingLR
from mlpcore.runs.messages import StoreError
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
        first, second = submit(manager, LASTING.replace(train_iter=15_000), LONG)
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

    def test_without_the_head_runs_are_interrupted_with_a_sentence_and_the_server_goes_on(
        self, monkeypatch, store, library, images
    ):
        with running_cluster(monkeypatch, nodes=1) as cluster:
            manager = RunManager(store, library, executor=choose_executor())
            (run_id,) = submit(manager, LONG)
            wait(lambda: manager.get(run_id).evaluations)
            cluster.head_node.kill_gcs_server()
            cluster.head_node.kill_raylet()
            (run,) = wait_for_all(manager, run_id)
            assert run.status is RunStatus.INTERRUPTED
            assert str(run.message).startswith("The Ray cluster was lost: its head, or the network, does not answer.")
            assert timeless(run.evaluations) == train_alone(LONG, images, until=run.evaluations[-1].step)
            (waiting,) = submit(manager, SHORT)
            sentence = "The Ray cluster cannot be reached. What waits starts when it is back."
            wait(lambda: str(manager.waiting_reason(waiting)) == sentence)
            assert manager.get(waiting).status is RunStatus.QUEUED
            manager.shutdown()


class TestPlaces:
    def test_cohorts_have_the_cores_of_all_nodes_but_none_has_cores_of_two(self):
        nodes = [Node(4.0, 0.0, 8e9), Node(3.0, 1.0, 8e9), Node(1.0, 0.0, 8e9)]
        assert [count_seats(nodes, threads) for threads in (1, 2, 4, 5)] == [8, 3, 1, 0]

    def test_a_run_that_fits_on_no_node_is_refused_with_the_figures(self, library):
        executor = RayExecutor()
        executor._nodes = [Node(4.0, 0.0, 0.5e9), Node(4.0, 0.0, 0.5e9)]
        executor._is_known.set()
        sentence = r"One run needs 0\.4 GB of memory, and there are 0\.1 GB for all runs"
        with pytest.raises(SentenceError, match=sentence):
            MemoryBudget(library, executor).split([SHORT.replace(hidden_sizes=(4096, 1024))], "ray cpu")

    def test_a_cluster_without_a_node_that_has_the_threads_is_refused(self, cluster, monkeypatch, store, library):
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        manager = RunManager(store, library, executor=choose_executor())
        with pytest.raises(SentenceError, match="No node of the Ray cluster has 2 cores: set OMP_NUM_THREADS to fewer"):
            submit(manager, SHORT)
        manager.shutdown()
        assert len(cluster.list_all_nodes()) >= 1

    def test_images_of_the_object_store_are_read_without_copying_and_without_a_warning(self, images: DeviceImages):
        tensors = {"train": images.train.data, "train_labels": images.train.targets}
        tensors |= {"test": images.test.data, "test_labels": images.test.targets}
        tensors |= {"mean": images.mean, "std": images.std}
        arrays = {name: np.array(tensor.numpy()) for name, tensor in tensors.items()}
        for array in arrays.values():
            array.flags.writeable = False  # as Ray gives them
        placed = _place(arrays, images.train.classes, images.mean.device)
        assert placed.train_images.data_ptr() == arrays["train"].ctypes.data
        assert placed.test_images.data_ptr() == arrays["test"].ctypes.data
        assert placed.train_images.equal(images.train_images)
        assert placed.normalise(placed.test_images).equal(images.normalise(images.test_images))


class TestChoice:
    def test_an_unknown_executor_is_refused_with_the_allowed_ones(self, monkeypatch):
        monkeypatch.setenv("MLPCORE_EXECUTOR", "spark")
        with pytest.raises(StoreError, match=r"^MLPCORE_EXECUTOR is spark: it must be local, ray\.$"):
            choose_executor()

    def test_without_ray_installed_a_sentence_says_how_to_install_it(self, monkeypatch):
        monkeypatch.setenv("MLPCORE_EXECUTOR", "ray")
        monkeypatch.setitem(sys.modules, "ray", None)
        with pytest.raises(StoreError, match=r"Ray is not installed: pip install -r requirements-ray\.txt$"):
            choose_executor()

    @pytest.mark.parametrize("name", ["", "local"])
    def test_by_default_training_is_local(self, monkeypatch, name):
        monkeypatch.setenv("MLPCORE_EXECUTOR", name)
        assert type(choose_executor()) is LocalExecutor

    @pytest.mark.parametrize(
        ("address", "stays"),
        [("", True), ("127.0.0.1:6379", True), ("localhost:6379", True), ("10.0.0.5:6379", False)],
    )
    def test_nothing_is_reported_to_ray_and_what_is_on_loopback_stays_there(self, address, stays):
        built = build_environment({"RAY_ADDRESS": address, "PATH": "/bin", "RAY_USAGE_STATS_ENABLED": "1"}, threads=3)
        assert (built["RAY_USAGE_STATS_ENABLED"], built["OMP_NUM_THREADS"], built["PATH"]) == ("0", "3", "/bin")
        assert (built.get("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER") == "0") is stays
