"""The store's promises, each on every backend; what needs a process to die or a disk to fill does so for real."""

import logging
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from types import MappingProxyType

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url

from mlpcore.database import explained, open_engine
from mlpcore.messages import Sentence
from mlpcore.migrations import MIGRATIONS, migrate
from mlpcore.recipe import SGD, Adam, Change, MultiStepLR, Recipe
from mlpcore.runs import Evaluation, Run, RunStatus
from mlpcore.store import SORTS, RunStore, StoreError, runs_home

ROOT = Path(__file__).parent.parent
RECIPE = Recipe(optimizer=Adam(lr=3e-4), scheduler=MultiStepLR(milestones=(100, 200)), hidden_sizes=(32,))

CHILD = """
import sys
from mlpcore.recipe import Recipe
from mlpcore.runs import Evaluation, Run, RunStatus
from mlpcore.store import RunStore

def evaluation(step):
    return Evaluation(step, 2.0, 2.0, 0.1, 2.0, 0.1, 0.01, step / 100)

def run(id, status=RunStatus.RUNNING):
    return Run(id=id, name=id, recipe=Recipe(), status=status, created=0.0)
"""


def evaluation(step: int, *, train_loss: float = 2.0) -> Evaluation:
    return Evaluation(step, train_loss, 1.9, 0.2, 2.1, 0.1, 0.01, step / 100)


def run(run_id: str = "a", **values: object) -> Run:
    started = Run(id=run_id, name="first try", recipe=RECIPE, status=RunStatus.RUNNING, created=1_700_000_000.25)
    return replace(started, **values)


