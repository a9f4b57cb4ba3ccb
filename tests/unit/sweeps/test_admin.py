"""An admin ends runs and sweeps of others, and does nothing else with them."""

from collections.abc import Iterator

import pytest

from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs.manager import RunManager
from mlpcore.messages import SentenceError
from mlpcore.runs.records import RunStatus, person_owner
from mlpcore.runs.store import RunStore
from mlpcore.runs.sweeps import SweepStatus
from mlpcore.sweeps.manager import SweepManager
from tests.support.managers import LONG, submit, wait_for_end, wait_for_evaluations, wait_until
from tests.support.present import present
from tests.support.sweeps import define

ADMIN = person_owner("https://id.example", "42")


@pytest.fixture
def manager(store: RunStore, library: DatasetLoader, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunManager]:
    monkeypatch.setenv("MLPCORE_ADMINS", "https://id.example 42")
    manager = RunManager(store, library)
    yield manager
    manager.shutdown()


def test_an_admin_stops_a_run_of_somebody_else_and_neither_pauses_nor_changes_it(manager: RunManager) -> None:
    (run_id,) = submit(manager, LONG)
    wait_for_evaluations(manager, run_id, 1)
    for ask in (manager.pause, manager.resume, lambda *a, **k: manager.change(*a, lr=0.1, **k)):
        with pytest.raises(SentenceError, match=r"^Only the person who started this run can do that\.$"):
            ask(run_id, owner=ADMIN)
    manager.stop(run_id, owner=ADMIN)
    (run,) = wait_for_end(manager, run_id)
    assert run.status is RunStatus.STOPPED
    assert run.evaluations


def test_an_admin_stops_and_deletes_a_sweep_of_somebody_else_and_does_not_pause_it(manager: RunManager) -> None:
    sweeps = SweepManager(manager)
    sweep_id = sweeps.start(define(LONG.replace(validation_size=8)), owner="ann", name="a sweep")
    wait_until(lambda: present(sweeps.get(sweep_id)).trials)
    for ask in (sweeps.pause, sweeps.resume):
        with pytest.raises(SentenceError, match=r"^Only the person who started this sweep can do that"):
            ask(sweep_id, owner=ADMIN)
    sweeps.stop(sweep_id, owner=ADMIN)
    wait_until(lambda: not manager.list_active())
    assert present(sweeps.get(sweep_id)).status is SweepStatus.STOPPED
    sweeps.delete(sweep_id, owner=ADMIN)
    assert sweeps.get(sweep_id) is None
    sweeps.shutdown()
