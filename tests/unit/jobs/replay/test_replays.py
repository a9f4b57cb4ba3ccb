"""Replays in their thread: queued, fair, within the memory of all runs, cancelled, and kept."""

import os
import sys
import threading
from collections.abc import Generator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from mlpcore.byte_cache import ByteCache
from mlpcore.data.catalog import ImageCounts
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from tests.support.managers import LONG, ME, SHORT, STRANGER, submit, wait_for_end, wait_for_evaluations, wait_until
from tests.support.stores import list_runs

if TYPE_CHECKING:
    import torch

    from mlpcore.data.batches import DeviceImages
    from mlpcore.jobs.manager import RunManager
    from mlpcore.jobs.replay.replays import Replays

SECONDS = 60


@dataclass(frozen=True)
class Counting:
    """A view that counts to `end`, a number per time slice, and writes down its name for each."""

    name: str
    end: int = 3
    bytes: int = 0
    written: tuple[list[str], ...] = ()
    recipe: Recipe = SHORT
    gate: threading.Event | None = None

    def __hash__(self) -> int:
        return hash((self.name, self.end, self.bytes, self.recipe))

    @property
    def recipes(self) -> list[Recipe]:
        return [self.recipe]

    def estimate(self, images: ImageCounts) -> int:
        assert images.inputs.size == 3072
        return self.bytes

    @staticmethod
    def count_bytes(result: int) -> int:
        return 8 * result

    def compute(self, images: "DeviceImages", device: "torch.device") -> Generator[float, None, int]:
        assert len(images.train) == 40
        assert device.type == "cpu"
        for number in range(self.end):
            if self.gate is not None:
                assert self.gate.wait(SECONDS)
            for written in self.written:
                written.append(self.name)
            yield number / self.end
        return self.end


@pytest.fixture
def replays(manager: "RunManager") -> Generator["Replays", None, None]:
    yield from make_replays(manager)


def make_replays(manager: "RunManager") -> Generator["Replays", None, None]:
    from mlpcore.jobs.replay.replays import Replays

    replays = Replays(manager, ByteCache(1_000_000))
    yield replays
    replays.shutdown()
    replays.join(SECONDS)


def endless(name: str, **values: object) -> Counting:
    return Counting(name, 10**9, **values)  # type: ignore[arg-type]


def test_a_result_comes_and_no_run_is_stored(replays: "Replays", manager: "RunManager") -> None:
    replay = replays.request(Counting("a", 7), owner=ME)
    assert replay.result.result(SECONDS) == 7
    assert list_runs(manager.store) == []


def test_a_result_is_kept_by_the_value_of_its_view(replays: "Replays") -> None:
    written: list[str] = []
    replays.request(Counting("a", written=(written,)), owner=ME).result.result(SECONDS)
    again = replays.request(Counting("a", written=(written,)), owner=STRANGER)
    assert again.result.done()
    assert written == ["a"] * 3
    replays.request(Counting("a", 4, written=(written,)), owner=ME).result.result(SECONDS)
    assert written == ["a"] * 7


def test_a_page_that_asks_again_gets_the_same_replay(replays: "Replays") -> None:
    first = replays.request(endless("a"), owner=ME)
    assert replays.request(endless("a"), owner=ME) is first
    assert replays.request(endless("a"), owner=STRANGER) is not first
    wait_until(lambda: first.progress > 0)


def test_time_is_shared_by_people_and_not_by_replays(manager: "RunManager") -> None:
    from mlpcore.jobs.replay.replays import Replays

    written: list[str] = []
    replays = Replays(manager, ByteCache(1_000_000), clock=lambda: len(written) / 1000)  # of one ms per slice
    gate = threading.Event()
    mine = [replays.request(endless(name, written=(written,), gate=gate), owner=ME) for name in "abc"]
    other = replays.request(endless("d", written=(written,), gate=gate), owner=STRANGER)
    gate.set()
    wait_until(lambda: all(replay.progress > 0 for replay in (*mine, other)))
    begin = len(written)
    wait_until(lambda: len(written) >= begin + 120)
    counts = {name: written[begin : begin + 120].count(name) for name in "abcd"}
    replays.shutdown()
    replays.join(SECONDS)
    assert counts["d"] == pytest.approx(60, abs=2)
    assert [counts[name] for name in "abc"] == pytest.approx([20, 20, 20], abs=2)


def test_one_person_waits_for_four_at_most(replays: "Replays") -> None:
    for number in range(4):
        replays.request(endless(str(number)), owner=ME)
    with pytest.raises(SentenceError, match="already waiting for 4 views of runs"):
        replays.request(endless("4"), owner=ME)
    replays.request(endless("4"), owner=STRANGER)


