import gc
import gzip
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fileserver import FileServer, file_server
from PIL import Image
from published import CLASSES, cifar_archive, cifar_batches, cifar_set, fashion_files, fashion_set, md5, write_batches

from mlpcore import folders, shapes
from mlpcore import library as library_module
from mlpcore.batches import place_images
from mlpcore.catalog import find_installed
from mlpcore.cohort import train_cohort
from mlpcore.data import (
    ImageSplit,
    channel_statistics,
    data_home,
    draw_training_set,
    known_datasets,
    load_data,
)
from mlpcore.folders import decode_image, list_images
from mlpcore.library import ImageLibrary
from mlpcore.messages import SentenceError
from mlpcore.models import build_model
from mlpcore.recipe import Recipe
from mlpcore.sources import ARCHIVES
from mlpcore.torchvision_ops import import_torchvision_datasets

COLOURS = {"blue": (0, 0, 255), "red": (255, 0, 0)}


def write_folder(home: Path, name: str = "colours", *, train: int = 3, test: int = 1) -> Path:
    for split, count in (("train", train), ("test", test)):
        for label, colour in COLOURS.items():
            folder = home / name / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (32, 32), colour).save(folder / f"{number}.png")
    return home / name


def small_split(count: int = 2000) -> ImageSplit:
    images, labels = shapes.draw_shapes("train", count)
    return ImageSplit(torch.from_numpy(images), torch.from_numpy(labels), shapes.CLASSES)


def write_fashion(folder: Path) -> None:
    """Fashion-MNIST in small, as torchvision unpacks it."""
    folder.mkdir(parents=True)
    for name, content in fashion_files().items():
        (folder / name).write_bytes(content)


@pytest.fixture
def server(monkeypatch) -> Iterator[FileServer]:
    monkeypatch.setenv("NO_PROXY", "*")
    with file_server() as running:
        yield running


class TestNames:
    def test_listing_does_not_load_torch(self):
        code = "import sys, mlpcore.catalog as c; c.known_datasets(c.data_home()); sys.exit('torch' in sys.modules)"
        assert (
            subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=False).returncode == 0
        )

    def test_the_environment_names_the_home_of_the_data(self, tmp_path, monkeypatch):
        monkeypatch.setenv("MLPCORE_DATA", str(tmp_path))
        assert data_home() == tmp_path
        monkeypatch.delenv("MLPCORE_DATA")
        assert data_home().parts[-2:] == ("mlp-playground", "data")

    def test_an_unknown_name_is_refused_with_the_known_ones(self, tmp_path):
        write_folder(tmp_path)
        sentence = "dataset is MNIST7: it must be one of CIFAR10, FashionMNIST, MNIST, colours, Shapes."
        with pytest.raises(SentenceError) as refusal:
            load_data("MNIST7", tmp_path)
        assert str(refusal.value) == sentence

    @pytest.mark.parametrize("name", ["", ".", "..", "../colours", "colours/train", ".cache", "{home}/colours"])
    def test_a_name_cannot_lead_out_of_the_folder(self, tmp_path, name):
        write_folder(tmp_path)
        (tmp_path / "inside").mkdir()
        with pytest.raises(ValueError, match="dataset is "):
            load_data(name.format(home=tmp_path), tmp_path / "inside")


