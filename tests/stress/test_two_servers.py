"""Two servers on two hosts with one PostgreSQL: every run has one owner, is seen and obeys everywhere."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs.manager import RunManager
from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from tests.stress.killed import check_history, find_lost
from tests.support.clock import Clock
from tests.support.image_folders import make_tiny
from tests.support.managers import wait_until
from tests.support.postgresql import Cluster
from tests.support.present import present
from tests.support.stores import find_left
from tests.support.trainer_process import OWNER, Trainer

if sys.platform != "linux":
    pytest.skip("needs a system with namespaces", allow_module_level=True)

ANOTHER_HOST = ["unshare", "--user", "--map-root-user", "--uts", "sh", "-ec", 'hostname "$0"; exec "$@"']


@pytest.fixture
def data(tmp_path: Path) -> Path:
    make_tiny(tmp_path / "data")
    return tmp_path / "data"


def start(host: str, *, data: Path, url: str, train_iter: int = 100_000) -> Trainer:
    """Start a server on a host of this name, with a home of its own."""
    if not shutil.which("unshare") or subprocess.run([*ANOTHER_HOST, "one", "true"], check=False).returncode:
        pytest.skip("needs a system where a user may give a process another host name")
    return Trainer(home=data.parent / host, data=data, train_iter=train_iter, before=[*ANOTHER_HOST, host], store=url)


@pytest.fixture
def trainers(data: Path, postgresql_url: str) -> Iterator[tuple[Trainer, Trainer]]:
    with (
        start("one", data=data, url=postgresql_url) as first,
        start("two", data=data, url=postgresql_url) as second,
    ):
        for trainer in (first, second):
            trainer.wait_for(lambda trainer=trainer: trainer.said)  # type: ignore[misc]
        yield first, second


@pytest.fixture
def watcher(data: Path, postgresql_url: str, clock: Clock) -> Iterator[RunManager]:
    """A third server, in this process, which trains nothing."""
    with closing(RunStore(postgresql_url, clock=clock)) as store:
        manager = RunManager(store, DatasetLoader(lambda: data))
        yield manager
        manager.shutdown()


def test_every_run_is_live_everywhere_and_obeys_from_anywhere(
    trainers: tuple[Trainer, Trainer], watcher: RunManager
) -> None:
    first, second = trainers
    run_ids = first.run_ids + second.run_ids
    states = {run_id: present(watcher.store.read_state(run_id)) for run_id in run_ids}
    owners = [{states[run_id].server for run_id in trainer.run_ids} for trainer in trainers]
    assert [len(owner) for owner in owners] == [1, 1]
    assert owners[0] != owners[1]
    assert {run.id for run in watcher.list_everywhere(owner=OWNER)} == set(run_ids)

    seen = {run_id: len(watcher.get(run_id).evaluations) for run_id in run_ids}
    wait_until(lambda: all(len(watcher.get(run_id).evaluations) > seen[run_id] for run_id in run_ids))

    stopped, changed = first.run_ids[0], second.run_ids[0]
    watcher.stop(stopped, owner=OWNER)
    watcher.change(changed, owner=OWNER, lr=0.003)
    watcher.pause(changed, owner=OWNER)
    wait_until(lambda: watcher.get(stopped).status is RunStatus.STOPPED)
    wait_until(lambda: watcher.get(changed).status is RunStatus.PAUSED)
    watcher.resume(changed, owner=OWNER)
    wait_until(lambda: [change.lr for change in watcher.get(changed).recipe.changes] == [0.003])
    wait_until(lambda: watcher.get(changed).status is RunStatus.RUNNING)
    assert watcher.get(first.run_ids[1]).status is RunStatus.RUNNING  # of the same cohort as the stopped one


def test_runs_of_a_killed_server_are_marked_by_another_and_those_of_a_living_one_go_on(
    trainers: tuple[Trainer, Trainer], watcher: RunManager, data: Path, clock: Clock
) -> None:
    first, second = trainers
    first.kill()
    assert find_left(watcher.store.mark_interrupted, clock) == sorted(
        first.run_ids, key=lambda run_id: (watcher.get(run_id).created, run_id)
    )
    runs = [watcher.get(run_id) for run_id in first.run_ids]
    assert {run.status for run in runs} == {RunStatus.INTERRUPTED}
    check_history(runs[0], data)
    seen = len(watcher.get(second.run_ids[0]).evaluations)
    wait_until(lambda: len(watcher.get(second.run_ids[0]).evaluations) > seen)
    assert watcher.get(second.run_ids[0]).status is RunStatus.RUNNING


def test_servers_that_start_at_once_on_an_empty_database_train_everything_once(data: Path, postgresql_url: str) -> None:
    with (
        start("one", data=data, url=postgresql_url, train_iter=200) as first,
        start("two", data=data, url=postgresql_url, train_iter=200) as second,
    ):
        for trainer in (first, second):
            trainer.wait_for(lambda trainer=trainer: trainer.is_over)  # type: ignore[misc]
            assert trainer.process.wait(60) == 0
    with closing(RunStore(postgresql_url)) as store:
        for trainer in (first, second):
            runs = [store.get(run_id) for run_id in trainer.run_ids]
            assert [(run.status, run.step) for run in runs] == [(RunStatus.FINISHED, 200)] * 4
            assert find_lost(trainer.said, runs) == []


def test_restart_of_the_database_takes_no_run_from_a_living_server(
    data: Path, own_postgresql: Cluster, clock: Clock
) -> None:
    url = own_postgresql.url
    with start("one", data=data, url=url) as trainer, closing(RunStore(url, clock=clock)) as store:
        trainer.wait_for(lambda: trainer.said)
        own_postgresql.stop("immediate")
        own_postgresql.start()
        assert store.mark_interrupted() == []  # whether the server has its lock again or not
        wait_until(lambda: own_postgresql.count_advisory_locks() == 1)
        stored = len(store.get(trainer.run_ids[0]).evaluations)
        wait_until(lambda: len(store.get(trainer.run_ids[0]).evaluations) > stored)
        for _ in range(15):
            clock.now += 10.0
            assert store.mark_interrupted() == []
        assert store.get(trainer.run_ids[0]).status is RunStatus.RUNNING
