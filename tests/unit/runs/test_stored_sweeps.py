"""Sweeps and their trials in the database: what survives, who goes on with them, and older databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from mlpcore.runs.store import RunStore, StoreError
from mlpcore.runs.sweeps import StoredSweep, StoredTrial, SweepStatus
from tests.support.present import present
from tests.support.store_child import start_child
from tests.support.stores import find_left, watch

TRIALS = (
    StoredTrial(0, '{"lr":0.1}', ("a", "b"), result='{"val_accs":[0.5]}'),
    StoredTrial(1, '{"lr":0.2}', ("c",), is_fresh=True),
)


def sweep(sweep_id: str = "s", *, created: float = 1.5, owner: str = "me") -> StoredSweep:
    return StoredSweep(sweep_id, "a sweep", owner, created, SweepStatus.RUNNING, '{"space":{}}', TRIALS)


@pytest.fixture
def store(open_store: Callable[[], RunStore]) -> RunStore:
    return open_store()


class TestStoring:
    def test_a_sweep_comes_back_as_it_was_also_from_another_store(self, store, open_store):
        store.sweeps.create(sweep())
        assert store.sweeps.get("s") == open_store().sweeps.get("s") == sweep()
        assert store.sweeps.get("t") is None

    def test_trials_are_added_and_get_their_results(self, store):
        store.sweeps.create(replace(sweep(), trials=()))
        store.sweeps.add_trials("s", TRIALS)
        later = StoredTrial(1, '{"lr":0.2}', ("d",), is_fresh=True, result="{}")
        store.sweeps.update_trial("s", later)
        assert present(store.sweeps.get("s")).trials == (TRIALS[0], later)

    def test_trials_are_stored_all_or_none(self, store):
        store.sweeps.create(replace(sweep(), trials=TRIALS[1:]))
        with pytest.raises((StoreError, IntegrityError)):
            store.sweeps.add_trials("s", TRIALS)
        assert present(store.sweeps.get("s")).trials == TRIALS[1:]

    def test_status_and_definition_change_each_by_itself(self, store):
        store.sweeps.create(sweep())
        store.sweeps.update("s", status=SweepStatus.PAUSED)
        assert store.sweeps.get("s") == replace(sweep(), status=SweepStatus.PAUSED)
        store.sweeps.update("s", definition="{}", is_mine=True)
        assert store.sweeps.get("s") == replace(sweep(), status=SweepStatus.PAUSED, definition="{}")

    def test_the_newest_are_listed_first_without_their_trials(self, store):
        for number in range(3):
            store.sweeps.create(sweep(str(number), created=float(number)))
        assert store.sweeps.list_newest(limit=2) == [
            replace(sweep("2", created=2.0), trials=()),
            replace(sweep("1", created=1.0), trials=()),
        ]


class TestClaiming:
    SCRIPT = """
from mlpcore.runs.sweeps import StoredSweep, SweepStatus
store = RunStore(sys.argv[1])
for number, (owner, status) in enumerate([("me", "running"), ("me", "paused"), ("", "running"), ("me", "finished")]):
    store.sweeps.create(StoredSweep(str(number), "a sweep", owner, float(number), SweepStatus(status), "{}"))
print("stored", flush=True)
sys.stdin.read()
"""

    def test_a_second_process_takes_over_what_a_killed_one_left_once(self, store, open_store, store_url, clock):
        with start_child(self.SCRIPT, store_url) as child:
            assert present(child.stdout).readline() == "stored\n"
            assert watch(store.sweeps.claim_left, clock) == []  # it is alive, and nobody takes its sweeps
            child.kill()
        assert find_left(store.sweeps.claim_left, clock) == ["0", "1"]
        assert watch(store.sweeps.claim_left, clock) == watch(open_store().sweeps.claim_left, clock) == []
        statuses = [present(store.sweeps.get(str(number))).status for number in range(4)]
        assert statuses == ["running", "paused", "stopped", "finished"]  # nobody could stop one without an owner

    def test_of_two_processes_that_look_at_once_only_one_takes_a_sweep(self, open_store, clock):
        dead, *watchers = open_store(), open_store(), open_store()
        dead.sweeps.create(sweep())
        dead.close()
        claimed: list[list[str]] = [[], []]
        with ThreadPoolExecutor(2) as threads:
            while claimed == [[], []]:
                claimed = list(threads.map(lambda store: store.sweeps.claim_left(), watchers))
                clock.now += 10
        assert sorted(claimed) == [[], ["s"]]

    def test_a_store_that_is_closed_leaves_its_sweeps(self, store, open_store, clock):
        other = open_store()
        other.sweeps.create(sweep())
        assert watch(store.sweeps.claim_left, clock) == []
        other.close()
        assert find_left(store.sweeps.claim_left, clock) == ["s"]
