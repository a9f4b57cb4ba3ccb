"""Several tabs watch running runs: five tabs for four seconds, or for a minute with --long."""

import asyncio
from pathlib import Path

import pytest

from tests.stress.crowd import gather, percentile
from tests.support.image_folders import TINY, make_tiny
from tests.support.servers import serving
from tests.support.websocket_guest import Guest

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory where Linux keeps it")


def test_five_tabs_watch_four_runs_without_an_error_and_what_goes_wrong_is_an_error_of_its_tab(
    tmp_path: Path, is_long: bool
) -> None:
    make_tiny(tmp_path / "data")
    with serving(tmp_path / "server", data=tmp_path / "data") as server:
        crowd = asyncio.run(gather(server, sessions=5, seconds=60 if is_long else 4, knobs=TINY))

        async def visit() -> list[str]:
            async with Guest(f"{server.url}/?{TINY}&train_iter=200000") as guest:
                assert guest.errors == []
                await guest.run(click="start")
                server.kill()
                await guest.watch(until=float("inf"))
            return guest.errors

        (error,) = asyncio.run(visit())
    assert crowd.errors == ()
    assert [len(ticks) >= (20 if is_long else 1) for ticks in crowd.ticks] == [True] * 5
    assert min(*crowd.alone, crowd.watched) > 0
    assert error.startswith("ConnectionClosed")


@pytest.mark.parametrize(("share", "value"), [(0.5, 10), (0.95, 19), (1.0, 20)])
def test_percentile_is_the_smallest_value_that_share_does_not_exceed(share: float, value: int) -> None:
    assert percentile(range(1, 21), share) == value