class TestCifar10:
    @pytest.fixture
    def small(self, monkeypatch) -> None:
        """torchvision's class, which expects the small archive's md5."""
        kind = import_torchvision_datasets().CIFAR10
        sums = {name: md5(content) for name, content in cifar_batches().items()}
        monkeypatch.setattr(kind, "tgz_md5", md5(cifar_archive()))
        monkeypatch.setattr(kind, "train_list", [[name, sums[name]] for name in sorted(sums) if "data_" in name])
        monkeypatch.setattr(kind, "test_list", [["test_batch", sums["test_batch"]]])
        monkeypatch.setattr(
            kind, "meta", {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]}
        )

    @pytest.mark.usefixtures("small")
    def test_where_it_is_missing_it_is_downloaded_with_a_bar_and_read(self, server, tmp_path, capsys):
        archive_sets = {"CIFAR10": cifar_set(server.add("/c", cifar_archive()))}
        train, test = load_data("CIFAR10", tmp_path, archive_sets=archive_sets)
        assert (train.data.shape, test.data.shape) == ((50, 3, 32, 32), (10, 3, 32, 32))
        assert (train.data.dtype, train.classes) == (torch.uint8, tuple(CLASSES))
        assert test.targets.tolist() == list(range(10))
        assert "CIFAR10: 100%" in capsys.readouterr().err
        load_data("CIFAR10", tmp_path, archive_sets=archive_sets)
        assert len(server.requests) == 1

    @pytest.mark.usefixtures("small")
    def test_what_is_missing_of_a_folder_is_brought(self, server, tmp_path):
        write_batches(tmp_path / "cifar-10-batches-py")
        (tmp_path / "cifar-10-batches-py" / "data_batch_3").unlink()
        archive_sets = {"CIFAR10": cifar_set(server.add("/c", cifar_archive()))}
        assert len(load_data("CIFAR10", tmp_path, archive_sets=archive_sets)[0]) == 50

    def test_a_download_that_fails_says_why(self, server, tmp_path):
        archive_sets = {"CIFAR10": cifar_set(f"{server.url}/none")}
        with pytest.raises(
            SentenceError, match=r"^cifar-10-python\.tar\.gz could not be fetched whole from 127\.0\.0\.1"
        ):
            load_data("CIFAR10", tmp_path, archive_sets=archive_sets)

    def test_a_folder_with_wrong_bytes_fails_the_integrity_check(self, tmp_path):
        write_batches(tmp_path / "cifar-10-batches-py")  # not the bytes of the real one
        sentence = r"^cifar-10-batches-py fails the md5 check of CIFAR10: remove it, and download CIFAR10 again\.$"
        with pytest.raises(SentenceError, match=sentence):
            load_data("CIFAR10", tmp_path)

    @pytest.mark.parametrize("name", ["CIFAR10", "FashionMNIST", "MNIST"])
    def test_without_leave_to_download_what_is_missing_says_how_to_get_it(self, tmp_path, name, nothing_installed):
        sentence = rf"^{name} is not on this computer: .* or with 'python -m mlpcore data {name.lower()}'\.$"
        with pytest.raises(SentenceError, match=sentence):
            load_data(name, tmp_path, download=False, archive_sets=nothing_installed)
        assert list(tmp_path.iterdir()) == []


