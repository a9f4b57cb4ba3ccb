"""Mirrors that are slow, break off or send wrong bytes, and how a download continues."""

import pytest

from mlpcore.data.download.download import DownloadStatus
from mlpcore.data.download.fetch import RetryPolicy
from tests.support.published_archives import NAME, assert_is_here, cifar_archive, cifar_batches, cifar_set, run

pytestmark = pytest.mark.usefixtures("no_proxy")
EVERY_MIRROR_IS_SLOW = RetryPolicy(retry_seconds=0, slow_rate=1e12, slow_seconds=0.5)


class TestSources:
    def test_a_slow_mirror_is_left_for_the_next_which_goes_on_where_it_stopped(self, server, tmp_path):
        slow = server.add("/slow", cifar_archive(), hold_after=50_000)
        good = server.add("/good", cifar_archive())
        # the good one is the last: it is not left, however slow this asks it to be
        assert_is_here(tmp_path, run(cifar_set(slow, good), tmp_path, policy=EVERY_MIRROR_IS_SLOW))
        (request,) = server.asked("/good")
        assert request.start + request.served == len(cifar_archive())

    def test_where_all_are_slow_the_fastest_is_asked_again_and_kept(self, server, tmp_path):
        first = server.add("/first", cifar_archive(), hold_after=100_000, times=1)
        second = server.add("/second", cifar_archive(), hold_after=100, times=1)
        assert_is_here(tmp_path, run(cifar_set(first, second), tmp_path, policy=EVERY_MIRROR_IS_SLOW))
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
        assert progress.status is DownloadStatus.FAILED
        assert str(progress.sentence) == (
            "cifar-10-python.tar.gz from 127.0.0.1 has a wrong md5 and was deleted unopened. Try again later, or "
            "download cifar-10-python.tar.gz another way and put it into the data folder (MLPCORE_DATA)."
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
        assert run(cifar_set(server.add("/c", cifar_archive())), tmp_path).status is DownloadStatus.DONE
        assert (folder / "notes.txt").read_text() == "mine"
        (folder / "notes.txt").unlink()
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == cifar_batches()
