"""Fair shares of the training time, over four seconds, or over a minute with --long."""

from contextlib import closing
from pathlib import Path

import pytest

from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs.manager import RunManager
from mlpcore.runs.store import RunStore
from tests.stress.shares import ENDLESS, share_out
from tests.support.image_folders import make_tiny


def test_sixteen_recipes_of_one_person_leave_half_of_the_time_to_another_s_single_one(
    tmp_path: Path, is_long: bool
) -> None:
    make_tiny(tmp_path / "data")
    recipe = ENDLESS.replace(dataset="Tiny", hidden_sizes=(64,), batch_size=32)
    with closing(RunStore(f"sqlite:///{tmp_path / 'runs.sqlite3'}")) as store:
        manager = RunManager(store, DatasetLoader(lambda: tmp_path / "data"))
        used, steps = share_out(manager, recipe, [16, 1], seconds=60 if is_long else 4)
        manager.shutdown()
    assert used[0] / sum(used) == pytest.approx(0.5, rel=0.2)
    assert min(steps) > 0
