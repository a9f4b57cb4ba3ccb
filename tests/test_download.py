import errno
import gzip
import os
import pickle
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from fileserver import FileServer
from published import (
    CLASSES,
    NAME,
    QUICK,
    cifar_archive,
    cifar_batches,
    cifar_set,
    cifar_sums,
    fashion_files,
    fashion_set,
    run,
    write_batches,
)

from mlpcore.catalog import CIFAR10, missing_files
from mlpcore.download import Download, Downloads, Progress, download
from mlpcore.messages import Sentence, SentenceError
from mlpcore.sources import ARCHIVES
from mlpcore.torchvision_ops import import_torchvision_datasets
from mlpcore.transfer import Patience, Phase

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.usefixtures("no_proxy")
EVERY_SOURCE_IS_SLOW = Patience(retry_seconds=0, slow_rate=1e12, slow_seconds=0.5)


def assert_is_here(home: Path, progress: Progress) -> None:
    assert (progress.phase, str(progress.sentence)) == (Phase.DONE, "CIFAR10 is here.")
    assert progress.bytes_done == progress.bytes_total
    folder = home / "cifar-10-batches-py"
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == cifar_batches()
    assert not list(home.glob("*.part"))
    assert not list(home.glob(".*.unpacking"))


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
        assert progress.phase is Phase.DONE
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
        code = "import sys, mlpcore.download; sys.exit(bool({'torch', 'streamlit', 'requests'} & set(sys.modules)))"
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


class TestSources:
    def test_a_slow_mirror_is_left_for_the_next_which_goes_on_where_it_stopped(self, server, tmp_path):
        slow = server.add("/slow", cifar_archive(), hold_after=50_000)
        good = server.add("/good", cifar_archive())
        # the good one is the last: it is not left, however slow this asks it to be
        assert_is_here(tmp_path, run(cifar_set(slow, good), tmp_path, patience=EVERY_SOURCE_IS_SLOW))
        (request,) = server.asked("/good")
        assert request.start + request.served == len(cifar_archive())

    def test_where_all_are_slow_the_fastest_is_asked_again_and_kept(self, server, tmp_path):
        first = server.add("/first", cifar_archive(), hold_after=100_000, times=1)
        second = server.add("/second", cifar_archive(), hold_after=100, times=1)
        assert_is_here(tmp_path, run(cifar_set(first, second), tmp_path, patience=EVERY_SOURCE_IS_SLOW))
        assert [request.path for request in server.requests] == ["/first", "/second", "/first"]

    def test_a_broken_connection_goes_on_where_it_stopped(self, server, tmp_path):
        url = server.add("/c", cifar_archive(), break_after=70_000, times=1)
        assert_is_here(tmp_path, run(cifar_set(url), tmp_path))
        assert [request.range for request in server.requests] == [None, "bytes=70000-"]
        assert sum(request.served for request in server.requests) == len(cifar_archive())

    def test_a_mirror_that_breaks_again_and_again_is_given_up(self, server, tmp_path):
        bad = server.add("/bad", cifar_archive(), break_after=10_000)
        good = server.add("/good", cifar_archive())
        assert_is_here(tmp_path, run(cifar_set(bad, good), tmp_path))
        assert [request.range for request in server.asked("/bad")] == [None, "bytes=10000-", "bytes=20000-"]
        assert [request.range for request in server.asked("/good")] == ["bytes=30000-"]

    def test_a_server_that_knows_no_ranges_sends_all_again(self, server, tmp_path):
        url = server.add("/c", cifar_archive(), break_after=70_000, times=1, ranges=False)
        assert_is_here(tmp_path, run(cifar_set(url), tmp_path))
        assert [request.range for request in server.requests] == [None, "bytes=70000-"]
        assert [request.served for request in server.requests] == [70_000, len(cifar_archive())]

    @pytest.mark.parametrize(
        "switches", [{"status": 404}, {"status": 503}, {"content": b"<html>log in</html>"}, {"break_after": 0}]
    )
    def test_a_mirror_without_the_file_is_passed_over(self, server, tmp_path, switches):
        bad = server.add("/bad", **({"content": cifar_archive()} | switches))
        good = server.add("/good", cifar_archive())
        assert_is_here(tmp_path, run(cifar_set(bad, good), tmp_path))
        assert [request.range for request in server.asked("/good")] == [None]

    def test_a_file_that_does_not_end_is_not_read_to_its_end(self, server, tmp_path):
        endless = server.add("/endless", cifar_archive() * 2, announced=False)
        good = server.add("/good", cifar_archive())
        assert_is_here(tmp_path, run(cifar_set(endless, good), tmp_path))

    def test_a_source_that_cannot_be_reached_is_passed_over(self, server, tmp_path):
        good = server.add("/good", cifar_archive())
        assert_is_here(tmp_path, run(cifar_set("http://127.0.0.1:9/c", good), tmp_path))


