"""What the record of a run says of itself."""

import pytest

from mlpcore.runs.records import RunStatus
from tests.support.stores import run


def test_neither_its_owner_nor_its_traceback_is_written_where_a_run_is_printed() -> None:
    printed = repr(run(owner="browser:5f3a", traceback="Traceback (most recent call last)", note="a note"))
    assert "a note" in printed
    assert "browser:5f3a" not in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("status", RunStatus)
def test_a_run_ended_early_if_it_was_stopped_or_interrupted(status: RunStatus) -> None:
    assert run(status=status).ended_early is (status in {"stopped", "interrupted"})
