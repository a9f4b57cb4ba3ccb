"""Backups: from either back end and into either, while runs are being written, and never over what is there."""

import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from mlpcore.cli.main import main
from mlpcore.messages import SentenceError
from mlpcore.operations.backup import Backup, write_backup
from mlpcore.operations.restore import Restored, restore_backup
from mlpcore.runs.foreign import ForeignRun
from mlpcore.runs.messages import INTERRUPTED, StoreError
from mlpcore.runs.records import Run, RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.runs.sweeps import StoredSweep, StoredTrial, SweepStatus
from tests.support.managers import wait_until
from tests.support.present import present
from tests.support.snapshots import snapshot
from tests.support.stores import count_rows, evaluation, list_runs, run

SWEEP = StoredSweep("s", "a sweep", "ann", 1.5, SweepStatus.RUNNING, "{}", (StoredTrial(0, "{}", ("a",)),))


def over(run_id: str, **values: object) -> Run:
    points = (evaluation(1), evaluation(2, train_loss=1 / 3))
    return run(run_id, **{"status": RunStatus.FINISHED, "step": 2, "seconds": 0.02, "evaluations": points} | values)


@pytest.fixture
def store(store_url: str) -> Iterator[RunStore]:
    with closing(RunStore(store_url)) as store:
        yield store


