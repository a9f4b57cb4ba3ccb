"""Sweeps of another process on the same database: what is asked here reaches it, and what it leaves goes on here."""

from contextlib import closing

import pytest

from mlpcore.jobs.manager import RunManager
from mlpcore.messages import SentenceError
from mlpcore.runs.store import RunStore
from mlpcore.runs.sweeps import SweepStatus
from mlpcore.sweeps import manager as sweep_manager
from mlpcore.sweeps.definition import Definition
from mlpcore.sweeps.manager import SweepManager
from mlpcore.sweeps.trials import Sweep
from tests.support.managers import LONG, ME, wait_until
from tests.support.present import present
from tests.support.sweeps import RATES, define

ENDLESS = LONG.replace(validation_size=8)


def start(sweeps: SweepManager, definition: Definition) -> str:
    """Start a sweep, and wait until its first trials train."""
    sweep_id = sweeps.start(definition, owner=ME, name="a sweep")
    wait_until(lambda: present(sweeps.get(sweep_id)).trials)
    return sweep_id


def look(sweeps: SweepManager, sweep_id: str) -> Sweep:
    return present(sweeps.get(sweep_id))


def test_a_sweep_is_paused_resumed_extended_and_stopped_from_another_server(store, library, manager):
    here = SweepManager(manager)
    with closing(RunStore(str(store._engine.url))) as other:
        sweeps = SweepManager(RunManager(other, library))
        sweep_id = start(sweeps, define(ENDLESS))
        with pytest.raises(SentenceError, match="Only the person who started this sweep"):
            here.pause(sweep_id, owner="stranger")
        here.pause(sweep_id, owner=ME)
        wait_until(lambda: look(here, sweep_id).status is SweepStatus.PAUSED)
        here.resume(sweep_id, owner=ME)
        wait_until(lambda: look(here, sweep_id).status is SweepStatus.RUNNING)
        wider = define(ENDLESS, space={"lr": (*RATES, 1.0)})
        with pytest.raises(SentenceError, match="A sweep is extended by trials or by values"):
            here.extend(sweep_id, define(ENDLESS, seeds=2), owner=ME)
        here.extend(sweep_id, wider, owner=ME)
        wait_until(lambda: look(here, sweep_id).definition == wider)
        assert here._active == {}
        here.stop(sweep_id, owner=ME)
        wait_until(lambda: look(here, sweep_id).status is SweepStatus.STOPPED)
        wait_until(lambda: sweeps._runs.list_active() == [])
        sweeps.shutdown()
        sweeps._runs.shutdown()
    here.shutdown()


def test_a_server_takes_up_the_sweep_of_one_that_dies_later(store, library, manager, monkeypatch):
    monkeypatch.setattr(sweep_manager, "CLAIM_SECONDS", 0.05)
    here = SweepManager(manager)
    with closing(RunStore(str(store._engine.url))) as other:
        sweeps = SweepManager(RunManager(other, library))
        sweep_id = start(sweeps, define(ENDLESS))
        assert here._active == {}
        sweeps.shutdown()
        sweeps._runs.shutdown()
    wait_until(lambda: sweep_id in here._active)
    here.shutdown()