class TestMd5:
    wrong = bytes(len(cifar_archive()))

    def test_a_file_with_a_wrong_md5_is_thrown_away_and_the_next_source_asked(self, server, tmp_path):
        bad, good = server.add("/bad", self.wrong), server.add("/good", cifar_archive())
        assert_is_here(tmp_path, run(cifar_set(bad, good), tmp_path))
        assert [(request.path, request.range) for request in server.requests] == [("/bad", None), ("/good", None)]

    def test_a_wrong_md5_everywhere_leaves_nothing_behind_and_says_so(self, server, tmp_path):
        progress = run(cifar_set(server.add("/1", self.wrong), server.add("/2", self.wrong)), tmp_path)
        assert progress.phase is Phase.FAILED
        assert str(progress.sentence) == (
            "What 127.0.0.1 sent as cifar-10-python.tar.gz has a wrong md5 and was removed unopened: try again later, "
            "or fetch cifar-10-python.tar.gz by other means and put it into the folder of the data sets (MLPCORE_DATA)."
        )
        assert [file.name for file in tmp_path.iterdir()] == [".CIFAR10.lock"]

    def test_a_mixture_with_a_wrong_md5_condemns_nobody_until_each_has_given_it_whole(self, server, tmp_path):
        bad = server.add("/bad", self.wrong, break_after=10_000)
        good = server.add("/good", cifar_archive())
        assert_is_here(tmp_path, run(cifar_set(bad, good), tmp_path))
        assert server.asked("/good")[-1].range is None

    def test_a_wrong_part_of_an_earlier_download_costs_one_more_download(self, server, tmp_path):
        (tmp_path / f"{NAME}.part").write_bytes(self.wrong[:50_000])
        assert_is_here(tmp_path, run(cifar_set(server.add("/c", cifar_archive())), tmp_path))
        assert [request.range for request in server.requests] == ["bytes=50000-", None]

    @pytest.mark.parametrize("length", [len(cifar_archive()), len(cifar_archive()) + 1])
    def test_a_wrong_part_as_long_as_the_file_is_fetched_anew(self, server, tmp_path, length):
        (tmp_path / f"{NAME}.part").write_bytes(bytes(length))
        assert_is_here(tmp_path, run(cifar_set(server.add("/c", cifar_archive())), tmp_path))

    def test_a_half_archive_never_passes_for_a_whole_one(self, server, tmp_path):
        (tmp_path / NAME).write_bytes(cifar_archive()[:100_000])
        assert_is_here(tmp_path, run(cifar_set(server.add("/c", cifar_archive())), tmp_path))
        assert (tmp_path / NAME).read_bytes() == cifar_archive()

    def test_a_damaged_folder_is_made_whole_and_keeps_what_else_is_in_it(self, server, tmp_path):
        folder = tmp_path / "cifar-10-batches-py"
        folder.mkdir()
        (folder / "data_batch_2").write_bytes(b"half")
        (folder / "notes.txt").write_text("mine")
        assert run(cifar_set(server.add("/c", cifar_archive())), tmp_path).phase is Phase.DONE
        assert (folder / "notes.txt").read_text() == "mine"
        (folder / "notes.txt").unlink()
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == cifar_batches()


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
        assert run(cifar_set("http://127.0.0.1:9/c"), home, places=(place,)).phase is Phase.FAILED
        assert (place / NAME).read_bytes() == b"something else"

    def test_a_file_that_was_compressed_anew_is_known_by_what_is_in_it(self, tmp_path):
        place = tmp_path / "place"
        place.mkdir()
        for name, content in fashion_files().items():
            (place / f"{name}.gz").write_bytes(gzip.compress(content, 1, mtime=2))
        progress = run(replace(fashion_set(), installed=(str(place),)), tmp_path / "home")
        assert progress.phase is Phase.DONE
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
        assert progress.phase is Phase.FAILED
        assert not list((tmp_path / "home").rglob("*idx3-ubyte"))

    def test_fashion_mnist_of_debians_package_is_found(self, tmp_path):
        published = ARCHIVES["FashionMNIST"]
        if not all(
            Path(folder, archive.name).exists() for folder in published.installed for archive in published.archives
        ):
            pytest.skip("dataset-fashion-mnist is not installed")
        offline = replace(published, archives=tuple(replace(archive, urls=()) for archive in published.archives))
        assert run(offline, tmp_path).phase is Phase.DONE
        train = import_torchvision_datasets().FashionMNIST(tmp_path, train=True)
        assert (tuple(train.data.shape), train.targets[:5].tolist()) == ((60_000, 28, 28), [9, 0, 0, 3, 0])