def start_child(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CHILD + script, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(params=["the default", "by URL"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str | None:
    monkeypatch.setenv("MLPCORE_HOME", str(tmp_path / "home"))
    return None if request.param == "the default" else f"sqlite:///{tmp_path / 'other.db'}"


@pytest.fixture
def open_store(url: str | None) -> Iterator[Callable[[], RunStore]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(RunStore(url)))


@pytest.fixture
def store(open_store: Callable[[], RunStore]) -> RunStore:
    return open_store()


@pytest.fixture
def file(url: str | None) -> Path:
    """The database's file."""
    return Path(make_url(url).database) if url else runs_home() / "runs.sqlite3"


class TestRunStore:
    def test_run_comes_back_as_it_was_stored(self, store: RunStore) -> None:
        everything = run(
            recipe=Recipe(optimizer=SGD(lr=0.1), seed=2**32 - 1, changes=(Change(step=10, lr=1e-5),)),
            owner="token",
            step=200,
            seconds=1.5,
            device="cpu",
            versions=MappingProxyType({"torch": "2.13.0"}),
            message=Sentence("{step:,} — {word}.", {"step": 1234, "word": "한국어"}),
            traceback="Traceback\n  …",
            continues="b",
            evaluations=(evaluation(100), evaluation(200)),
        )
        store.create(everything)
        assert store.get("a") == everything

    def test_sentence_whose_values_cannot_be_kept_is_kept_whole(self, store: RunStore) -> None:
        store.create(run(message=Sentence("{{{folder}}} at {lr:.1f}", {"folder": Path("here"), "lr": float("nan")})))
        kept = store.get("a").message
        assert (str(kept), kept.values) == ("{here} at nan", {})

    def test_floats_come_back_bit_for_bit(self, store: RunStore) -> None:
        exact = Evaluation(1, 0.1 + 0.2, 5e-324, 0.0, 1.7976931348623157e308, 1 / 3, -(2.0**-1022), 1e16)
        store.create(run())
        store.add_evaluations("a", [exact])
        assert repr(store.get("a").latest) == repr(exact)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    def test_evaluation_that_is_not_finite_is_refused_and_nothing_of_its_write_stored(
        self, store: RunStore, value: float
    ) -> None:
        store.create(run())
        with pytest.raises(ValueError, match=r"train_loss is .*: only finite numbers"):
            store.update("a", evaluations=[evaluation(1), evaluation(2, train_loss=value)], status=RunStatus.FINISHED)
        assert store.get("a") == run()

    def test_second_run_of_an_id_is_refused(self, store: RunStore) -> None:
        store.create(run())
        with pytest.raises(ValueError, match="id is 'a': a run with that id is stored already"):
            store.create(run(name="another"))
        assert store.get("a").name == "first try"

    def test_unknown_run_is_said_to_be_unknown(self, store: RunStore) -> None:
        for call in (
            lambda: store.get("b"),
            lambda: store.delete("b"),
            lambda: store.update("b", step=1),
            lambda: store.add_evaluations("b", [evaluation(1)]),
        ):
            with pytest.raises(ValueError, match="There is no run 'b'"):
                call()

    def test_status_is_read_alone(self, store: RunStore) -> None:
        store.create(run(status=RunStatus.PAUSED))
        assert (store.read_status("a"), store.read_status("b")) == (RunStatus.PAUSED, None)

    def test_update_changes_what_it_names_and_nothing_else(self, store: RunStore) -> None:
        store.create(run(status=RunStatus.QUEUED))
        edited = RECIPE.model_copy(update={"changes": (Change(step=7, lr=0.5),)})
        store.update("a", status=RunStatus.PAUSED, step=7, seconds=0.5, recipe=edited, versions={"torch": "2.13.0"})
        assert store.get("a") == run(
            status=RunStatus.PAUSED, step=7, seconds=0.5, recipe=edited, versions={"torch": "2.13.0"}
        )
        store.update("a", device="cuda", message=Sentence("m"), traceback="t")
        assert store.get("a").step == 7
        assert store.get("a").device == "cuda"

    def test_evaluations_come_back_in_the_order_of_their_steps_and_move_the_run_on(self, store: RunStore) -> None:
        store.create(run())
        store.add_evaluations("a", [evaluation(200), evaluation(300)])
        store.add_evaluations("a", [evaluation(100)])
        kept = store.get("a")
        assert [point.step for point in kept.evaluations] == [100, 200, 300]
        assert (kept.step, kept.seconds) == (300, 3.0)

    def test_evaluation_added_again_is_kept_once_and_another_at_its_step_is_refused(self, store: RunStore) -> None:
        store.create(run())
        store.add_evaluations("a", [evaluation(1), evaluation(2)])
        store.add_evaluations("a", [evaluation(2), evaluation(3)])
        with pytest.raises(ValueError, match="step is 2: run a has another evaluation"):
            store.add_evaluations("a", [evaluation(2, train_loss=1.0), evaluation(4)])
        with pytest.raises(ValueError, match="2 entries at 1 steps"):
            store.add_evaluations("a", [evaluation(5), evaluation(5)])
        assert store.get("a").evaluations == (evaluation(1), evaluation(2), evaluation(3))

    def test_last_evaluations_and_the_end_are_one_write(self, store: RunStore) -> None:
        store.create(run())
        store.update("a", evaluations=[evaluation(100)], status=RunStatus.FINISHED, step=120, seconds=9.0)
        assert store.get("a") == run(status=RunStatus.FINISHED, step=120, seconds=9.0, evaluations=(evaluation(100),))

    @pytest.mark.parametrize("status", [status for status in RunStatus if status.is_over])
    def test_run_that_is_over_never_changes(self, store: RunStore, status: RunStatus) -> None:
        store.create(run())
        store.update("a", evaluations=[evaluation(1)], status=status)
        sealed = store.get("a")
        for call in (
            lambda: store.add_evaluations("a", [evaluation(2)]),
            lambda: store.update("a", status=RunStatus.RUNNING),
            lambda: store.update("a", message=Sentence("other")),
        ):
            with pytest.raises(ValueError, match=f"Run a is {status}: a run that is over never changes"):
                call()
        assert store.get("a") == sealed

    def test_readers_copy_is_never_changed_later(self, store: RunStore) -> None:
        store.create(run(versions=MappingProxyType({"torch": "2.13.0"})))
        copy = store.get("a")
        store.update("a", evaluations=[evaluation(1)], status=RunStatus.STOPPED)
        assert (copy.status, copy.evaluations) == (RunStatus.RUNNING, ())
        with pytest.raises(FrozenInstanceError):
            copy.step = 3
        with pytest.raises(TypeError):
            copy.versions["torch"] = "1"

    def test_list_is_newest_first_without_evaluations_and_in_pages(self, store: RunStore) -> None:
        for created, run_id in enumerate(["old", "middle", "new"]):
            store.create(run(run_id, created=float(created), evaluations=(evaluation(1),)))
        assert [listed.id for listed in store.list_runs()] == ["new", "middle", "old"]
        assert [listed.id for listed in store.list_runs(limit=1, offset=1)] == ["middle"]
        assert store.list_runs()[0].evaluations == ()
        with pytest.raises(ValueError, match="limit is 0 and offset is 0"):
            store.list_runs(limit=0)

    def test_list_and_count_keep_to_an_owner_and_to_statuses(self, store: RunStore) -> None:
        store.create(run("a", owner="ann"))
        store.create(run("b", owner="bob", status=RunStatus.QUEUED))
        store.create(run("c", owner="bob", status=RunStatus.FINISHED))
        going_on = (RunStatus.QUEUED, RunStatus.RUNNING)
        assert [listed.id for listed in store.list_runs(owner="bob")] == ["c", "b"]
        assert [listed.id for listed in store.list_runs(statuses=going_on)] == ["b", "a"]
        assert [listed.id for listed in store.list_runs(owner="bob", statuses=going_on)] == ["b"]
        assert store.list_runs(statuses=()) == []
        assert (store.count(), store.count(owner="bob"), store.count(statuses=going_on)) == (3, 2, 2)

    def test_many_runs_are_stored_together_or_not_at_all(self, store: RunStore) -> None:
        store.create(run("b"))
        with pytest.raises(ValueError, match="id is 'b': a run with that id is stored already"):
            store.create_many([run("a", evaluations=(evaluation(1),)), run("b"), run("c")])
        assert store.count() == 1
        with pytest.raises(ValueError, match="train_loss is nan"):
            store.create_many([run("a"), run("c", evaluations=(evaluation(1, train_loss=float("nan")),))])
        assert store.count() == 1
        store.create_many([])
        kept = [run("a", evaluations=(evaluation(1),)), run("c", status=RunStatus.FINISHED)]
        store.create_many(kept)
        assert [store.get("a"), store.get("c")] == kept

    def test_name_note_and_star_can_be_changed_when_a_run_is_over_and_nothing_else(self, store: RunStore) -> None:
        over = run(status=RunStatus.FINISHED, evaluations=(evaluation(1),))
        store.create(over)
        store.annotate("a", note="50% better — 한국어")
        assert store.get("a") == replace(over, note="50% better — 한국어")
        store.annotate("a", name="second", starred=True)
        assert store.get("a") == replace(over, name="second", note="50% better — 한국어", starred=True)
        store.annotate("a", note="", starred=False)
        assert store.get("a") == replace(over, name="second")
        with pytest.raises(ValueError, match="There is no run 'b'"):
            store.annotate("b", note="")

    @pytest.fixture
    def searched(self, store: RunStore) -> RunStore:
        """Three runs: a of 50 %, b of 70 % and later 60 %, starred, with a note, c without evaluations."""
        measured = [replace(evaluation(step), test_acc=acc) for step, acc in ((1, 0.5), (2, 0.7), (3, 0.6))]
        store.create(run("a", name="beta", created=1.0, seconds=5.0, evaluations=tuple(measured[:1])))
        other = Recipe(dataset="zoo", optimizer=SGD(lr=0.1))
        store.create(run("b", name="Alpha", created=2.0, seconds=9.0, recipe=other, note="100%_sure", starred=True))
        store.update("b", evaluations=measured[:2])
        store.update("b", evaluations=measured[2:], status=RunStatus.FINISHED)
        store.create(run("c", name="gamma", created=3.0, status=RunStatus.FAILED))
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

    def test_data_sets_of_the_runs_are_listed_once(self, searched: RunStore) -> None:
        assert searched.list_datasets() == ["Shapes", "zoo"]

    def test_deleted_run_is_gone_with_its_evaluations(self, store: RunStore, file: Path) -> None:
        store.create(run(status=RunStatus.FINISHED, evaluations=(evaluation(1),)))
        store.delete("a")
        assert store.list_runs() == []
        with closing(sqlite3.connect(file)) as database:
            assert database.execute("SELECT count(*) FROM evaluations").fetchone() == (0,)

    def test_run_that_goes_on_is_not_deleted(self, store: RunStore) -> None:
        store.create(run())
        with pytest.raises(ValueError, match="Run a is running: it must be stopped before it can be deleted"):
            store.delete("a")
        assert store.count() == 1

    def test_unreadable_recipe_hides_its_own_run_only(
        self, store: RunStore, file: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        for run_id in ("a", "b", "c"):
            store.create(run(run_id))
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            database.execute("""UPDATE runs SET recipe = '{"optimizer": {"name": "Lion"}}' WHERE id = 'a'""")
            database.execute("UPDATE runs SET recipe = 'no JSON' WHERE id = 'b'")
        with caplog.at_level(logging.WARNING):
            assert [listed.id for listed in store.list_runs() + store.list_runs()] == ["c", "c"]
        assert len(caplog.records) == 2  # said once a run, not at each look
        assert store.count() == 3
        with pytest.raises(ValueError, match="Run a was stored in a form that this version cannot read"):
            store.get("a")

    def test_threads_write_and_read_at_once(self, store: RunStore) -> None:
        runs, points = ("a", "b", "c", "d"), 50
        failures: list[BaseException] = []
        done = threading.Event()

        def write(run_id: str) -> None:
            try:
                store.create(run(run_id))
                for step in range(1, points + 1):
                    store.add_evaluations(run_id, [evaluation(step)])
                store.update(run_id, status=RunStatus.FINISHED)
            except BaseException as error:  # noqa: BLE001 (a thread's failure has to reach the test)
                failures.append(error)

        def read() -> None:
            try:
                while not done.is_set():
                    for listed in store.list_runs():
                        seen = store.get(listed.id)
                        # of one moment: the run's step is that of its last evaluation, and a run that is over has all
                        assert seen.step == (seen.latest.step if seen.latest else 0) == len(seen.evaluations)
                        assert not seen.status.is_over or seen.step == points
            except BaseException as error:  # noqa: BLE001
                failures.append(error)

        writers = [threading.Thread(target=write, args=(run_id,)) for run_id in runs]
        reader = threading.Thread(target=read)
        for thread in [*writers, reader]:
            thread.start()
        for thread in writers:
            thread.join()
        done.set()
        reader.join()
        assert failures == []
        assert [len(store.get(run_id).evaluations) for run_id in runs] == [points] * 4

    def test_killed_process_leaves_its_evaluations_and_its_runs_are_interrupted(
        self, url: str | None, open_store: Callable[[], RunStore]
    ) -> None:
        script = """
store = RunStore(sys.argv[1] or None)
store.create(run("over", RunStatus.FINISHED))
store.create(run("waiting", RunStatus.QUEUED))
store.create(run("going on"))
for step in range(1, 101):
    store.add_evaluations("going on", [evaluation(step)])
print("stored", flush=True)
sys.stdin.read()
"""
        with start_child(script, url or "") as child:
            assert child.stdout.readline() == "stored\n"
            store = open_store()
            assert store.mark_interrupted() == []  # it is alive, and nobody takes its runs
            child.kill()
        assert sorted(store.mark_interrupted()) == ["going on", "waiting"]
        assert store.mark_interrupted() == []
        kept = store.get("going on")
        assert (kept.status, kept.step, len(kept.evaluations)) == (RunStatus.INTERRUPTED, 100, 100)
        assert str(kept.message).startswith("The program ended while this run was going on")
        assert store.get("over").status is RunStatus.FINISHED

    def test_store_that_was_closed_counts_as_dead_and_an_open_one_as_alive(
        self, open_store: Callable[[], RunStore]
    ) -> None:
        first, second = open_store(), open_store()
        first.create(run("a"))
        second.create(run("b"))
        assert first.mark_interrupted() == second.mark_interrupted() == []
        first.close()
        assert second.mark_interrupted() == ["a"]
        assert second.get("b").status is RunStatus.RUNNING

    def test_dead_processes_leave_no_files_behind(self, url: str | None, store: RunStore, file: Path) -> None:
        folder = file.with_name(f"{file.name}-servers")
        with start_child("RunStore(sys.argv[1] or None).create(run('x')); sys.stdin.read()", url or "") as child:
            child.stdin.close()
        store.create(run("a"))
        store.mark_interrupted()
        assert len(list(folder.iterdir())) == 1
        store.close()
        assert list(folder.iterdir()) == []

    def test_processes_that_start_at_once_on_no_file_share_it(self, url: str | None) -> None:
        script = """
print("ready", flush=True)
sys.stdin.readline()
store = RunStore(sys.argv[1] or None)
store.create(run(sys.argv[2], RunStatus.FINISHED))
store.close()
"""
        children = [start_child(script, url or "", name) for name in "abcd"]
        for child in children:
            assert child.stdout.readline() == "ready\n"
        for child in children:
            child.stdin.write("go\n")
            child.stdin.flush()
        for child in children:
            child.communicate()
        assert [child.returncode for child in children] == [0, 0, 0, 0]
        with closing(RunStore(url)) as store:
            assert sorted(kept.id for kept in store.list_runs()) == ["a", "b", "c", "d"]

    def test_database_locked_by_another_gives_a_sentence_and_the_write_can_be_repeated(
        self, store: RunStore, file: Path
    ) -> None:
        store.create(run())
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="Another program keeps the database of the runs locked"):
                store.add_evaluations("a", [evaluation(1)])
            with pytest.raises(StoreError, match="Another program keeps the database of the runs locked"):
                store.update("a", step=1, hasty=True)
            assert store.get("a").evaluations == ()  # reading goes on
        store.add_evaluations("a", [evaluation(1)])
        assert store.get("a").evaluations == (evaluation(1),)

    def test_full_disk_gives_a_sentence_and_keeps_what_was_stored(
        self, store: RunStore, open_store: Callable[[], RunStore]
    ) -> None:
        store.create(run())
        store.add_evaluations("a", [evaluation(1)])

        def allow_no_more_pages(connection: sqlite3.Connection, _record: object) -> None:
            connection.execute("PRAGMA max_page_count = 1").close()

        event.listen(Engine, "connect", allow_no_more_pages)
        try:
            full = open_store()
            with pytest.raises(StoreError, match="The disk is full"):
                full.add_evaluations("a", [evaluation(step) for step in range(2, 2000)])
            assert full.get("a").evaluations == (evaluation(1),)
        finally:
            event.remove(Engine, "connect", allow_no_more_pages)
        store.add_evaluations("a", [evaluation(2)])
        assert store.get("a").step == 2

    def test_closed_store_says_so(self, store: RunStore) -> None:
        store.close()
        store.close()
        with pytest.raises(StoreError, match="The store of the runs is closed"):
            store.count()


class TestOpening:
    def test_home_is_where_the_environment_says(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLPCORE_HOME", str(tmp_path / "a" / "b"))
        RunStore().close()
        assert (tmp_path / "a" / "b" / "runs.sqlite3").is_file()

    def test_folder_that_cannot_be_made_gives_a_sentence_without_its_path(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("MLPCORE_HOME", str(tmp_path / "file" / "home"))
        with pytest.raises(StoreError, match="The folder of the runs cannot be made") as caught:
            RunStore()
        assert str(tmp_path) not in str(caught.value)

    def test_address_that_cannot_be_opened_gives_a_sentence_without_its_path(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="cannot be opened: allow this program") as caught:
            RunStore(f"sqlite:///{tmp_path / 'missing' / 'runs.db'}")
        assert str(tmp_path) not in str(caught.value)

    def test_file_that_is_no_database_gives_a_sentence_and_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "runs.db").write_text("something else " * 100)
        with pytest.raises(StoreError, match="is not a database"):
            RunStore(f"sqlite:///{tmp_path / 'runs.db'}")
        assert (tmp_path / "runs.db").read_text() == "something else " * 100

    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true"])
    def test_database_in_memory_is_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match="a SQLite database must be a file"):
            RunStore(url)

    @pytest.mark.parametrize("url", ["nonsense", "nosuchdatabase://user:hunter2@host/runs"])
    def test_address_of_no_known_database_is_refused_without_its_password(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"^url ") as caught:
            RunStore(url)
        assert "hunter2" not in str(caught.value)

    def test_read_only_folder_gives_a_sentence(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'runs.db'}"
        with closing(RunStore(url)) as store:
            store.create(run())
        for path in (tmp_path / "runs.db", tmp_path):
            path.chmod(path.stat().st_mode & 0o555)
        if os.access(tmp_path, os.W_OK):
            pytest.skip("needs a user whom a read-only folder stops: not root")
        try:
            with pytest.raises(StoreError, match="allow this program to"), closing(RunStore(url)) as store:
                store.create(run("b"))
        finally:
            tmp_path.chmod(0o700)
        (tmp_path / "runs.db").chmod(0o600)
        with closing(RunStore(url)) as store:
            assert store.list_runs() == [run()]


class TestMigrations:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "runs.db"

    @pytest.fixture
    def engine(self, file: Path) -> Iterator[Engine]:
        engine = open_engine(make_url(f"sqlite:///{file}"))
        yield engine
        engine.dispose()

    def test_database_of_version_1_opens(self, engine: Engine, file: Path) -> None:
        migrate(engine, migrations=MIGRATIONS[:1])
        with closing(RunStore(f"sqlite:///{file}")) as store:
            store.create(run(evaluations=(evaluation(1),)))
            assert store.get("a") == run(evaluations=(evaluation(1),))

    def test_what_version_1_had_is_kept_and_can_be_searched(self, engine: Engine, file: Path) -> None:
        migrate(engine, migrations=MIGRATIONS[:1])
        first = evaluation(1)
        with engine.begin() as connection:
            values = {"id": "old", "name": "old", "recipe": RECIPE.model_dump_json(), "status": "finished"}
            values |= {"created": 1.5, "owner": "ann", "step": 2, "seconds": 3.5, "device": "cpu", "versions": "{}"}
            values |= {"message": "At {step}: 50 %.", "traceback": "t", "server": ""}
            for run_id, recipe in (("old", values["recipe"]), ("odd", "of another form")):
                row = values | {"id": run_id, "recipe": recipe}
                columns = ", ".join(row), ", ".join(f":{name}" for name in row)
                connection.execute(text(f"INSERT INTO runs ({columns[0]}) VALUES ({columns[1]})"), row)
            for step, accuracy in ((1, 0.1), (2, 0.6), (3, 0.4)):
                row = (step, first.train_loss, 1.9, 0.2, 2.1, accuracy, 0.01, 0.01)
                connection.execute(text(f"INSERT INTO evaluations VALUES ('old', {', '.join(map(str, row))})"))
        with closing(RunStore(f"sqlite:///{file}")) as store:
            old = store.get("old")
            (listed,), _total = store.search(dataset="Shapes", optimizer="Adam", sort="best_acc")
            assert store.count() == 2
        assert (listed.run.id, listed.best_acc, listed.last_acc) == ("old", 0.6, 0.4)
        kept = replace(run("old", name="old", status=RunStatus.FINISHED, created=1.5, owner="ann", step=2, seconds=3.5))
        kept = replace(kept, device="cpu", versions={}, message=old.message, traceback="t")
        assert str(old.message) == "At {step}: 50 %."
        assert replace(old, evaluations=()) == kept
        assert old.evaluations[0] == replace(first, weight_norms=(), val_loss=None, val_acc=None)
        assert [one.test_acc for one in old.evaluations] == [0.1, 0.6, 0.4]

    def test_each_step_is_applied_once_in_order_and_recorded(self, engine: Engine) -> None:
        def add_second(connection: object) -> None:
            connection.execute(text("CREATE TABLE second (x INTEGER)"))

        migrate(engine)
        for _ in range(2):
            migrate(engine, migrations=(*MIGRATIONS, add_second))
        with engine.connect() as connection:
            applied = connection.execute(text("SELECT number, name FROM schema_versions ORDER BY number")).all()
        assert applied == [
            (1, "keep_runs_and_evaluations"),
            (2, "keep_validation_norms_notes_and_stars"),
            (3, "find_data_sets_by_an_index"),
            (4, "keep_messages_as_template_and_values"),
            (5, "keep_what_a_run_continues"),
            (6, "add_second"),
        ]

    def test_step_that_fails_leaves_nothing_behind(self, engine: Engine) -> None:
        def fail_halfway(connection: object) -> None:
            connection.execute(text("CREATE TABLE half (x INTEGER)"))
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            migrate(engine, migrations=(*MIGRATIONS, fail_halfway))
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT max(number) FROM schema_versions")) == len(MIGRATIONS)
            assert connection.scalar(text("SELECT count(*) FROM sqlite_master WHERE name = 'half'")) == 0

    def test_newer_database_gives_a_sentence_and_is_left_untouched(self, engine: Engine, file: Path) -> None:
        migrate(engine, migrations=(*MIGRATIONS, lambda _: None))
        engine.dispose()
        before = file.read_bytes()
        newer = len(MIGRATIONS) + 1
        with pytest.raises(StoreError, match=rf"newer version .*its schema is {newer}, this one knows {newer - 1}"):
            RunStore(f"sqlite:///{file}")
        assert file.read_bytes() == before
        assert [path.name for path in file.parent.iterdir()] == ["runs.db"]

    def test_lists_are_read_off_an_index(self, engine: Engine) -> None:
        migrate(engine)
        for condition in ("", "WHERE owner = 'ann'", "WHERE status = 'running'"):
            with engine.connect() as connection:
                query = f"EXPLAIN QUERY PLAN SELECT * FROM runs {condition} ORDER BY created DESC, id DESC LIMIT 50"
                plan = " ".join(row.detail for row in connection.execute(text(query)))
            assert "USING INDEX" in plan
            assert "TEMP B-TREE" not in plan

    @pytest.mark.parametrize("sort", SORTS)
    def test_what_history_asks_is_read_off_an_index(self, file: Path, sort: str) -> None:
        with closing(RunStore(f"sqlite:///{file}")) as store:
            asked: list[tuple[str, object]] = []
            event.listen(store._engine, "before_cursor_execute", lambda *a: asked.append((a[2], a[3])))
            store.search(sort=sort)
            store.list_datasets()
            with store._engine.connect() as connection:
                for query, values in [one for one in asked if one[0].startswith("SELECT")]:
                    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values).all()
                    plan = " ".join(row.detail for row in rows)
                    assert "INDEX runs_by_" in plan, (query, plan)
                    assert "TEMP B-TREE" not in plan


def test_error_without_a_sentence_of_its_own_names_its_kind() -> None:
    engine = create_engine("sqlite://")
    with (
        engine.connect() as connection,
        pytest.raises(StoreError, match=r"could not be used \(OperationalError\)") as caught,
        explained(),
    ):
        connection.execute(text("SELECT nothing"))
    engine.dispose()
    assert caught.value.sentence.values == {"error": "OperationalError"}