def test_a_cancelled_replay_ends_and_is_not_kept(replays: "Replays") -> None:
    replay = replays.request(endless("a"), owner=ME)
    wait_until(lambda: replay.progress > 0)
    replay.cancel()
    with pytest.raises(CancelledError):
        replay.result.result(SECONDS)
    wait_until(lambda: not replay.is_holding)
    assert replay.work is None
    assert replays.request(endless("a"), owner=ME) is not replay


def test_a_replay_that_nobody_asks_for_any_more_ends(manager: "RunManager") -> None:
    from mlpcore.jobs.replay.replays import ABANDONED_SECONDS, Replays

    now = [0.0]
    replays = Replays(manager, ByteCache(1_000_000), clock=lambda: now[0])
    left, watched = (replays.request(endless(name), owner=ME) for name in "ab")
    now[0] = ABANDONED_SECONDS - 1
    assert replays.request(endless("b"), owner=ME) is watched
    now[0] = ABANDONED_SECONDS + 1
    wait_until(left.result.cancelled)
    assert not watched.result.done()
    replays.shutdown()
    replays.join(SECONDS)
    assert watched.result.cancelled()


def test_a_failure_reaches_the_page(replays: "Replays") -> None:
    gone = replays.request(Counting("a", recipe=SHORT.replace(dataset="gone")), owner=ME)
    with pytest.raises(SentenceError, match="gone"):
        gone.result.result(SECONDS)
    assert replays.request(Counting("b"), owner=ME).result.result(SECONDS) == 3


class TestMemory:
    """A replay counts with the runs: 40 images of 3 KB, and 32 MB of scratch memory for each."""

    @pytest.fixture
    def manager(self, store: object, library: object) -> Generator["RunManager", None, None]:
        from mlpcore.jobs.manager import RunManager

        manager = RunManager(store, library, memory=100e6)  # type: ignore[arg-type]
        yield manager
        manager.shutdown()

    def test_one_that_never_fits_is_refused_with_a_sentence(self, replays: "Replays") -> None:
        replay = replays.request(Counting("a", bytes=10**9), owner=ME)
        with pytest.raises(SentenceError, match=r"^This view needs 1\.1 GB of memory, and there are 0\.1 GB"):
            replay.result.result(SECONDS)

    def test_one_that_does_not_fit_beside_a_run_waits_for_its_end(
        self, replays: "Replays", manager: "RunManager"
    ) -> None:
        (run_id,) = submit(manager, LONG)
        wait_for_evaluations(manager, run_id, 1)
        replay = replays.request(Counting("a", bytes=40_000_000), owner=STRANGER)
        wait_until(lambda: replay.waits_for is not None)
        assert str(replay.waits_for).startswith("Waiting for memory: this needs 0.1 GB")
        manager.stop(run_id, owner=ME)
        assert replay.result.result(SECONDS) == 3

    def test_a_person_with_a_run_waits_for_their_own(self, replays: "Replays", manager: "RunManager") -> None:
        (run_id,) = submit(manager, LONG)
        wait_for_evaluations(manager, run_id, 1)
        replay = replays.request(Counting("a"), owner=ME)
        wait_until(lambda: replay.waits_for is not None)
        assert "your other runs use" in str(replay.waits_for)
        manager.stop(run_id, owner=ME)
        assert replay.result.result(SECONDS) == 3

    def test_a_run_waits_for_a_replay_and_starts_after_it(self, replays: "Replays", manager: "RunManager") -> None:
        replay = replays.request(endless("a", bytes=40_000_000), owner=STRANGER)
        wait_until(lambda: replay.progress > 0)
        (run_id,) = submit(manager, SHORT)
        wait_until(lambda: manager.waiting_reason(run_id) is not None)
        assert "Waiting for memory" in str(manager.waiting_reason(run_id))
        replay.cancel()
        (run,) = wait_for_end(manager, run_id)
        assert len(run.evaluations) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives each thread a priority")
def test_the_thread_yields_to_training_and_ends_when_nothing_is_left(replays: "Replays") -> None:
    found: list[int] = []

    @dataclass(frozen=True)
    class Asking(Counting):
        def compute(self, images: "DeviceImages", device: "torch.device") -> Generator[float, None, int]:
            found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            yield from super().compute(images, device)
            return 0

    replays.request(Asking("a"), owner=ME).result.result(SECONDS)
    assert found == [min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)]
    wait_until(lambda: not any(thread.name == "replays" for thread in threading.enumerate()))
    assert replays.request(Counting("b"), owner=ME).result.result(SECONDS) == 3


def test_a_run_that_was_trained_here_is_replayed_from_its_record(replays: "Replays", manager: "RunManager") -> None:
    from mlpcore.training.replay.network import NetworkView
    from mlpcore.training.replay.replay import PastRun

    (run,) = wait_for_end(manager, *submit(manager, SHORT))
    replay = replays.request(NetworkView(PastRun.of(run), 20), owner=ME)
    network = replay.result.result(SECONDS).network
    assert tuple(network.weight_norms()) == run.evaluations[1].weight_norms