class TestCancel:
    def test_a_cancel_is_heard_while_the_server_says_nothing_and_what_has_arrived_is_kept(self, server, tmp_path):
        url = server.add("/c", cifar_archive(), hold_after=60_000, times=1)
        work = Download(cifar_set(url), tmp_path, patience=QUICK)
        work.start()
        server.files["/c"].holding.wait()
        while work.progress.bytes_done < 60_000:
            work.wait(0.01)
        assert str(work.progress.sentence) == "Downloading CIFAR10 from 127.0.0.1."
        work.cancel()
        progress = work.wait(30)  # the server is still holding
        assert (progress.phase, progress.bytes_done) == (Phase.CANCELLED, 60_000)
        assert str(progress.sentence) == (
            "The download of CIFAR10 was cancelled. What has arrived is kept: the next one goes on from it."
        )
        assert (tmp_path / f"{NAME}.part").read_bytes() == cifar_archive()[:60_000]
        assert missing_files(tmp_path, ARCHIVES[CIFAR10])
        assert_is_here(tmp_path, run(cifar_set(url), tmp_path))
        assert server.requests[-1].range == "bytes=60000-"

    def test_a_cancel_before_the_start_fetches_nothing(self, server, tmp_path):
        work = Download(cifar_set(server.add("/c", cifar_archive())), tmp_path, patience=QUICK)
        work.cancel()
        work.start()
        assert work.wait(30).phase is Phase.CANCELLED
        assert not server.requests


class TestSharing:
    def test_all_who_ask_share_one_download(self, server, tmp_path):
        url = server.add("/c", cifar_archive(), hold_after=10)
        downloads = Downloads(lambda: tmp_path, archive_sets={"CIFAR10": cifar_set(url)}, patience=QUICK)
        assert downloads.find("CIFAR10") is None
        got = []
        people = [threading.Thread(target=lambda: got.append(downloads.request("CIFAR10"))) for _ in range(8)]
        for person in people:
            person.start()
        for person in people:
            person.join()
        server.files["/c"].holding.wait()
        server.released.set()
        assert len(set(got)) == 1
        assert downloads.find("CIFAR10") is got[0]
        assert_is_here(tmp_path, got[0].wait())
        assert len(server.requests) == 1

    def test_a_request_after_a_failure_tries_again(self, server, tmp_path):
        archive_sets = {"CIFAR10": cifar_set(f"{server.url}/c")}
        downloads = Downloads(lambda: tmp_path, archive_sets=archive_sets, patience=QUICK)
        assert downloads.request("CIFAR10").wait().phase is Phase.FAILED
        server.add("/c", cifar_archive())
        assert_is_here(tmp_path, downloads.request("CIFAR10").wait())

    def test_an_unknown_name_is_refused_with_the_known_ones(self, tmp_path):
        with pytest.raises(SentenceError, match="dataset is CIFAR: it must be one of CIFAR10, FashionMNIST, MNIST"):
            Downloads(lambda: tmp_path).request("CIFAR")

    def test_of_two_processes_one_fetches_and_the_other_waits_for_it(self, server, tmp_path):
        url = server.add("/c", cifar_archive(), hold_after=10)
        with child(url, tmp_path) as other:
            work = wait_behind(server, url, tmp_path)
            assert str(work.progress.sentence) == (
                "CIFAR10 is being fetched by another process on this computer: waiting for it."
            )
            server.released.set()
            assert_is_here(tmp_path, work.wait())
            assert other.wait() == 0
        assert len(server.requests) == 1

    def test_who_waits_for_a_process_that_dies_goes_on_in_its_place(self, server, tmp_path):
        url = server.add("/c", cifar_archive(), hold_after=10, times=1)
        with child(url, tmp_path) as other:
            work = wait_behind(server, url, tmp_path)
            other.kill()
            assert_is_here(tmp_path, work.wait())


