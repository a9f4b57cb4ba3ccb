"""A published data set is installed where torchvision reads it, from this computer or by download."""

import gzip
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mlpcore.data.catalog import CIFAR10, missing_files
from mlpcore.data.download.download import DownloadStatus, download
from mlpcore.data.download.sources import ARCHIVES
from mlpcore.data.torchvision_compat import import_torchvision_datasets
from mlpcore.messages import SentenceError
from tests.support.paths import ROOT
from tests.support.published_archives import (
    CLASSES,
    NAME,
    QUICK,
    assert_is_here,
    cifar_archive,
    cifar_batches,
    cifar_set,
    cifar_sums,
    fashion_files,
    fashion_set,
    run,
    write_batches,
)

pytestmark = pytest.mark.usefixtures("no_proxy")


class TestWhatArrives:
    def test_torchvision_reads_cifar10(self, server, tmp_path):
        assert_is_here(tmp_path, run(cifar_set(server.add("/c", cifar_archive())), tmp_path))
        small = type("SmallCIFAR10", (import_torchvision_datasets().CIFAR10,), cifar_sums())
        train, test = small(tmp_path, train=True), small(tmp_path, train=False)
        assert (len(train), len(test), train.classes) == (50, 10, CLASSES)
        first = pickle.loads(cifar_batches()["data_batch_1"])["data"][0]
        assert (train.data[0] == first.reshape(3, 32, 32).transpose(1, 2, 0)).all()
        # and finds the archive whole: it would not download either
        small(tmp_path, download=True)

    def test_torchvision_reads_fashion_mnist(self, server, tmp_path):
        for name, content in fashion_files().items():
            server.add(f"/f/{name}.gz", gzip.compress(content, mtime=1))
        progress = run(fashion_set(f"{server.url}/f/"), tmp_path)
        assert progress.status is DownloadStatus.DONE
        assert progress.bytes_done == progress.bytes_total
        kind = import_torchvision_datasets().FashionMNIST
        train, test = kind(tmp_path, train=True), kind(tmp_path, train=False)
        assert (train.data.shape, test.data.shape) == ((12, 28, 28), (4, 28, 28))
        assert train.data.numpy().tobytes() == fashion_files()["train-images-idx3-ubyte"][16:]
        assert len(server.requests) == 4

    def test_the_table_agrees_with_torchvision(self):
        datasets = import_torchvision_datasets()
        (cifar,) = ARCHIVES["CIFAR10"].archives
        theirs = datasets.CIFAR10
        assert (cifar.name, cifar.md5, cifar.urls[-1]) == (theirs.filename, theirs.tgz_md5, theirs.url)
        assert cifar.files == dict(theirs.train_list + theirs.test_list) | {theirs.meta["filename"]: theirs.meta["md5"]}
        for name in ("MNIST", "FashionMNIST"):
            theirs = getattr(datasets, name)
            ours = ARCHIVES[name].archives
            assert [(archive.name, archive.md5) for archive in ours] == theirs.resources
            assert all(
                archive.urls == tuple(f"{mirror}{archive.name}" for mirror in theirs.mirrors) for archive in ours
            )

    def test_importing_needs_no_torch_no_streamlit_and_not_even_requests(self):
        module = "mlpcore.data.download.download"
        code = f"import sys, {module}; sys.exit(bool({{'torch', 'streamlit', 'requests'}} & set(sys.modules)))"
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


class TestAlreadyHere:
    def test_a_whole_folder_is_used_as_it_is_and_nothing_is_written(self, tmp_path):
        write_batches(tmp_path / "cifar-10-batches-py")
        assert_is_here(tmp_path, run(cifar_set(), tmp_path))
        assert len(list(tmp_path.iterdir())) == 1

    def test_an_archive_in_the_home_is_unpacked_without_a_download(self, tmp_path):
        (tmp_path / NAME).write_bytes(cifar_archive())
        assert_is_here(tmp_path, run(cifar_set(), tmp_path))

    @pytest.mark.parametrize("kind", ["archive", "parent", "folder"])
    def test_a_folder_that_one_names_may_hold_it(self, tmp_path, kind):
        home, place = tmp_path / "home", tmp_path / "place"
        place.mkdir()
        if kind == "archive":
            (place / NAME).write_bytes(cifar_archive())
        else:
            write_batches(place / "cifar-10-batches-py" if kind == "parent" else place)
        assert_is_here(home, run(cifar_set(), home, places=(place,)))

    def test_a_stranger_of_the_same_name_is_not_opened(self, tmp_path):
        home, place = tmp_path / "home", tmp_path / "place"
        place.mkdir()
        (place / NAME).write_bytes(b"something else")
        assert run(cifar_set("http://127.0.0.1:9/c"), home, places=(place,)).status is DownloadStatus.FAILED
        assert (place / NAME).read_bytes() == b"something else"

    def test_a_file_that_was_compressed_anew_is_known_by_what_is_in_it(self, tmp_path):
        place = tmp_path / "place"
        place.mkdir()
        for name, content in fashion_files().items():
            (place / f"{name}.gz").write_bytes(gzip.compress(content, 1, mtime=2))
        progress = run(replace(fashion_set(), installed=(str(place),)), tmp_path / "home")
        assert progress.status is DownloadStatus.DONE
        folder = tmp_path / "home" / "FashionMNIST" / "raw"
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == fashion_files()

    @pytest.mark.parametrize(
        "content",
        [b"no gzip", gzip.compress(b"another file"), gzip.compress(bytes(10**7))],
        ids=["no gzip", "other", "endless"],
    )
    def test_another_gz_of_that_name_is_not_taken(self, tmp_path, content):
        place = tmp_path / "place"
        place.mkdir()
        (place / "train-images-idx3-ubyte.gz").write_bytes(content)
        progress = run(fashion_set("http://127.0.0.1:9/"), tmp_path / "home", places=(place,))
        assert progress.status is DownloadStatus.FAILED
        assert not list((tmp_path / "home").rglob("*idx3-ubyte"))

    def test_fashion_mnist_of_debians_package_is_found(self, tmp_path):
        published = ARCHIVES["FashionMNIST"]
        if not all(
            Path(folder, archive.name).exists() for folder in published.installed for archive in published.archives
        ):
            pytest.skip("dataset-fashion-mnist is not installed")
        offline = replace(published, archives=tuple(replace(archive, urls=()) for archive in published.archives))
        assert run(offline, tmp_path).status is DownloadStatus.DONE
        train = import_torchvision_datasets().FashionMNIST(tmp_path, train=True)
        assert (tuple(train.data.shape), train.targets[:5].tolist()) == ((60_000, 28, 28), [9, 0, 0, 3, 0])


class TestInANotebook:
    def test_it_returns_when_the_data_is_here(self, server, tmp_path, capsys):
        archive_sets = {"CIFAR10": cifar_set(server.add("/c", cifar_archive()))}
        download("CIFAR10", tmp_path, archive_sets=archive_sets, policy=QUICK)
        assert missing_files(tmp_path, ARCHIVES[CIFAR10]) == []
        assert "CIFAR10: 100%" in capsys.readouterr().err

    def test_it_raises_the_sentence_where_it_cannot(self, server, tmp_path):
        archive_sets = {"CIFAR10": cifar_set(f"{server.url}/nothing")}
        with pytest.raises(SentenceError, match="could not be downloaded completely"):
            download("CIFAR10", tmp_path, archive_sets=archive_sets, policy=QUICK)
