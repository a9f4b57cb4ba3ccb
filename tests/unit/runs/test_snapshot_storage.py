"""Snapshots are kept with their run, in files or in rows; a damaged one counts as none."""

import io
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs.manager import RunManager
from mlpcore.recipes.recipe import SGD
from mlpcore.runs.records import RunStatus
from mlpcore.runs.snapshot_storage import SnapshotFiles, SnapshotStorage
from mlpcore.runs.snapshots import MAX_FIRST_LAYERS, FirstLayer, Snapshot, count_confusion, pack_snapshot
from mlpcore.runs.store import RunStore
from tests.support.managers import ME, submit, wait_for_end, wait_until
from tests.support.present import present
from tests.support.snapshots import evaluate_often, recipe, snapshot
from tests.support.stores import age_deletions, count_rows, execute, run as made_up_run


def assert_same(found: Snapshot | None, expected: Snapshot) -> None:
    assert found is not None
    assert (found.step, found.classes) == (expected.step, expected.classes)
    for name in ("labels", "top_classes", "top_probabilities"):
        assert getattr(found, name).dtype == getattr(expected, name).dtype
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    layers = [(one.number, one.step) for one in found.first_layers]
    assert layers == [(one.number, one.step) for one in expected.first_layers]
    for one, other in zip(found.first_layers, expected.first_layers, strict=True):
        np.testing.assert_array_equal(one.units, other.units)


def as_file(**arrays: ArrayLike) -> bytes:
    """A file as the first version wrote it, with some arrays replaced."""
    kept: dict[str, Any] = {"step": 8, "classes": np.array(["a", "b"]), "labels": np.zeros(3, np.uint8)}
    kept |= {"likeliest": np.zeros((3, 2), np.uint8), "shares": np.zeros((3, 2), np.float16)}
    kept |= {"numbers": [0], "steps": [0], "frames": np.zeros((1, 2, 3, 4, 4), np.uint8)}
    stream = io.BytesIO()
    np.savez(stream, **kept | arrays)
    return stream.getvalue()


class TestStorage:
    """What holds for files and for rows."""

    @pytest.fixture
    def storage(self, open_store: Callable[[], RunStore]) -> SnapshotStorage:
        store = open_store()
        store.create_many([made_up_run("a", status=RunStatus.FINISHED), made_up_run("b")])
        return store.snapshots

    def test_a_snapshot_comes_back_as_it_was_written_and_the_newer_replaces_the_older(self, storage, open_store):
        storage.write("a", snapshot())
        first = storage.mark("a")
        assert_same(storage.read("a"), snapshot())
        storage.write("a", evaluate_often(5))
        assert_same(storage.read("a"), evaluate_often(5))
        assert_same(open_store().snapshots.read("a"), evaluate_often(5))  # another server sees it
        assert storage.mark("a") not in (first, None)
        assert storage.measure(["a", "b"]) == len(pack_snapshot(evaluate_often(5)))

    def test_of_a_run_without_a_snapshot_nothing_is_kept_and_nothing_is_wrong(self, storage, caplog):
        assert (storage.read("a"), storage.mark("a"), storage.measure(["a"]), storage.measure([])) == (None, None, 0, 0)
        storage.delete("a")
        assert caplog.records == []

    def test_a_deleted_snapshot_is_gone(self, storage):
        storage.write("a", snapshot())
        storage.delete("a")
        assert (storage.read("a"), storage.mark("a"), storage.measure(["a"])) == (None, None, 0)


def test_a_snapshot_of_cifar_10_takes_at_most_a_megabyte():
    generator = np.random.default_rng(0)
    units = generator.integers(256, size=(24, 3, 32, 32), dtype=np.uint8)
    big = snapshot(
        labels=generator.integers(3, size=10_000, dtype=np.uint8),
        top_classes=generator.integers(3, size=(10_000, 3), dtype=np.uint8),
        top_probabilities=generator.random((10_000, 3)).astype(np.float16),
        first_layers=tuple(FirstLayer(number, number, units) for number in range(MAX_FIRST_LAYERS)),
    )
    assert 900_000 < len(pack_snapshot(big)) < 1_000_000


