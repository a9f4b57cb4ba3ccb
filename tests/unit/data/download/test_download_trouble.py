"""Downloads that are cancelled, shared, or lack a disk or a network, and the sentences they show."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from mlpcore.data.catalog import CIFAR10, missing_files
from mlpcore.data.download.download import Download, DownloadProgress, Downloads, DownloadStatus
from mlpcore.data.download.sources import ARCHIVES
from mlpcore.messages import SentenceError
from tests.support.file_server import FileServer
from tests.support.paths import ROOT
from tests.support.published_archives import NAME, QUICK, assert_is_here, cifar_archive, cifar_set, run

pytestmark = pytest.mark.usefixtures("no_proxy")


class TestCancel:
    def test_a_cancel_is_heard_while_the_server_says_nothing_and_what_has_arrived_is_kept(self, server, tmp_path):
        url = server.add("/c", cifar_archive(), hold_after=60_000, times=1)
        work = Download(cifar_set(url), tmp_path, policy=QUICK)
        work.start()
        server.files["/c"].holding.wait()
        while work.progress.bytes_done < 60_000:
            work.wait(0.01)
        assert str(work.progress.sentence) == "Downloading CIFAR-10 from 127.0.0.1."
        work.cancel()
        progress = work.wait(30)  # the server is still holding
        assert (progress.status, progress.bytes_done) == (DownloadStatus.CANCELLED, 60_000)
        assert str(progress.sentence) == (
            "The download of CIFAR-10 was cancelled. The next one continues where this one stopped."
        )
        assert (tmp_path / f"{NAME}.part").read_bytes() == cifar_archive()[:60_000]
        assert missing_files(tmp_path, ARCHIVES[CIFAR10])
        assert_is_here(tmp_path, run(cifar_set(url), tmp_path))
        assert server.requests[-1].range == "bytes=60000-"

    def test_a_cancel_before_the_start_fetches_nothing(self, server, tmp_path):
        work = Download(cifar_set(server.add("/c", cifar_archive())), tmp_path, policy=QUICK)
        work.cancel()
        work.start()
        assert work.wait(30).status is DownloadStatus.CANCELLED
        assert not server.requests


class TestSharing:
    def test_all_who_ask_share_one_download(self, server, tmp_path):
        url = server.add("/c", cifar_archive(), hold_after=10)
        downloads = Downloads(lambda: tmp_path, archive_sets={"CIFAR10": cifar_set(url)}, policy=QUICK)
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
        downloads = Downloads(lambda: tmp_path, archive_sets=archive_sets, policy=QUICK)
        assert downloads.request("CIFAR10").wait().status is DownloadStatus.FAILED
        server.add("/c", cifar_archive())
        assert_is_here(tmp_path, downloads.request("CIFAR10").wait())

    def test_an_unknown_name_is_refused_with_the_known_ones(self, tmp_path):
        with pytest.raises(SentenceError, match="dataset is CIFAR: it must be one of CIFAR10, FashionMNIST, MNIST"):
            Downloads(lambda: tmp_path).request("CIFAR")

    def test_of_two_processes_one_fetches_and_the_other_waits_for_it(self, server, tmp_path):
        url = server.add("/c", cifar_archive(), hold_after=10)
        with child(url, tmp_path) as other:
            work = wait_behind(server, url, tmp_path)
            assert str(work.progress.sentence) == ("Waiting: another process on this computer is downloading CIFAR-10.")
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
        assert progress.status is DownloadStatus.FAILED
        assert str(progress.sentence) == (
            "The disk is full: CIFAR-10 needs 1,000,000,000,001 MB more. Free some space, or set MLPCORE_DATA to a "
            "folder on another disk, and try again."
        )
        assert not server.requests

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
    def test_a_disk_that_fills_up_on_the_way_is_said(self, server, tmp_path):
        (tmp_path / f"{NAME}.part").symlink_to("/dev/full")
        progress = run(cifar_set(server.add("/c", cifar_archive())), tmp_path)
        assert progress.status is DownloadStatus.FAILED
        assert str(progress.sentence) == (
            "The disk is full: CIFAR-10 needs 1 MB more. Free some space, or set MLPCORE_DATA to a folder on another "
            "disk, and try again."
        )

    def test_a_write_that_fails_half_way_is_said_and_what_was_written_is_kept(self, server, tmp_path):
        url = server.add("/c", cifar_archive())
        with child(url, tmp_path, limit=100_000) as other:
            output, _ = other.communicate()
        assert other.returncode == 1
        assert output.splitlines()[-1] == (
            f"CIFAR-10 could not be stored ({os.strerror(errno.EFBIG)}). Check the disk, or set MLPCORE_DATA to "
            "another folder, and try again: the download continues where it stopped."
        )
        assert (tmp_path / f"{NAME}.part").read_bytes() == cifar_archive()[:100_000]
        assert_is_here(tmp_path, run(cifar_set(url), tmp_path))
        assert server.requests[-1].range == "bytes=100000-"

    @pytest.mark.parametrize("below", ["", "data", "data/sets"])
    def test_a_folder_that_cannot_be_written_is_said_without_its_path(self, tmp_path, below):
        (tmp_path / "file").write_text("")
        progress = run(cifar_set(), tmp_path / "file" / below)
        assert progress.status is DownloadStatus.FAILED
        assert str(progress.sentence) == (
            "CIFAR-10 cannot be stored: the data folder is not writable "
            f"({os.strerror(errno.ENOTDIR if below else errno.EEXIST)}). Make it writable, or set MLPCORE_DATA to "
            "another folder, and try again."
        )

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
    def test_a_read_only_folder_is_said_without_its_path(self, tmp_path):
        tmp_path.chmod(0o500)
        try:
            sentence = str(run(cifar_set(), tmp_path).sentence)
        finally:
            tmp_path.chmod(0o700)
        assert "is not writable" in sentence
        assert str(tmp_path) not in sentence

    def test_no_network_is_said_with_the_way_round_it(self, tmp_path):
        url = "http://127.0.0.1:9/cifar-10-python.tar.gz"
        progress = run(cifar_set(url, "http://localhost:9/c"), tmp_path)
        assert progress.status is DownloadStatus.FAILED
        assert str(progress.sentence) == (
            f"127.0.0.1, localhost cannot be reached. Check the network and try again, or download {url} another way "
            "and put it into the data folder (MLPCORE_DATA)."
        )

    def test_no_source_that_has_it_is_said_with_the_way_round_it(self, server, tmp_path):
        progress = run(cifar_set(f"{server.url}/nothing"), tmp_path)
        assert str(progress.sentence) == (
            "cifar-10-python.tar.gz could not be downloaded completely from 127.0.0.1. Try again: the download "
            f"continues where it stopped. Or download {server.url}/nothing another way and put it into the data folder "
            "(MLPCORE_DATA)."
        )

    def test_time_left_follows_from_bytes_and_rate(self):
        facts: dict[str, Any] = {"dataset": "CIFAR10", "bytes_done": 30, "bytes_total": 100}
        assert DownloadProgress(rate=7.0, **facts).seconds_left == 10.0
        assert DownloadProgress(rate=None, **facts).seconds_left is None
        assert DownloadProgress(rate=0.0, **facts).seconds_left is None


def wait_behind(server: FileServer, url: str, home: Path) -> Download:
    """A download that waits for the one of another process, which the server holds."""
    server.files["/c"].holding.wait()
    work = Download(cifar_set(url), home, policy=QUICK)
    work.start()
    while work.progress.status is not DownloadStatus.WAITING:
        work.wait(0.01)
    return work


def child(url: str, home: Path, *, limit: int | None = None) -> subprocess.Popen[str]:
    """Download in a process of its own, which may write files of at most `limit` bytes."""
    code = f"""
import resource, sys
from pathlib import Path
from mlpcore.data.download.download import DownloadStatus
from tests.support.published_archives import cifar_set, run
if {limit}:
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
progress = run(cifar_set({url!r}), Path({str(home)!r}))
print(progress.sentence)
sys.exit(progress.status is not DownloadStatus.DONE)
"""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    )