class TestFashionMnist:
    def test_torchvision_reads_what_is_on_disk_as_one_grey_channel(self, tmp_path):
        write_fashion(tmp_path / "FashionMNIST" / "raw")
        train, test = load_data("FashionMNIST", tmp_path, download=False, archive_sets={"FashionMNIST": fashion_set()})
        assert (train.data.shape, train.data.dtype) == ((12, 1, 28, 28), torch.uint8)
        assert (test.data.shape, test.targets.dtype) == ((4, 1, 28, 28), torch.int64)
        assert train.data.numpy().tobytes() == fashion_files()["train-images-idx3-ubyte"][16:]
        assert test.targets.tolist() == [0, 1, 2, 3]
        assert train.classes[0] == "T-shirt/top"

    def test_mnist_is_read_in_the_same_way(self, tmp_path):
        write_fashion(tmp_path / "MNIST" / "raw")
        small = replace(fashion_set(), dataset="MNIST", folder="MNIST/raw", unpacked="MNIST/raw")
        train, _ = load_data("MNIST", tmp_path, download=False, archive_sets={"MNIST": small})
        assert (train.data.shape, train.classes[9]) == ((12, 1, 28, 28), "9 - nine")

    def test_where_it_is_missing_it_is_downloaded(self, server, tmp_path):
        for name, content in fashion_files().items():
            server.add(f"/f/{name}.gz", gzip.compress(content, mtime=1))
        archive_sets = {"FashionMNIST": fashion_set(f"{server.url}/f/")}
        assert len(load_data("FashionMNIST", tmp_path, archive_sets=archive_sets)[0]) == 12
        assert len(server.requests) == 4

    def test_a_file_that_is_cut_off_fails_the_md5_check(self, tmp_path):
        folder = tmp_path / "FashionMNIST" / "raw"
        write_fashion(folder)
        os.truncate(folder / "train-images-idx3-ubyte", 5000)
        with pytest.raises(SentenceError, match=r"^FashionMNIST/raw fails the md5 check of FashionMNIST: remove it"):
            load_data("FashionMNIST", tmp_path, archive_sets={"FashionMNIST": fashion_set()})

    def test_what_an_old_torchvision_left_is_not_taken_for_the_checked_files(self, tmp_path):
        write_fashion(tmp_path / "FashionMNIST" / "raw")
        old = tmp_path / "FashionMNIST" / "processed"
        old.mkdir()
        for name in ("training.pt", "test.pt"):
            torch.save((torch.zeros(2, 28, 28, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)), old / name)
        train, _ = load_data("FashionMNIST", tmp_path, archive_sets={"FashionMNIST": fashion_set()})
        assert len(train) == 12

    def test_a_packages_archives_are_read_where_they_are_and_the_home_stays_untouched(self, tmp_path):
        package = tmp_path / "package"
        package.mkdir()
        for name, content in fashion_files().items():
            (package / f"{name}.gz").write_bytes(gzip.compress(content, 1))  # compressed anew: another md5
        archive_sets = {"FashionMNIST": replace(fashion_set(), installed=(str(package),))}
        train, test = load_data("FashionMNIST", tmp_path / "home", download=False, archive_sets=archive_sets)
        assert (len(train), len(test)) == (12, 4)
        assert not (tmp_path / "home").exists()

    def test_a_packages_archives_that_are_not_the_published_ones_are_not_read(self, tmp_path):
        for name in fashion_files():
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(b"other bytes"))
        archive_sets = {"FashionMNIST": replace(fashion_set(), installed=(str(tmp_path),))}
        with pytest.raises(SentenceError, match=r"^FashionMNIST is not on this computer"):
            load_data("FashionMNIST", tmp_path / "home", download=False, archive_sets=archive_sets)

    def test_debians_package_is_found_and_whole(self, tmp_path):
        if find_installed(ARCHIVES["FashionMNIST"]) is None:
            pytest.skip("Debian's package dataset-fashion-mnist is not installed")
        train, test = load_data("FashionMNIST", tmp_path, download=False)
        assert (train.data.shape, test.data.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
        assert train.targets.bincount().tolist() == [6000] * 10
        assert float(train.data.float().mean() / 255) == pytest.approx(0.286, abs=0.001)

    def test_a_run_trains_on_it_with_a_network_of_784_inputs(self, tmp_path):
        write_fashion(tmp_path / "FashionMNIST" / "raw")
        cpu = torch.device("cpu")
        splits = load_data("FashionMNIST", tmp_path, archive_sets={"FashionMNIST": fashion_set()})
        images = place_images(*splits, cpu)
        assert images.mean.shape == images.std.shape == (784,)
        recipe = Recipe(dataset="FashionMNIST", batch_size=4, train_iter=6, eval_every=3, hidden_sizes=(8,))
        measured = [e for p in train_cohort([recipe], images, device=cpu) for e in p.evaluations.values()]
        assert [evaluation.step for evaluation in measured] == [3, 6]
        assert all(np.isfinite(evaluation.train_loss) for evaluation in measured)
        assert build_model(recipe, images.train_images.shape[1], len(images.train.classes)).fc1.in_features == 784


class TestImageFolders:
    def test_images_labels_and_classes_are_those_of_the_folder(self, tmp_path):
        write_folder(tmp_path)
        train, test = load_data("colours", tmp_path)
        assert train.classes == test.classes == ("blue", "red")
        assert (len(train), len(test)) == (6, 2)
        assert (train.data.dtype, train.targets.dtype) == (torch.uint8, torch.int64)
        assert train.targets.tolist() == [0, 0, 0, 1, 1, 1]
        assert train.data.shape == (6, 3, 32, 32)
        assert train.data[0, :, 5, 5].tolist() == [0, 0, 255]
        assert test.data[1, :, 5, 5].tolist() == [255, 0, 0]

    def test_an_unchanged_folder_is_not_decoded_again(self, tmp_path):
        folder = write_folder(tmp_path)
        first, _ = load_data("colours", tmp_path)
        image = folder / "train" / "red" / "0.png"
        about = image.stat()
        image.write_bytes(b"x" * about.st_size)  # would fail to decode
        os.utime(image, ns=(about.st_atime_ns, about.st_mtime_ns))
        again, _ = load_data("colours", tmp_path)
        assert torch.equal(first.data, again.data)

    def test_a_changed_folder_is_decoded_again_and_the_old_images_go(self, tmp_path):
        folder = write_folder(tmp_path)
        load_data("colours", tmp_path)
        Image.new("RGB", (32, 32), "white").save(folder / "train" / "red" / "0.png")
        train, _ = load_data("colours", tmp_path)
        assert train.data[3].unique().tolist() == [255]
        (folder / "train" / "red" / "0.png").unlink()
        assert len(load_data("colours", tmp_path)[0]) == 5
        assert len(list((tmp_path / ".cache" / "colours").iterdir())) == 4

    def test_a_damaged_cache_is_built_anew(self, tmp_path):
        write_folder(tmp_path)
        first, _ = load_data("colours", tmp_path)
        for file in (tmp_path / ".cache" / "colours").iterdir():
            file.write_bytes(file.read_bytes()[:-1])
        assert torch.equal(load_data("colours", tmp_path)[0].data, first.data)

    def test_half_a_cache_is_built_anew(self, tmp_path):
        write_folder(tmp_path)
        first, _ = load_data("colours", tmp_path)
        next((tmp_path / ".cache" / "colours").glob("train_labels*")).unlink()
        assert torch.equal(load_data("colours", tmp_path)[0].targets, first.targets)

    def test_a_cache_that_cannot_be_written_costs_nothing_but_time(self, tmp_path):
        write_folder(tmp_path)
        (tmp_path / ".cache").write_text("a file where the folder should be")
        assert len(load_data("colours", tmp_path)[0]) == 6

    def test_other_sizes_and_modes_become_32_by_32_colour(self, tmp_path):
        grey = np.full((40, 20), 128, np.uint8)
        Image.fromarray(grey).save(tmp_path / "grey.png")
        Image.fromarray(grey).save(tmp_path / "large.jpg")
        Image.fromarray(np.full((32, 32), 128 << 8, np.uint16)).save(tmp_path / "deep.png")
        for name in ("grey.png", "large.jpg", "deep.png"):
            assert decode_image(tmp_path / name).shape == (32, 32, 3)
            assert np.unique(decode_image(tmp_path / name)).tolist() == [128]
        Image.new("RGBA", (32, 32), (0, 0, 0, 0)).save(tmp_path / "clear.png")
        assert np.unique(decode_image(tmp_path / "clear.png")).tolist() == [255]

    def test_progress_is_told_only_while_decoding(self, tmp_path):
        write_folder(tmp_path)
        told = []
        load_data("colours", tmp_path, progress=told.append)
        assert told == [0.0, 1.0]
        load_data("colours", tmp_path, progress=told.append)
        assert told == [0.0, 1.0]

    @pytest.mark.parametrize("content", [b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, None])
    def test_a_broken_image_is_named(self, tmp_path, content):
        image = write_folder(tmp_path) / "train" / "red" / "1.png"
        image.write_bytes(image.read_bytes()[:-30] if content is None else content)
        with pytest.raises(ValueError, match=r"^train/red/1\.png is not a readable image: replace or remove it"):
            load_data("colours", tmp_path)
        assert not (tmp_path / ".cache").exists()

    def test_a_class_missing_from_test_is_named(self, tmp_path):
        folder = write_folder(tmp_path)
        (folder / "test" / "red" / "0.png").unlink()
        (folder / "test" / "red").rmdir()
        with pytest.raises(ValueError, match=r"class 'red' has no images .* in colours/test"):
            load_data("colours", tmp_path)

    def test_a_class_that_train_does_not_have_is_named(self, tmp_path):
        (write_folder(tmp_path) / "test" / "green").mkdir()
        with pytest.raises(ValueError, match=r"^colours/test has the class 'green', which train has not"):
            load_data("colours", tmp_path)

    def test_an_empty_class_is_named(self, tmp_path):
        (write_folder(tmp_path) / "train" / "green").mkdir()
        with pytest.raises(ValueError, match=r"class 'green' has no images .* in colours/train"):
            load_data("colours", tmp_path)

    def test_one_class_is_not_enough(self, tmp_path):
        folder = tmp_path / "one"
        for split in ("train", "test"):
            (folder / split / "only").mkdir(parents=True)
        with pytest.raises(ValueError, match=r"^one/train needs from 2 to 1,000 folders of images, .*: it has 1\.$"):
            load_data("one", tmp_path)

    def test_an_empty_folder_says_where_images_belong(self, tmp_path):
        (tmp_path / "empty").mkdir()
        with pytest.raises(ValueError, match=r"^empty has no folder 'train': images belong in train/<class>/"):
            load_data("empty", tmp_path)

    def test_more_classes_than_a_thousand_are_refused(self, tmp_path):
        for number in range(1001):
            (tmp_path / "many" / "train" / f"{number:04}").mkdir(parents=True)
        with pytest.raises(SentenceError, match=r"^many/train needs from 2 to 1,000 folders .*: it has 1,001\.$"):
            load_data("many", tmp_path)

    def test_more_images_than_the_limit_are_refused(self, tmp_path, monkeypatch):
        write_folder(tmp_path)
        monkeypatch.setattr(folders, "MAX_FILES", 8)
        load_data("colours", tmp_path)
        monkeypatch.setattr(folders, "MAX_FILES", 7)
        with pytest.raises(SentenceError, match=r"^colours has more than 7 images: remove some\.$"):
            load_data("colours", tmp_path)

    def test_an_empty_file_is_named(self, tmp_path):
        (write_folder(tmp_path) / "train" / "red" / "1.png").write_bytes(b"")
        with pytest.raises(SentenceError, match=r"^train/red/1\.png is empty: replace or remove it\.$"):
            load_data("colours", tmp_path)

    @pytest.mark.parametrize("sides", [(9_500, 9_500), (13_500, 13_500)])
    def test_an_image_of_too_many_pixels_is_named_and_not_decoded(self, tmp_path, sides):
        image = write_folder(tmp_path) / "train" / "red" / "1.png"
        Image.new("1", sides).save(image)  # a few kB
        with pytest.raises(SentenceError, match=r"^train/red/1\.png has more than 89,478,485 pixels: make it smaller"):
            load_data("colours", tmp_path)

    def test_other_files_are_left_alone(self, tmp_path):
        folder = write_folder(tmp_path)
        for name in ("Thumbs.db", ".DS_Store", "._0.png", "notes.txt"):
            (folder / "train" / "red" / name).write_bytes(b"no image")
        (folder / "train" / "red" / "a folder.png").mkdir()
        (folder / "train" / ".cache").mkdir()
        (folder / "train" / "Thumbs.db").write_bytes(b"no class")
        train, _ = load_data("colours", tmp_path)
        assert (len(train), train.classes) == (6, ("blue", "red"))

    @pytest.mark.parametrize("link", ["train/red/9.png", "train/green", "test"])
    def test_a_link_that_leads_out_of_the_folder_is_refused(self, tmp_path, link):
        outside = tmp_path / "outside"
        outside.mkdir()
        Image.new("RGB", (32, 32)).save(outside / "secret.png")
        folder = write_folder(tmp_path)
        if link == "test":
            (folder / "test").rename(folder / "other")
        (folder / link).symlink_to(outside / "secret.png" if link.endswith(".png") else outside)
        with pytest.raises(SentenceError, match=rf"^{link} is a link that leads out of the data set's folder"):
            load_data("colours", tmp_path)

    def test_links_within_the_folder_and_a_link_to_the_whole_of_it_are_followed(self, tmp_path):
        folder = write_folder(tmp_path / "elsewhere")
        (folder / "train" / "red" / "9.png").symlink_to(folder / "train" / "red" / "0.png")
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "linked").symlink_to(folder)
        assert known_datasets(tmp_path / "home") == ["linked", "Shapes"]
        assert len(load_data("linked", tmp_path / "home")[0]) == 7

    def test_a_link_to_nothing_is_named(self, tmp_path):
        folder = write_folder(tmp_path)
        (folder / "train" / "red" / "9.png").symlink_to(folder / "gone.png")
        with pytest.raises(SentenceError, match=r"^train/red/9\.png cannot be read \(No such file or directory\)\.$"):
            load_data("colours", tmp_path)

    @pytest.mark.skipif(sys.platform != "linux", reason="only there a name may be bytes that are no text")
    def test_a_name_that_is_no_text_can_still_be_said(self, tmp_path):
        folder = os.fsencode(write_folder(tmp_path) / "train" / "red")
        Path(os.fsdecode(folder + b"/\xff.png")).write_bytes(b"no image")
        with pytest.raises(SentenceError, match=r"^train/red/\?\.png is not a readable image"):
            load_data("colours", tmp_path)

    def test_the_real_images_have_the_known_statistics(self, real_images):
        train, test = load_data("cifar10-jpeg", real_images)
        assert train.data.shape == (50_000, 3, 32, 32)
        assert test.data.shape == (10_000, 3, 32, 32)
        assert train.targets.bincount().tolist() == [5000] * 10
        mean, std = channel_statistics(train)
        assert mean.tolist() == pytest.approx([0.491, 0.482, 0.447], abs=0.001)
        assert std.tolist() == pytest.approx([0.245, 0.243, 0.261], abs=0.001)


