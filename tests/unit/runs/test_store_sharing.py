"""One database and several threads or processes; what needs one to die or a disk to fill does so for real."""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore, StoreError
from tests.support.clock import Clock
from tests.support.present import present
from tests.support.store_child import start_child
from tests.support.stores import evaluation, find_left, list_runs, run, watch


@pytest.fixture
def store(open_store: Callable[[], RunStore]) -> RunStore:
    return open_store()


class TestSharing:
    def test_threads_write_and_read_at_once(self, store: RunStore) -> None:
        runs, count = ("a", "b", "c", "d"), 50
        done = threading.Event()

        def write(run_id: str) -> None:
            store.create_many([run(run_id)])
            for step in range(1, count + 1):
                store.update(run_id, evaluations=[evaluation(step)])
            store.update(run_id, status=RunStatus.FINISHED)

        def read() -> int:
            reads = 0
            while not done.is_set():
                for listed in list_runs(store):
                    seen = store.get(listed.id)
                    # of one moment: the run's step is that of its last evaluation, and a run that is over has all
                    assert seen.step == (seen.latest.step if seen.latest else 0) == len(seen.evaluations)
                    assert not seen.status.is_over or seen.step == count
                    reads += 1
            return reads

        with ThreadPoolExecutor(len(runs) + 1) as threads:
            reader = threads.submit(read)
            writers = [threads.submit(write, run_id) for run_id in runs]
            wait(writers)
            done.set()
        for writer in writers:
            writer.result()
        assert reader.result() > 0
        assert [len(store.get(run_id).evaluations) for run_id in runs] == [count] * 4

    def test_killed_process_leaves_its_evaluations_and_its_runs_are_interrupted(
        self, store_url: str, open_store: Callable[[], RunStore], clock: Clock
    ) -> None:
        script = """
store = RunStore(sys.argv[1])
store.create_many([run("over", RunStatus.FINISHED)])
store.create_many([run("waiting", RunStatus.QUEUED)])
store.create_many([run("going on")])
for step in range(1, 101):
    store.update("going on", evaluations=[evaluation(step)])
print("stored", flush=True)
sys.stdin.read()
"""
        with start_child(script, store_url) as child:
            assert present(child.stdout).readline() == "stored\n"
            store = open_store()
            assert watch(store.mark_interrupted, clock) == []  # it is alive, and nobody takes its runs
            child.kill()
        assert find_left(store.mark_interrupted, clock) == ["going on", "waiting"]
        assert watch(store.mark_interrupted, clock) == []
        kept = store.get("going on")
        assert (kept.status, kept.step, len(kept.evaluations)) == (RunStatus.INTERRUPTED, 100, 100)
        assert str(kept.message).startswith("The program ended while this run was going on")
        assert store.get("over").status is RunStatus.FINISHED

    def test_store_that_was_closed_counts_as_dead_and_an_open_one_as_alive(
        self, open_store: Callable[[], RunStore], clock: Clock
    ) -> None:
        first, second = open_store(), open_store()
        first.create_many([run("a")])
        second.create_many([run("b")])
        assert watch(first.mark_interrupted, clock) == watch(second.mark_interrupted, clock) == []
        first.close()
        assert find_left(second.mark_interrupted, clock) == ["a"]
        assert second.get("b").status is RunStatus.RUNNING

    def test_processes_that_start_at_once_on_an_empty_database_share_it(self, store_url: str) -> None:
        script = """
print("ready", flush=True)
sys.stdin.readline()
store = RunStore(sys.argv[1])
store.create_many([run(sys.argv[2], RunStatus.FINISHED)])
store.close()
"""
        children = [start_child(script, store_url, name) for name in "abcd"]
        for child in children:
            assert present(child.stdout).readline() == "ready\n"
        for child in children:
            stdin = present(child.stdin)
            stdin.write("go\n")
            stdin.flush()
        for child in children:
            child.communicate()
        assert [child.returncode for child in children] == [0, 0, 0, 0]
        with closing(RunStore(store_url)) as store:
            assert sorted(kept.id for kept in list_runs(store)) == ["a", "b", "c", "d"]

    def test_closed_store_says_so(self, store: RunStore) -> None:
        store.close()
        store.close()
        with pytest.raises(StoreError, match="The store of the runs is closed"):
            store.count()


class TestSqliteFile:
    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    def test_readers_and_a_writer_do_not_wait_for_each_other(self, store: RunStore, tmp_path: Path) -> None:
        store.create_many([run("a")])
        with closing(sqlite3.connect(tmp_path / "runs.sqlite3")) as reader:
            reader.execute("BEGIN")
            (before,) = reader.execute("SELECT step FROM runs").fetchone()
            store.update("a", step=7)
            assert reader.execute("SELECT step FROM runs").fetchone() == (before,)  # of the same moment

    def test_runs_of_a_dead_process_are_marked_at_once(self, open_store: Callable[[], RunStore]) -> None:
        first, second = open_store(), open_store()
        first.create_many([run("a")])
        first.close()
        assert second.mark_interrupted() == ["a"]

    def test_dead_processes_leave_no_files_behind(self, store_url: str, store: RunStore, tmp_path: Path) -> None:
        folder = tmp_path / "runs.sqlite3-servers"
        with start_child("RunStore(sys.argv[1]).create_many([run('x')]); sys.stdin.read()", store_url) as child:
            present(child.stdin).close()
        store.create_many([run("a")])
        store.mark_interrupted()
        assert len(list(folder.iterdir())) == 1
        store.close()
        assert list(folder.iterdir()) == []

    def test_database_locked_by_another_gives_a_sentence_and_the_write_can_be_repeated(
        self, store: RunStore, tmp_path: Path
    ) -> None:
        store.create_many([run()])
        with closing(sqlite3.connect(tmp_path / "runs.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="Another program keeps the database of the runs locked"):
                store.update("a", evaluations=[evaluation(1)])
            with pytest.raises(StoreError, match="Another program keeps the database of the runs locked"):
                store.update("a", step=1, hasty=True)
            assert store.get("a").evaluations == ()  # reading goes on
        store.update("a", evaluations=[evaluation(1)])
        assert store.get("a").evaluations == (evaluation(1),)

    def test_full_disk_gives_a_sentence_and_keeps_what_was_stored(
        self, store: RunStore, open_store: Callable[[], RunStore]
    ) -> None:
        store.create_many([run()])
        store.update("a", evaluations=[evaluation(1)])

        def allow_no_more_pages(connection: sqlite3.Connection, _record: object) -> None:
            connection.execute("PRAGMA max_page_count = 1").close()

        event.listen(Engine, "connect", allow_no_more_pages)
        try:
            full = open_store()
            with pytest.raises(StoreError, match="The disk is full"):
                full.update("a", evaluations=[evaluation(step) for step in range(2, 2000)])
            assert full.get("a").evaluations == (evaluation(1),)
        finally:
            event.remove(Engine, "connect", allow_no_more_pages)
        store.update("a", evaluations=[evaluation(2)])
        assert store.get("a").step == 2