class TestRows:
    @pytest.fixture
    def store(self, postgresql_url: str) -> Iterator[RunStore]:
        with closing(RunStore(postgresql_url)) as store:
            store.create_many([made_up_run("a", status=RunStatus.FINISHED)])
            yield store

    def test_a_snapshot_goes_with_its_run(self, store):
        store.snapshots.write("a", snapshot())
        execute(store, "DELETE FROM runs")
        assert store.snapshots.mark("a") is None

    def test_of_a_run_that_is_gone_no_snapshot_is_written(self, store):
        store.snapshots.write("b", snapshot())
        assert count_rows(store, "snapshots") == 0

    def test_a_damaged_row_is_as_good_as_none(self, store):
        store.snapshots.write("a", snapshot())
        execute(store, "UPDATE snapshots SET packed = 'words'")
        assert store.snapshots.read("a") is None


class TestFiles:
    @pytest.fixture
    def files(self, tmp_path) -> SnapshotFiles:
        return SnapshotFiles(tmp_path / "sights")

    def test_only_the_finished_file_is_left(self, files, tmp_path):
        files.write("a", snapshot())
        files.write("a", evaluate_often(5))
        assert [file.name for file in (tmp_path / "sights").iterdir()] == ["a.npz"]
        assert (tmp_path / "sights").stat().st_mode & 0o777 == 0o700  # nobody else may look into it

    @pytest.mark.parametrize("run_id", ["", "..", "../a", "a/b", "a\\b", "a.b", "a\n", "a\0", "é", "x" * 65])
    def test_an_id_that_is_no_file_name_is_refused(self, run_id, files, tmp_path):
        with pytest.raises(ValueError, match=r"^run_id is "):
            files.write(run_id, snapshot())
        assert (files.read(run_id), files.mark(run_id)) == (None, None)
        files.delete(run_id)
        assert list(tmp_path.iterdir()) == []

    def test_a_truncated_file_is_as_good_as_none(self, files, tmp_path):
        files.write("a", snapshot())
        file = tmp_path / "sights" / "a.npz"
        whole = file.read_bytes()
        for length in range(0, len(whole), 7):
            file.write_bytes(whole[:length])
            assert files.read("a") is None, length

    def test_a_file_with_a_changed_byte_never_comes_back_as_another_snapshot(self, files, tmp_path):
        files.write("a", snapshot())
        file = tmp_path / "sights" / "a.npz"
        whole = file.read_bytes()
        for place in range(0, len(whole), 11):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
            found = files.read("a")
            if found is not None:
                assert_same(found, snapshot())

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"words",
            as_file(step="words"),
            as_file(labels=np.full(3, 2, np.uint8)),
            as_file(labels=np.zeros(3, np.float32)),
            as_file(labels=np.zeros(4, np.uint8)),
            as_file(likeliest=np.full((3, 2), 2, np.uint8)),
            as_file(likeliest=np.zeros(3, np.uint8)),
            as_file(shares=np.zeros((3, 2), np.float64)),
            as_file(frames=np.zeros((0, 2, 3, 4, 4), np.uint8), numbers=[], steps=[]),
            as_file(frames=np.zeros((1, 2, 48), np.uint8)),
            as_file(frames=np.zeros((2, 2, 3, 4, 4), np.uint8)),
            as_file(classes=np.array([{"a": 1}], object)),
        ],
    )
    def test_a_file_that_is_not_ours_is_as_good_as_none(self, content, files, tmp_path):
        (tmp_path / "sights").mkdir()
        (tmp_path / "sights" / "a.npz").write_bytes(as_file())
        assert files.read("a") is not None
        (tmp_path / "sights" / "a.npz").write_bytes(content)
        assert files.read("a") is None


