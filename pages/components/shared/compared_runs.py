"""Runs that are shown together, read again at each tick."""

from collections.abc import Sequence

from mlpcore.runs.records import Run
from pages.components.shared.state import read_ended_run


def reload_runs(run_ids: Sequence[str]) -> list[Run]:
    """Return these runs as they are now, without those deleted before they were over.

    A fragment keeps ids instead of runs: it lives as long as its page is open, and a run may have 5,000 evaluations.
    """
    return [run for run_id in run_ids if (run := read_ended_run(run_id)) is not None]
