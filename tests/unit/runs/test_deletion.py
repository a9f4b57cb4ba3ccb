"""Deletion of runs: gone at once for every reader, back for a minute, then removed with all that belonged to them."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mlpcore.runs.quota import Usage
from mlpcore.runs.records import Run, RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.runs.stored_runs import StoredRuns
from tests.support.stores import age_deletions, count_rows, evaluation, list_runs, run

ANN, BEN = "browser:ann", "browser:ben"
OVER = run(owner=ANN, status=RunStatus.FINISHED, evaluations=(evaluation(1),), note="worth a look", starred=True)


@pytest.fixture
def store(open_store: Callable[[], RunStore]) -> RunStore:
    return open_store()


def test_deleted_run_is_gone_for_every_reader_and_comes_back_as_it_was(store: RunStore) -> None:
    store.create_many([OVER])
    store.delete(["a"])
    assert (list_runs(store), store.count(), store.read_state("a")) == ([], 0, None)
    assert store.search_submissions() == ([], 0)
    assert store.measure_usage(ANN) == Usage(0, 0)
    assert store.deletion.find_deletable(ANN) == []
    with pytest.raises(ValueError, match="There is no run 'a': it may have been deleted"):
        store.get("a")
    with pytest.raises(ValueError, match="There is no run 'a'"):
        store.annotate("a", note="")
    assert StoredRuns(store).undo_deletion(owner=ANN) == 1
    assert store.get("a") == OVER


def test_only_the_owner_brings_runs_back_and_only_for_a_minute(store: RunStore) -> None:
    runs = StoredRuns(store)
    store.create_many([OVER, replace(OVER, id="b", owner=BEN)])
    store.delete(["a", "b"])
    assert runs.undo_deletion(owner=BEN) == 1
    assert [kept.id for kept in list_runs(store)] == ["b"]
    age_deletions(store, minutes=1)
    assert store.deletion.find_restorable(ANN) == []
    assert runs.undo_deletion(owner=ANN) == 0
    assert [kept.id for kept in list_runs(store)] == ["b"]


@pytest.mark.parametrize(
    "later", [lambda store: store.create_many([run("new")]), lambda store: store.delete(["c"])], ids=["start", "delete"]
)
def test_runs_are_removed_with_their_evaluations_when_a_later_call_finds_them_old(
    store: RunStore, later: Callable[[RunStore], None]
) -> None:
    store.create_many([OVER, replace(OVER, id="c", evaluations=())])
    store.delete(["a"])
    age_deletions(store, minutes=3)
    later(store)
    for rows in ("evaluations", "runs WHERE id = 'a'", "deleted_runs WHERE run_id = 'a'"):
        assert count_rows(store, rows) == 0


@pytest.mark.parametrize("second", [run("b", owner=ANN), replace(OVER, id="b")])
def test_runs_are_deleted_all_or_none_and_not_twice(store: RunStore, second: Run) -> None:
    store.create_many([OVER, second])
    if second.status.is_over:
        store.delete(["b"])
    with pytest.raises(ValueError, match=r"Run b is running|There is no run 'b'"):
        store.delete(["a", "b"])
    assert store.get("a") == OVER
