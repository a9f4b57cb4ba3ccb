"""Lists of stored runs: sorted, searched, counted, and what is left out of them."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mlpcore.recipes.recipe import SGD, Adam, Recipe
from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from tests.support.stores import evaluation, execute, list_runs, run


@pytest.fixture
def store(open_store: Callable[[], RunStore]) -> RunStore:
    return open_store()


class TestLists:
    def test_list_is_newest_first_without_evaluations_and_in_pages(self, store: RunStore) -> None:
        for created, run_id in enumerate(["old", "middle", "new"]):
            store.create_many([run(run_id, created=float(created), evaluations=(evaluation(1),))])
        assert [listed.id for listed in list_runs(store)] == ["new", "middle", "old"]
        assert [listed.id for listed in list_runs(store, limit=2)] == ["new", "middle"]
        assert list_runs(store)[0].evaluations == ()

    def test_a_list_keeps_to_an_owner(self, store: RunStore) -> None:
        store.create_many([run("a", owner="ann")])
        store.create_many([run("b", owner="bob", status=RunStatus.QUEUED)])
        store.create_many([run("c", owner="bob", status=RunStatus.FINISHED)])
        assert [listed.id for listed in list_runs(store, owner="bob")] == ["c", "b"]
        assert list_runs(store, owner="eve") == []
        assert store.count() == 3

    @pytest.fixture
    def searched(self, store: RunStore) -> RunStore:
        """Three runs: a of 50 %, b of 70 % and later 60 %, starred, with a note, c without evaluations."""
        measured = [replace(evaluation(step), test_acc=acc) for step, acc in ((1, 0.5), (2, 0.7), (3, 0.6))]
        store.create_many([run("a", name="beta", created=1.0, seconds=5.0, evaluations=tuple(measured[:1]))])
        other = Recipe(dataset="zoo", optimizer=SGD(lr=0.1))
        store.create_many(
            [run("b", name="Alpha", created=2.0, seconds=9.0, recipe=other, note="100%_sure", starred=True)]
        )
        store.update("b", evaluations=measured[:2])
        store.update("b", evaluations=measured[2:], status=RunStatus.FINISHED)
        store.create_many([run("c", name="gamma", created=3.0, status=RunStatus.FAILED)])
        return store

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ({}, "cba"),
            ({"descending": False}, "abc"),
            ({"sort": "best_acc"}, "bac"),
            ({"sort": "last_acc"}, "bac"),
            ({"sort": "seconds", "descending": False}, "cab"),
            ({"sort": "name", "descending": False}, "bac"),
            ({"dataset": "zoo"}, "b"),
            ({"optimizer": "Adam"}, "ca"),
            ({"statuses": [RunStatus.FINISHED, RunStatus.FAILED]}, "cb"),
            ({"least_best_acc": 0.65}, "b"),
            ({"words": "ALPHA"}, "b"),
            ({"words": "SURE"}, "b"),
            ({"words": "%"}, "b"),
            ({"words": "0%_s"}, "b"),
            ({"words": "_"}, "b"),
            ({"words": "nothing"}, ""),
            ({"starred": True}, "b"),
            ({"starred": True, "optimizer": "Adam"}, ""),
        ],
    )
    def test_search_sorts_and_filters_by_what_lists_show(self, searched: RunStore, asked: dict, found: str) -> None:
        listed, total = searched.search(**asked)
        assert [one.run.id for one in listed] == list(found)
        assert total == len(found)

    def test_search_returns_a_page_with_the_accuracies_and_how_many_there_are(self, searched: RunStore) -> None:
        (first, second), total = searched.search(limit=2, offset=1)
        assert total == 3
        assert (first.run.id, first.best_acc, first.last_acc, first.run.evaluations) == ("b", 0.7, 0.6, ())
        assert (second.run.id, second.best_acc, second.last_acc) == ("a", 0.5, 0.5)
        (newest, *_), _total = searched.search()
        assert (newest.best_acc, newest.last_acc) == (None, None)
        with pytest.raises(ValueError, match="sort is 'recipe': it must be one of created, name"):
            searched.search(sort="recipe")

    @pytest.mark.parametrize(
        ("asked", "found", "total"),
        [
            ({}, ["d", "bc", "a"], 3),
            ({"limit": 1, "offset": 1}, ["bc"], 3),
            ({"sort": "name", "descending": False}, ["bc", "a", "d"], 3),
            ({"sort": "best_acc"}, ["bc", "a", "d"], 3),
            ({"optimizer": "Adam"}, ["d", "c", "a"], 3),
            ({"words": "alpha"}, ["bc"], 1),
            ({"lesson": "1a rates"}, ["bc"], 1),
        ],
    )
    def test_runs_that_were_started_together_are_found_together(
        self, store: RunStore, asked: dict[str, Any], found: list[str], total: int
    ) -> None:
        adam, sgd = Recipe(optimizer=Adam()), Recipe()
        best = (replace(evaluation(1), test_acc=0.9),)
        together = {"submission": "1", "lesson": "1a rates"}
        store.create_many([run("a", created=1, recipe=adam, name="beta", evaluations=(evaluation(1),))])
        store.create_many([run("b", created=2, recipe=sgd, name="alpha", evaluations=best, **together)])
        store.create_many([run("c", created=3, recipe=adam, name="omega alpha", **together)])
        store.create_many([run("d", created=4, recipe=adam, name="zeta")])
        groups, count = store.search_submissions(**asked)
        assert ["".join(one.run.id for one in group) for group in groups] == found
        assert count == total

    def test_lessons_of_the_runs_are_listed_once(self, store: RunStore) -> None:
        store.create_many([run("a"), run("b", lesson="1a rates"), run("c", lesson="1a rates")])
        assert store.list_values("lesson") == ["1a rates"]

    def test_data_sets_of_the_runs_are_listed_once(self, searched: RunStore) -> None:
        assert searched.list_values("dataset") == ["Shapes", "zoo"]

    def test_unreadable_recipe_hides_its_own_run_only(self, store: RunStore, caplog: pytest.LogCaptureFixture) -> None:
        for run_id in ("a", "b", "c"):
            store.create_many([run(run_id)])
        execute(store, """UPDATE runs SET recipe = '{"optimizer": {"name": "Lion"}}' WHERE id = 'a'""")
        execute(store, "UPDATE runs SET recipe = 'no JSON' WHERE id = 'b'")
        with caplog.at_level(logging.WARNING):
            assert [listed.id for listed in list_runs(store) + list_runs(store)] == ["c", "c"]
        assert len(caplog.records) == 2  # said once a run, not at each look
        assert store.count() == 3
        with pytest.raises(ValueError, match="Run a was stored in a form that this version cannot read"):
            store.get("a")