class TestSplitCutFromTrain:
    @staticmethod
    def names(files: list[tuple[str, int]]) -> list[str]:
        return ["/".join(Path(path).parts[-2:]) for path, _ in files]

    @staticmethod
    def without_test(home: Path, count: int) -> Path:
        folder = write_folder(home, train=count, test=0)
        for label in COLOURS:
            (folder / "test" / label).rmdir()
        (folder / "test").rmdir()
        return folder

    def test_a_sixth_of_each_class_tests_and_nothing_is_in_both(self, tmp_path):
        listing = list_images(self.without_test(tmp_path, 13))
        assert [label for _, label in listing.test] == [0, 0, 1, 1]
        assert [label for _, label in listing.train] == [0] * 11 + [1] * 11
        assert len({*listing.train, *listing.test}) == 26
        train, test = load_data("colours", tmp_path)
        assert (len(train), len(test)) == (22, 4)
        assert test.data[0, :, 5, 5].tolist() == [0, 0, 255]
        assert test.data[3, :, 5, 5].tolist() == [255, 0, 0]

    def test_the_cut_is_the_same_on_every_machine(self, tmp_path):
        listing = list_images(self.without_test(tmp_path, 13))
        assert self.names(listing.test) == ["blue/11.png", "blue/8.png", "red/3.png", "red/4.png"]

    def test_an_image_that_is_added_moves_at_most_one_other(self, tmp_path):
        folder = self.without_test(tmp_path, 13)
        before = set(self.names(list_images(folder).test))
        Image.new("RGB", (32, 32)).save(folder / "train" / "red" / "a new one.png")
        assert len(before - set(self.names(list_images(folder).test))) <= 1

    def test_of_two_images_one_is_for_testing_and_one_alone_is_refused(self, tmp_path):
        folder = self.without_test(tmp_path, 2)
        assert [len(split) for split in load_data("colours", tmp_path)] == [2, 2]
        (folder / "train" / "red" / "0.png").unlink()
        with pytest.raises(SentenceError, match=r"^The class 'red' has only one image in colours/train: add another"):
            load_data("colours", tmp_path)

    def test_a_folder_for_testing_that_comes_later_is_used(self, tmp_path):
        folder = self.without_test(tmp_path, 6)
        assert [len(split) for split in load_data("colours", tmp_path)] == [10, 2]
        for label in COLOURS:
            (folder / "test" / label).mkdir(parents=True)
            Image.new("RGB", (32, 32)).save(folder / "test" / label / "0.png")
        assert [len(split) for split in load_data("colours", tmp_path)] == [12, 2]


