"""A server under a memory limit: two visitors ask for four times as much, or with --long for sixteen times."""

import asyncio
from pathlib import Path

import pytest

from mlpcore.runs.records import RunStatus
from tests.stress.memory import press
from tests.support.image_folders import make_tiny
from tests.support.servers import serving

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory where Linux keeps it")

LIMIT = 400.0  # MB


def test_a_server_stays_within_its_memory_budget(tmp_path: Path, is_long: bool) -> None:
    make_tiny(tmp_path / "data")
    with serving(tmp_path / "server", data=tmp_path / "data", MLPCORE_MEMORY_GB=f"{LIMIT / 1_000:g}") as server:
        rows, schedules = (10, 40) if is_long else (4, 4)
        seen = asyncio.run(press(server, visitors=2, rows=rows, seeds=4 if is_long else 3, schedules=schedules))
    assert seen.errors == ()
    assert seen.statuses == {RunStatus.FINISHED: 2 * rows * (4 if is_long else 3)}
    assert seen.asked > 4 * LIMIT
    assert 0.2 * LIMIT < seen.taken <= 1.1 * LIMIT
