"""Runs of other programs in the database: each owner has their own, by name."""

from dataclasses import replace

import pytest

from mlpcore.runs.foreign import ForeignRun
from mlpcore.runs.store import RunStore

THEIRS = ForeignRun("theirs", [100, 200], train_loss=[2.5, None], test_acc=[0.1, 1 / 3])


@pytest.fixture
def store(open_store) -> RunStore:
    return open_store()


def test_a_run_comes_back_as_it_was_to_its_owner_alone(store, open_store):
    store.foreign.put(THEIRS, owner="me")
    assert open_store().foreign.list_own("me") == [THEIRS]
    assert store.foreign.list_own("another") == []


def test_a_run_takes_the_place_of_the_owners_run_of_that_name(store):
    store.foreign.put(replace(THEIRS, name="b"), owner="me")
    store.foreign.put(replace(THEIRS, name="a"), owner="me")
    store.foreign.put(replace(THEIRS, name="b", lr=[0.1, 0.1]), owner="me")
    assert store.foreign.list_own("me") == [replace(THEIRS, name="a"), replace(THEIRS, name="b", lr=[0.1, 0.1])]


def test_one_of_them_is_deleted_or_all_but_never_anothers(store):
    for owner in ("me", "another"):
        for name in "ab":
            store.foreign.put(replace(THEIRS, name=name), owner=owner)
    store.foreign.delete("a", owner="me")
    assert [run.name for run in store.foreign.list_own("me")] == ["b"]
    store.foreign.delete(owner="me")
    assert store.foreign.list_own("me") == []
    assert len(store.foreign.list_own("another")) == 2


def test_the_best_is_the_highest_test_accuracy():
    assert THEIRS.best == 1 / 3
    assert replace(THEIRS, test_acc=()).best is None
