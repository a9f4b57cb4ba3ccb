"""Resources of a server that trains run after run: six runs, or a hundred with --long."""

import asyncio
from pathlib import Path

import pytest

from tests.stress.long import Sample, slope, watch
from tests.support.image_folders import make_tiny
from tests.support.process_usage import Usage
from tests.support.servers import serving

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory where Linux keeps it")


def test_run_after_run_leaves_no_thread_and_no_open_file_behind(tmp_path: Path, is_long: bool) -> None:
    runs = 100 if is_long else 6
    make_tiny(tmp_path / "data")
    with serving(tmp_path / "server", data=tmp_path / "data") as server:
        seen = asyncio.run(watch(server, runs=runs, every=0.2))
    assert seen.errors == ()
    assert len(seen.after_runs) == runs
    first, last = seen.after_runs[0], seen.after_runs[-1]
    # one left behind by each run would be more; a pool may open a connection at any time, which is three files
    most = min(runs - 2, 8)
    assert last.threads - first.threads <= most
    assert last.files - first.files <= most
    assert seen.samples[-1].database > 0


def test_slope_leaves_out_the_first_quarter_and_is_a_line_through_the_rest() -> None:
    samples = [Sample(10.0 * number, Usage(0, 0, 0), 0) for number in range(8)]
    assert slope(samples, [90, 70, 1, 2, 3, 4, 5, 6]) == pytest.approx(360.0)  # 1 every ten seconds