class TestShapes:
    def test_shapes_loads_whole_and_comes_from_the_cache_the_second_time(self, tmp_path):
        told = []
        train, test = load_data("Shapes", tmp_path, progress=told.append)
        assert (len(train), len(test)) == (50_000, 10_000)
        assert told == sorted(told)
        assert told[-1] == 1.0
        told.clear()
        again, _ = load_data("Shapes", tmp_path, progress=told.append)
        assert told == []
        assert torch.equal(train.data, again.data)


class TestLibrary:
    CPU = torch.device("cpu")

    def test_everybody_gets_the_same_images_while_the_folder_is_the_same(self, tmp_path):
        write_folder(tmp_path)
        library = ImageLibrary(lambda: tmp_path)
        loading = library.request("colours", self.CPU)
        assert len(loading.images.result().train) == 6
        assert library.request("colours", self.CPU) is loading

    def test_a_changed_folder_is_loaded_anew(self, tmp_path):
        folder = write_folder(tmp_path)
        library = ImageLibrary(lambda: tmp_path)
        library.request("colours", self.CPU).images.result()
        Image.new("RGB", (32, 32)).save(folder / "train" / "red" / "new.png")
        os.utime(folder / "train" / "red", (1, 1))  # another time, however coarse the clock of the file system is
        assert len(library.request("colours", self.CPU).images.result().train) == 7

    def test_a_failure_is_the_answer_until_the_folder_changes(self, tmp_path):
        folder = write_folder(tmp_path)
        (folder / "train" / "red" / "new.png").write_bytes(b"no image")
        library = ImageLibrary(lambda: tmp_path)
        failed = library.request("colours", self.CPU)
        assert str(failed.images.exception()).startswith("train/red/new.png is not a readable image")
        assert library.request("colours", self.CPU) is failed
        (folder / "train" / "red" / "new.png").unlink()
        os.utime(folder / "train" / "red", (1, 1))
        assert len(library.request("colours", self.CPU).images.result().train) == 6

    def test_a_failure_is_not_the_answer_for_ever(self, tmp_path, monkeypatch):
        folder = write_folder(tmp_path)
        (folder / "train" / "red" / "0.png").write_bytes(b"no image")
        library = ImageLibrary(lambda: tmp_path)
        assert library.request("colours", self.CPU).images.exception() is not None
        Image.new("RGB", (32, 32)).save(folder / "train" / "red" / "0.png")  # in place: the folder looks the same
        monkeypatch.setattr(library_module, "RETRY_SECONDS", 0.0)
        assert len(library.request("colours", self.CPU).images.result().train) == 6

    def test_it_downloads_nothing(self, tmp_path):
        failure = ImageLibrary(lambda: tmp_path).request("CIFAR10", self.CPU).images.exception()
        assert str(failure).startswith("CIFAR10 is not on this computer")
        assert list(tmp_path.iterdir()) == []

    def test_three_data_sets_stay_and_those_that_somebody_holds(self, tmp_path):
        names = ["one", "two", "three", "four", "five"]
        for name in names:
            write_folder(tmp_path, name)
        library = ImageLibrary(lambda: tmp_path)
        held = library.request("one", self.CPU)
        others = []
        for name in names[1:]:
            loading = library.request(name, self.CPU)
            loading.images.result()
            others.append(weakref.ref(loading))
        del loading
        for thread in threading.enumerate():
            if thread.name.startswith("load "):
                thread.join()
        gc.collect()
        assert [reference() is not None for reference in others] == [False, True, True, True]
        assert library.request("one", self.CPU) is held