class TestManager:
    LONG = recipe(dataset="Tiny", train_iter=200_000, eval_every=50)

    @pytest.fixture
    def library(self, data) -> DatasetLoader:
        return DatasetLoader(lambda: data)

    def test_the_snapshot_of_a_finished_run_is_that_of_its_last_evaluation_also_after_a_restart(
        self, manager, tmp_path
    ):
        run_ids = submit(manager, recipe(dataset="Tiny"), recipe(dataset="Tiny", seed=1))
        for run in wait_for_end(manager, *run_ids):
            assert run.status is RunStatus.FINISHED
            found = present(SnapshotFiles(tmp_path / "sights").read(run.id))
            counts = count_confusion(found)
            assert (found.step, found.classes) == (24, ("dark", "light"))
            assert (counts.sum(), counts.trace() / counts.sum()) == (10, present(run.latest).test_acc)
            assert [layer.step for layer in found.first_layers] == [0, 8, 16, 24]

    def test_while_a_run_goes_on_its_snapshot_is_in_memory_and_when_stopped_on_disk(self, manager, store):
        (run_id,) = submit(manager, self.LONG)
        wait_until(lambda: manager.get_snapshot(run_id) is not None)
        seen = manager.get_snapshot(run_id)
        manager.stop(run_id, owner=ME)
        (run,) = wait_for_end(manager, run_id)
        found = store.snapshots.read(run_id)
        assert run.status is RunStatus.STOPPED
        assert seen.step <= found.step == present(run.latest).step
        wait_until(lambda: manager.get_snapshot(run_id) is None)

    def test_a_server_that_is_shut_down_keeps_the_snapshots(self, store, library):
        manager = RunManager(store, library)
        (run_id,) = submit(manager, self.LONG)
        wait_until(lambda: manager.get_snapshot(run_id) is not None)
        manager.shutdown()
        assert store.snapshots.read(run_id).step == store.get(run_id).latest.step

    def test_the_snapshot_is_on_disk_while_the_run_goes_on(self, manager, store):
        (run_id,) = submit(manager, self.LONG)
        wait_until(lambda: store.snapshots.read(run_id) is not None)
        assert not store.get(run_id).status.is_over

    def test_snapshot_goes_with_its_run_when_the_deletion_can_no_longer_be_undone(self, manager, store, tmp_path):
        kept, deleted = submit(manager, recipe(dataset="Tiny"), recipe(dataset="Tiny", seed=1))
        wait_for_end(manager, kept, deleted)
        store.delete([deleted])
        assert sorted(file.stem for file in (tmp_path / "sights").iterdir()) == sorted([kept, deleted])
        age_deletions(store, minutes=3)
        store.deletion.remove_old()
        assert [file.stem for file in (tmp_path / "sights").iterdir()] == [kept]

    def test_a_disk_that_takes_no_snapshot_leaves_the_run_as_it_is(self, manager, store, tmp_path, caplog):
        (tmp_path / "sights").write_text("no folder")
        (run_id,) = submit(manager, recipe(dataset="Tiny"))
        (run,) = wait_for_end(manager, run_id)
        assert (run.status, len(run.evaluations), run.message) == (RunStatus.FINISHED, 3, None)
        assert store.snapshots.read(run_id) is None
        assert f"The snapshot of run {run_id} could not be stored" in caplog.text

    def test_a_run_that_ended_before_its_first_evaluation_has_none(self, manager, store):
        wild = SGD(lr=10.0, momentum=0.999, nesterov=False)
        (run_id,) = submit(manager, recipe(dataset="Tiny", optimizer=wild, train_iter=5000, eval_every=5000))
        assert wait_for_end(manager, run_id)[0].status is RunStatus.DIVERGED
        assert (manager.get_snapshot(run_id), store.snapshots.read(run_id)) == (None, None)