@pytest.fixture
def other_url(store_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of an empty database on the other back end."""
    if store_url.startswith("sqlite"):
        return request.getfixturevalue("postgresql_url")
    (tmp_path / "other").mkdir()
    return f"sqlite:///{tmp_path / 'other' / 'runs.sqlite3'}"


def wait_for_more_runs(store: RunStore, more: int) -> None:
    aim = store.count() + more
    wait_until(lambda: store.count() >= aim)


def test_a_backup_of_one_back_end_is_restored_into_the_other_bit_for_bit(
    store: RunStore, store_url: str, other_url: str, tmp_path: Path
) -> None:
    kept = over("a", owner="ann", note="50 % — 한국어", starred=True, last_losses=(1 / 3, 2.5), traceback="Trace")
    store.create_many([kept, over("b", created=2.0), over("gone")])
    store.delete(["gone"])
    store.snapshots.write("a", snapshot())
    store.sweeps.create(SWEEP)
    store.people.note_name("ann", "Ann")
    store.people.set_quota("ann", 5e8)
    store.foreign.put(ForeignRun("theirs", [1], test_acc=[1 / 3]), owner="ann")
    file = tmp_path / "backup.sqlite3"
    assert write_backup(file, url=store_url) == Backup(2, 1, file.stat().st_size)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup.sqlite3"]
    before = file.read_bytes()
    with closing(RunStore(other_url)) as other:
        assert restore_backup(file, url=other_url) == Restored(2, 0)
        assert {found.id: found for found in map(other.get, "ab")} == {"a": kept, "b": over("b", created=2.0)}
        assert other.count() == 2
        found = present(other.snapshots.read("a"))
        assert np.array_equal(found.top_classes, snapshot().top_classes)
        assert other.snapshots.read("b") is None
        assert other.sweeps.get("s") == SWEEP
        assert (other.people.find_names(), other.people.get_quota("ann")) == ({"ann": "Ann"}, 5e8)
        assert other.foreign.list_own("ann") == [ForeignRun("theirs", [1], test_acc=[1 / 3])]
        assert list_runs(other, sort="best_acc", descending=True) != []
    assert file.read_bytes() == before


def test_what_is_there_stays_as_it_is_and_what_is_missing_comes(
    store: RunStore, store_url: str, tmp_path: Path
) -> None:
    store.create_many([over("a"), over("b")])
    store.people.note_name("ann", "Ann")
    write_backup(tmp_path / "backup", url=store_url)
    store.annotate("a", name="renamed", note="later", starred=True)
    store.people.note_name("ann", "Anne")
    store.delete(["b"])
    assert restore_backup(tmp_path / "backup", url=store_url) == Restored(0, 2)  # a deletion may still be undone
    store.deletion.restore(["b"])
    store.create_many([over("c")])
    assert restore_backup(tmp_path / "backup", url=store_url) == Restored(0, 2)
    assert store.get("a") == over("a", name="renamed", note="later", starred=True)
    assert store.people.find_names() == {"ann": "Anne"}
    assert store.count() == 3


def test_what_went_on_counts_as_left_by_a_dead_server(
    store: RunStore, store_url: str, other_url: str, tmp_path: Path
) -> None:
    points = (evaluation(1),)
    store.create_many([run("a", evaluations=points, step=1, seconds=0.01), run("q", status=RunStatus.QUEUED)])
    store.sweeps.create(SWEEP)
    write_backup(tmp_path / "backup", url=store_url)
    assert store.get("a").status is RunStatus.RUNNING
    restore_backup(tmp_path / "backup", url=other_url)
    with closing(RunStore(other_url)) as other:
        assert other.get("a") == run(
            "a", evaluations=points, step=1, seconds=0.01, status=RunStatus.INTERRUPTED, message=INTERRUPTED
        )
        assert other.get("q").status is RunStatus.INTERRUPTED
        assert count_rows(other, "sweeps WHERE id = 's' AND status = 'running' AND server = 'restored'") == 1
        if other_url.startswith("sqlite"):  # PostgreSQL takes two minutes to call a process dead
            assert other.sweeps.claim_left() == ["s"]


def test_a_backup_sees_one_moment_while_runs_are_being_written(store: RunStore, store_url: str, tmp_path: Path) -> None:
    """Each write adds an evaluation and the run's step and best accuracy: a backup has all of it or nothing."""
    store.create_many([over(f"old {n}") for n in range(20)])
    is_done, written, failures = threading.Event(), count(), list[BaseException]()

    def write() -> None:
        with closing(RunStore(store_url)) as writer:
            for number in count():
                if is_done.is_set():
                    return
                writer.create_many([run(f"new {number}")])
                for step in range(1, 6):
                    writer.update(f"new {number}", evaluations=[evaluation(step)])
                    next(written)
                writer.update(f"new {number}", status=RunStatus.FINISHED)

    def write_or_note() -> None:
        try:
            write()
        except BaseException as error:
            failures.append(error)
            raise

    thread = threading.Thread(target=write_or_note)
    thread.start()
    files = [tmp_path / f"backup {n}" for n in range(3)]
    for file in files:
        wait_for_more_runs(store, 2)
        write_backup(file, url=store_url)
    wait_for_more_runs(store, 1)  # the writer has not been held up
    is_done.set()
    thread.join()
    assert failures == []
    sizes = []
    for file in files:
        with closing(sqlite3.connect(file)) as backup:
            rows = backup.execute(
                "SELECT step, best_acc, status, (SELECT count(*) FROM evaluations WHERE run_id = id) FROM runs"
            ).fetchall()
        for step, best, status, evaluations in rows:
            assert step == evaluations or (step, evaluations) == (2, 2)
            assert (best is None) == (evaluations == 0)
            assert status != "finished" or evaluations in (2, 5)
        sizes.append(len(rows))
    assert 20 < sizes[0] < sizes[1] < sizes[2]


def test_runs_are_restored_while_others_are_written(
    store: RunStore, store_url: str, other_url: str, tmp_path: Path
) -> None:
    store.create_many([over(f"old {n}") for n in range(120)])
    write_backup(tmp_path / "backup", url=store_url)
    with closing(RunStore(other_url)) as other:
        other.create_many([run("new"), over("old 7", note="mine")])
        is_done, steps = threading.Event(), count(1)

        def write() -> None:
            while not is_done.is_set():
                other.update("new", evaluations=[evaluation(next(steps))])

        thread = threading.Thread(target=write)
        thread.start()
        assert restore_backup(tmp_path / "backup", url=other_url) == Restored(119, 1)
        is_done.set()
        thread.join()
        assert len(other.get("new").evaluations) == next(steps) - 1
        assert other.get("old 7").note == "mine"
        assert other.count() == 121


@pytest.mark.parametrize("version", [1, 6, 9, 11])
def test_a_database_of_an_earlier_version_is_restored_and_left_as_it_is(
    store: RunStore, store_url: str, tmp_path: Path, version: int
) -> None:
    dump = Path(__file__).parents[1] / "runs" / "databases" / f"version_{version}.sql"
    with closing(sqlite3.connect(tmp_path / "old.sqlite3")) as database:
        database.executescript(dump.read_text(encoding="utf-8"))
    before = (tmp_path / "old.sqlite3").read_bytes()
    restored = restore_backup(tmp_path / "old.sqlite3", url=store_url)
    assert restored.added >= 2
    assert len(store.get("finished").evaluations) == 3
    assert (tmp_path / "old.sqlite3").read_bytes() == before


@pytest.mark.usefixtures("store")
class TestRefusals:
    def test_a_file_that_exists_is_not_overwritten(self, store_url: str, tmp_path: Path) -> None:
        (tmp_path / "backup").write_text("mine")
        with pytest.raises(SentenceError, match=r"backup exists already: name another file\.$"):
            write_backup(tmp_path / "backup", url=store_url)
        assert (tmp_path / "backup").read_text() == "mine"

    def test_a_folder_that_is_not_there_is_named(self, store_url: str, tmp_path: Path) -> None:
        with pytest.raises(SentenceError, match=r"backup cannot be written: No such file or directory\.$"):
            write_backup(tmp_path / "nowhere" / "backup", url=store_url)

    @pytest.mark.parametrize("content", [b"", b"something else" * 100])
    def test_a_file_that_is_no_backup_adds_nothing(
        self, store: RunStore, store_url: str, tmp_path: Path, content: bytes
    ) -> None:
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(SentenceError, match=r"file is no backup that this program can read\.$"):
            restore_backup(tmp_path / "file", url=store_url)
        assert store.count() == 0

    def test_a_file_that_is_missing_is_none_and_is_not_made(self, store_url: str, tmp_path: Path) -> None:
        with pytest.raises(SentenceError, match="is no backup"):
            restore_backup(tmp_path / "missing", url=store_url)
        assert not (tmp_path / "missing").exists()

    def test_a_backup_of_a_newer_version_adds_nothing(self, store: RunStore, store_url: str, tmp_path: Path) -> None:
        store.create_many([over("a")])
        write_backup(tmp_path / "backup", url=store_url)
        with closing(sqlite3.connect(tmp_path / "backup", isolation_level=None)) as backup:
            backup.execute("UPDATE alembic_version SET version_num = '999'")
        with pytest.raises(StoreError, match="newer version of this program"):
            restore_backup(tmp_path / "backup", url=store_url)


def test_the_commands_say_what_they_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLPCORE_HOME", str(tmp_path / "home"))
    with closing(RunStore()) as store:
        store.create_many([over("a"), over("b")])
    file = tmp_path / "backup.sqlite3"
    assert main(["backup", str(file)]) == 0
    size = f"{file.stat().st_size / 1e6:,.1f}"
    assert capsys.readouterr().out == f"2 runs and 0 sweeps are in {file}, {size} MB.\n"
    monkeypatch.setenv("MLPCORE_HOME", str(tmp_path / "empty"))
    assert main(["restore", str(file)]) == 0
    assert capsys.readouterr().out == "2 runs were added, 0 were there already and stay as they are.\n"
    assert main(["restore", str(file)]) == 0
    assert capsys.readouterr().out == "0 runs were added, 2 were there already and stay as they are.\n"
    assert main(["backup", str(file)]) == 2
    assert "exists already" in capsys.readouterr().err
