"""load_data: published data sets as torchvision reads them, and Shapes."""

import gzip
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from mlpcore.data.batches import place_images
from mlpcore.data.catalog import data_home, find_installed
from mlpcore.data.datasets import load_data
from mlpcore.data.download.sources import ARCHIVES
from mlpcore.data.shapes import draw_shapes
from mlpcore.data.torchvision_compat import import_torchvision_datasets
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.training.lockstep import train_cohort
from mlpcore.training.models import build_model
from tests.support.image_folders import write_colours
from tests.support.networks import linear_layers
from tests.support.paths import ROOT
from tests.support.published_archives import (
    CLASSES,
    cifar_archive,
    cifar_set,
    cifar_sums,
    fashion_files,
    fashion_set,
    write_batches,
    write_fashion,
)


class TestNames:
    def test_listing_does_not_load_torch(self):
        code = (
            "import sys, mlpcore.data.catalog as c; c.known_datasets(c.data_home()); sys.exit('torch' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0

    def test_the_environment_names_the_home_of_the_data(self, tmp_path, monkeypatch):
        monkeypatch.setenv("MLPCORE_DATA", str(tmp_path))
        assert data_home() == tmp_path
        monkeypatch.delenv("MLPCORE_DATA")
        assert data_home().parts[-2:] == ("mlp-playground", "data")

    def test_an_unknown_name_is_refused_with_the_known_ones(self, tmp_path):
        write_colours(tmp_path)
        known = "CIFAR10, FashionMNIST, MNIST, colours, Shapes, Moons, Circles, Spiral, Checkerboard, Blobs"
        sentence = f"dataset is MNIST7: it must be one of {known}."
        with pytest.raises(SentenceError) as refusal:
            load_data("MNIST7", tmp_path)
        assert str(refusal.value) == sentence

    @pytest.mark.parametrize("name", ["", ".", "..", "../colours", "colours/train", ".cache", "{home}/colours"])
    def test_a_name_cannot_lead_out_of_the_folder(self, tmp_path, name):
        write_colours(tmp_path)
        (tmp_path / "inside").mkdir()
        with pytest.raises(ValueError, match="dataset is "):
            load_data(name.format(home=tmp_path), tmp_path / "inside")


class TestCifar10:
    @pytest.fixture
    def small(self, monkeypatch) -> None:
        """torchvision's class, which expects the small archive's md5."""
        kind = import_torchvision_datasets().CIFAR10
        for name, value in cifar_sums().items():
            monkeypatch.setattr(kind, name, value)

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
            SentenceError, match=r"^cifar-10-python\.tar\.gz could not be downloaded completely from 127\.0\.0\.1"
        ):
            load_data("CIFAR10", tmp_path, archive_sets=archive_sets)

    def test_a_folder_with_wrong_bytes_fails_the_integrity_check(self, tmp_path):
        write_batches(tmp_path / "cifar-10-batches-py")  # not the bytes of the real one
        sentence = r"^cifar-10-batches-py fails the md5 check of CIFAR-10: delete it and download CIFAR-10 again\.$"
        with pytest.raises(SentenceError, match=sentence):
            load_data("CIFAR10", tmp_path)

    @pytest.mark.parametrize(
        ("name", "title"), [("CIFAR10", "CIFAR-10"), ("FashionMNIST", "Fashion-MNIST"), ("MNIST", "MNIST")]
    )
    def test_without_leave_to_download_what_is_missing_says_how_to_get_it(self, tmp_path, name, title, archive_sets):
        sentence = rf"^{title} is not on this computer: .* or with 'python -m mlpcore data {name.lower()}'\.$"
        with pytest.raises(SentenceError, match=sentence):
            load_data(name, tmp_path, download=False, archive_sets=archive_sets)
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
        with pytest.raises(SentenceError, match=r"^FashionMNIST/raw fails the md5 check of Fashion-MNIST: delete it"):
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
        with pytest.raises(SentenceError, match=r"^Fashion-MNIST is not on this computer"):
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
        model = build_model(recipe, images.train_images.shape[1], len(images.train.classes))
        assert linear_layers(model)[0].in_features == 784


class TestShapes:
    def test_shapes_loads_whole_and_comes_from_the_cache_the_second_time(self, drawn_shapes):
        told: list[float] = json.loads((drawn_shapes / "progress.json").read_text())
        assert told == sorted(told)
        assert told[-1] == 1.0
        told.clear()
        train, test = load_data("Shapes", drawn_shapes, progress=told.append)
        assert told == []
        assert (len(train), len(test)) == (50_000, 10_000)
        for images, (drawn, labels) in ((train, draw_shapes("train", 300)), (test, draw_shapes("test", 300))):
            assert torch.equal(images.data[:300], torch.from_numpy(drawn))
            assert images.targets[:300].tolist() == labels.tolist()
