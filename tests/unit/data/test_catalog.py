import os
from dataclasses import replace
from pathlib import Path

import pytest

from mlpcore.data.catalog import (
    all_datasets,
    count_classes,
    count_test_images,
    count_training_images,
    fingerprint,
    known_datasets,
)
from mlpcore.recipes.points import DataSource
from tests.support.published_archives import cifar_batches, fashion_files

POINTS = ("Moons", "Circles", "Spiral", "Checkerboard", "Blobs")


def write_folder(folder: Path, *, train: int = 7, test: int = 1) -> Path:
    """A folder laid out as image files are; nothing here opens one. test=0: without a folder for testing."""
    for split, count in (("train", train), ("test", test)):
        for label in ("blue", "red") if count else ():
            (folder / split / label).mkdir(parents=True)
            for number in range(count):
                (folder / split / label / f"{number}.png").write_bytes(b"-")
    return folder


def write_fashion(folder: Path, suffix: str = "") -> None:
    folder.mkdir(parents=True)
    for name in fashion_files():
        (folder / f"{name}{suffix}").write_bytes(b"-")


class TestKnown:
    def test_shapes_is_always_there(self, tmp_path):
        assert known_datasets(tmp_path) == ["Shapes", *POINTS]
        assert known_datasets(tmp_path / "no such folder") == ["Shapes", *POINTS]

    def test_folders_with_train_are_found_and_no_others(self, tmp_path):
        write_folder(tmp_path / "zoo")
        write_folder(tmp_path / "art", test=0)
        write_folder(tmp_path / ".hidden")
        write_folder(tmp_path / "Shapes")
        write_folder(tmp_path / "MNIST")
        (tmp_path / "notes" / "test").mkdir(parents=True)
        (tmp_path / "file.txt").write_text("")
        assert known_datasets(tmp_path) == ["art", "zoo", "Shapes", *POINTS]

    def test_cifar10_is_known_once_its_files_are_there(self, tmp_path):
        write_folder(tmp_path / "colours")
        folder = tmp_path / "cifar-10-batches-py"
        folder.mkdir()
        for name in cifar_batches():
            assert known_datasets(tmp_path) == ["colours", "Shapes", *POINTS]
            (folder / name).write_bytes(b"")
        assert known_datasets(tmp_path) == ["CIFAR10", "colours", "Shapes", *POINTS]

    @pytest.mark.parametrize("name", ["FashionMNIST", "MNIST"])
    def test_mnist_and_fashion_mnist_are_known_once_their_files_are_there(self, tmp_path, name):
        write_fashion(tmp_path / name / "raw")
        assert known_datasets(tmp_path) == [name, "Shapes", *POINTS]
        (tmp_path / name / "raw" / "t10k-labels-idx1-ubyte").unlink()
        assert known_datasets(tmp_path) == ["Shapes", *POINTS]

    def test_what_a_systems_package_installed_is_known(self, tmp_path, archive_sets):
        installed = replace(archive_sets["FashionMNIST"], installed=(str(tmp_path / "package"),))
        archive_sets["FashionMNIST"] = installed
        assert known_datasets(tmp_path / "home") == ["Shapes", *POINTS]
        write_fashion(tmp_path / "package", ".gz")
        assert known_datasets(tmp_path / "home") == ["FashionMNIST", "Shapes", *POINTS]

    def test_all_are_named_whether_they_are_here_or_not(self, tmp_path):
        write_folder(tmp_path / "zoo")
        assert all_datasets(tmp_path) == ["CIFAR10", "FashionMNIST", "MNIST", "zoo", "Shapes", *POINTS]


class TestCounts:
    @pytest.mark.parametrize(
        ("name", "count"), [("CIFAR10", 50_000), ("FashionMNIST", 60_000), ("MNIST", 60_000), ("Shapes", 50_000)]
    )
    def test_those_of_published_sets_are_known(self, tmp_path, name, count):
        assert count_training_images(tmp_path, DataSource(name)) == count

    def test_only_images_are_counted(self, tmp_path):
        folder = write_folder(tmp_path / "zoo")
        (folder / "train" / "red" / "Thumbs.db").write_bytes(b"-")
        assert count_training_images(tmp_path, DataSource("zoo")) == 14

    def test_what_is_set_aside_for_testing_is_not(self, tmp_path):
        write_folder(tmp_path / "zoo", train=13, test=0)
        assert count_training_images(tmp_path, DataSource("zoo")) == 22

    def test_test_images_are_those_there_are_or_will_be_set_aside(self, tmp_path):
        write_folder(tmp_path / "zoo", train=13, test=3)
        write_folder(tmp_path / "cut", train=13, test=0)
        names = ("zoo", "cut", "CIFAR10", "gone", "../zoo")
        assert [count_test_images(tmp_path, DataSource(name)) for name in names] == [6, 4, 10_000, 1, 1]

    def test_classes_are_the_folders_of_a_data_set_and_ten_where_there_are_none(self, tmp_path):
        write_folder(tmp_path / "zoo")
        assert [count_classes(tmp_path, DataSource(name)) for name in ("zoo", "CIFAR10", "gone")] == [2, 10, 10]


class TestFingerprint:
    @staticmethod
    def age(folder: Path) -> None:
        """Make the folders as if they were written long ago: a clock of a file system may tick every 10 ms only."""
        for each in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
            os.utime(each, (1, 1))

    def test_it_stays_while_nothing_changes(self, tmp_path):
        write_folder(tmp_path / "zoo")
        assert fingerprint(tmp_path, DataSource("zoo")) == fingerprint(tmp_path, DataSource("zoo"))

    @pytest.mark.parametrize("change", ["image added", "image removed", "class added", "test removed"])
    def test_it_differs_once_a_folder_has_changed(self, tmp_path, change):
        folder = write_folder(tmp_path / "zoo")
        self.age(folder)
        before = fingerprint(tmp_path, DataSource("zoo"))
        if change == "image added":
            (folder / "train" / "red" / "new.png").write_bytes(b"-")
        elif change == "image removed":
            (folder / "test" / "red" / "0.png").unlink()
        elif change == "class added":
            (folder / "train" / "green").mkdir()
        else:
            (folder / "test").rename(tmp_path / "elsewhere")
        assert fingerprint(tmp_path, DataSource("zoo")) != before

    def test_it_differs_once_a_download_has_arrived(self, tmp_path):
        before = fingerprint(tmp_path, DataSource("FashionMNIST"))
        write_fashion(tmp_path / "FashionMNIST" / "raw")
        assert fingerprint(tmp_path, DataSource("FashionMNIST")) != before
        assert fingerprint(tmp_path, DataSource("Shapes")) == fingerprint(tmp_path / "elsewhere", DataSource("Shapes"))