class TestStatistics:
    def test_statistics_are_those_of_a_float_copy(self):
        split = small_split(330)
        pixels = split.data.double() / 255
        mean, std = channel_statistics(split)
        assert mean.dtype == std.dtype == torch.float32
        torch.testing.assert_close(mean, pixels.mean(dim=(0, 2, 3)).float())
        torch.testing.assert_close(std, pixels.std(dim=(0, 2, 3), correction=0).float())

    def test_a_channel_of_one_value_has_deviation_zero(self):
        grey = ImageSplit(
            torch.full((4, 1, 8, 8), 51, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64), ("a", "b")
        )
        mean, std = channel_statistics(grey)
        assert mean.tolist() == pytest.approx([0.2])
        assert std.tolist() == [0.0]


class TestTrainingSet:
    def test_the_whole_set_without_noise_is_the_set_itself(self):
        train = small_split()
        drawn = draw_training_set(train, train_size=None, label_noise=0.0, seed=0)
        assert torch.equal(drawn.labels, train.targets)
        assert drawn.indices.tolist() == list(range(2000))
        assert len(drawn.validation_indices) == 0

    def test_a_subset_has_the_labels_of_the_images_its_indices_name(self):
        train = small_split()
        drawn = draw_training_set(train, train_size=100, label_noise=0.0, seed=3)
        assert len(drawn.labels) == len(drawn.indices.unique()) == 100
        assert torch.equal(drawn.labels, train.targets[drawn.indices])

    def test_images_held_out_for_validation_are_never_trained_on(self):
        train = small_split()
        drawn = draw_training_set(train, train_size=None, label_noise=0.0, seed=3, validation_size=500)
        assert len(drawn.indices) == 1500
        assert len(drawn.validation_indices) == 500
        assert not set(drawn.indices.tolist()) & set(drawn.validation_indices.tolist())
        assert torch.equal(drawn.validation_labels, train.targets[drawn.validation_indices])

    def test_a_larger_subset_contains_the_smaller(self):
        train = small_split()
        small, large = (
            set(draw_training_set(train, train_size=size, label_noise=0.0, seed=3).indices.tolist())
            for size in (100, 300)
        )
        assert small < large

    def test_another_seed_draws_other_images_and_the_same_seed_the_same(self):
        train = small_split()
        one, same, other = (draw_training_set(train, train_size=100, label_noise=0.3, seed=seed) for seed in (1, 1, 2))
        assert torch.equal(one.indices, same.indices)
        assert torch.equal(one.labels, same.labels)
        assert not torch.equal(one.indices, other.indices)

    @pytest.mark.parametrize(("label_noise", "wrong"), [(0.2, 337), (0.4, 713), (1.0, 1819)])
    def test_a_share_of_labels_is_drawn_anew_and_one_in_ten_of_those_comes_out_right(self, label_noise, wrong):
        train = small_split()
        drawn = draw_training_set(train, train_size=None, label_noise=label_noise, seed=0)
        changed = int((drawn.labels != train.targets).sum())
        assert changed == wrong
        expected = 2000 * label_noise * 0.9
        assert abs(changed - expected) < 4 * (expected * (1 - label_noise * 0.9)) ** 0.5

    def test_more_noise_keeps_the_labels_that_less_noise_changed(self):
        train = small_split()
        low, high = (
            draw_training_set(train, train_size=None, label_noise=noise, seed=0).labels for noise in (0.2, 0.4)
        )
        changed = low != train.targets
        assert torch.equal(high[changed], low[changed])

    def test_an_image_has_the_same_label_in_a_set_of_any_size(self):
        train = small_split()
        whole = draw_training_set(train, train_size=None, label_noise=0.4, seed=0)
        part = draw_training_set(train, train_size=500, label_noise=0.4, seed=0)
        assert torch.equal(part.labels, whole.labels[part.indices])

    def test_the_set_it_draws_from_is_left_as_it_was(self):
        train = small_split()
        data, targets = train.data.clone(), train.targets.clone()
        draw_training_set(train, train_size=500, label_noise=1.0, seed=0)
        assert torch.equal(train.data, data)
        assert torch.equal(train.targets, targets)

    def test_no_draw_touches_the_global_generator(self):
        before = torch.get_rng_state()
        draw_training_set(small_split(), train_size=500, label_noise=0.5, seed=0)
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize(
        ("train_size", "label_noise", "sentence"),
        [
            (2001, 0.0, "train_size is 2,001: it must be from 1 to 2,000"),
            (0, 0.0, "train_size is 0: it must be from 1 to 2,000"),
            (None, 1.5, "label_noise is 1.5: it must be from 0 to 1"),
            (None, float("nan"), "label_noise is nan: it must be from 0 to 1"),
        ],
    )
    def test_what_is_out_of_range_is_refused_with_the_range(self, train_size, label_noise, sentence):
        with pytest.raises(ValueError, match=sentence):
            draw_training_set(small_split(), train_size=train_size, label_noise=label_noise, seed=0)
