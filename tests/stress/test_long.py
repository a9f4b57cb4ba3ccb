"""The long watch in short: twenty seconds."""

import asyncio
from pathlib import Path

import pytest

from tests.stress.long import Sample, slope, watch
from tests.support.image_folders import make_tiny
from tests.support.process_usage import Usage
from tests.support.servers import serving

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory where Linux keeps it")


def test_run_after_run_leaves_no_thread_and_no_open_file_behind(tmp_path: Path) -> None:
    make_tiny(tmp_path / "data")
    with serving(tmp_path / "server", data=tmp_path / "data") as server:
        seen = asyncio.run(watch(server, seconds=20, every=1))
    assert seen.errors == ()
    assert seen.runs >= 1
    assert len(seen.samples) == 21
    half = seen.samples[10]
    last = [sample.usage for sample in seen.samples[11:]]
    assert min(usage.threads for usage in last) <= half.usage.threads
    assert min(usage.files for usage in last) <= half.usage.files
    assert seen.samples[-1].database > 0


def test_slope_leaves_out_the_first_quarter_and_is_a_line_through_the_rest() -> None:
    samples = [Sample(10.0 * number, Usage(0, 0, 0), 0) for number in range(8)]
    assert slope(samples, [90, 70, 1, 2, 3, 4, 5, 6]) == pytest.approx(360.0)  # 1 every ten seconds