class TestSentences:
    def test_a_full_disk_is_seen_before_anything_is_fetched(self, server, tmp_path):
        progress = run(cifar_set(server.add("/c", cifar_archive()), unpacked_size=10**18), tmp_path)
        assert progress.phase is Phase.FAILED
        assert str(progress.sentence) == (
            "The disk is full: CIFAR10 needs 1,000,000,000,001 MB more. Make room, or name a folder on another disk in "
            "MLPCORE_DATA, and try again."
        )
        assert not server.requests

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
    def test_a_disk_that_fills_up_on_the_way_is_said(self, server, tmp_path):
        (tmp_path / f"{NAME}.part").symlink_to("/dev/full")
        progress = run(cifar_set(server.add("/c", cifar_archive())), tmp_path)
        assert progress.phase is Phase.FAILED
        assert str(progress.sentence) == (
            "The disk is full: CIFAR10 needs 1 MB more. Make room, or name a folder on another disk in MLPCORE_DATA, "
            "and try again."
        )

    def test_a_write_that_fails_half_way_is_said_and_what_was_written_is_kept(self, server, tmp_path):
        url = server.add("/c", cifar_archive())
        with child(url, tmp_path, limit=100_000) as other:
            output, _ = other.communicate()
        assert other.returncode == 1
        assert output.splitlines()[-1] == (
            f"CIFAR10 could not be stored ({os.strerror(errno.EFBIG)}): check the disk, or name another folder in "
            "MLPCORE_DATA, and try again, which goes on from what has arrived."
        )
        assert (tmp_path / f"{NAME}.part").read_bytes() == cifar_archive()[:100_000]
        assert_is_here(tmp_path, run(cifar_set(url), tmp_path))
        assert server.requests[-1].range == "bytes=100000-"

    @pytest.mark.parametrize("below", ["", "data", "data/sets"])
    def test_a_folder_that_cannot_be_written_is_said_without_its_path(self, tmp_path, below):
        (tmp_path / "file").write_text("")
        progress = run(cifar_set(), tmp_path / "file" / below)
        assert progress.phase is Phase.FAILED
        assert str(progress.sentence) == (
            "CIFAR10 cannot be stored, the folder of the data sets may not be written "
            f"({os.strerror(errno.ENOTDIR if below else errno.EEXIST)}): allow it, or name another folder in "
            "MLPCORE_DATA, and try again."
        )

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
    def test_a_read_only_folder_is_said_without_its_path(self, tmp_path):
        tmp_path.chmod(0o500)
        try:
            sentence = str(run(cifar_set(), tmp_path).sentence)
        finally:
            tmp_path.chmod(0o700)
        assert "may not be written" in sentence
        assert str(tmp_path) not in sentence

    def test_no_network_is_said_with_the_way_round_it(self, tmp_path):
        url = "http://127.0.0.1:9/cifar-10-python.tar.gz"
        progress = run(cifar_set(url, "http://localhost:9/c"), tmp_path)
        assert progress.phase is Phase.FAILED
        assert str(progress.sentence) == (
            f"127.0.0.1, localhost cannot be reached: check the network and try again, or fetch {url} by other means "
            "and put it into the folder of the data sets (MLPCORE_DATA)."
        )

    def test_no_source_that_has_it_is_said_with_the_way_round_it(self, server, tmp_path):
        progress = run(cifar_set(f"{server.url}/nothing"), tmp_path)
        assert str(progress.sentence) == (
            "cifar-10-python.tar.gz could not be fetched whole from 127.0.0.1: try again, which goes on from what has "
            f"arrived, or fetch {server.url}/nothing by other means and put it into the folder of the data sets "
            "(MLPCORE_DATA)."
        )

    def test_time_left_follows_from_bytes_and_rate(self):
        facts = {"phase": Phase.DOWNLOADING, "bytes_done": 30, "bytes_total": 100, "host": "", "sentence": Sentence("")}
        assert Progress(rate=7.0, **facts).seconds_left == 10.0
        assert Progress(rate=None, **facts).seconds_left is None
        assert Progress(rate=0.0, **facts).seconds_left is None


class TestInANotebook:
    def test_it_returns_when_the_data_is_here(self, server, tmp_path, capsys):
        archive_sets = {"CIFAR10": cifar_set(server.add("/c", cifar_archive()))}
        download("CIFAR10", tmp_path, archive_sets=archive_sets, patience=QUICK)
        assert missing_files(tmp_path, ARCHIVES[CIFAR10]) == []
        assert "CIFAR10: 100%" in capsys.readouterr().err

    def test_it_raises_the_sentence_where_it_cannot(self, server, tmp_path):
        archive_sets = {"CIFAR10": cifar_set(f"{server.url}/nothing")}
        with pytest.raises(SentenceError, match="could not be fetched whole"):
            download("CIFAR10", tmp_path, archive_sets=archive_sets, patience=QUICK)


def wait_behind(server: FileServer, url: str, home: Path) -> Download:
    """A download that waits for the one of another process, which the server holds."""
    server.files["/c"].holding.wait()
    work = Download(cifar_set(url), home, patience=QUICK)
    work.start()
    while work.progress.phase is not Phase.WAITING:
        work.wait(0.01)
    return work


def child(url: str, home: Path, *, limit: int | None = None) -> subprocess.Popen[str]:
    """Download in a process of its own, which may write files of at most `limit` bytes."""
    code = f"""
import resource, sys
from pathlib import Path
from mlpcore.transfer import Phase
from published import cifar_set, run
if {limit}:
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
progress = run(cifar_set({url!r}), Path({str(home)!r}))
print(progress.sentence)
sys.exit(progress.phase is not Phase.DONE)
"""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    )
