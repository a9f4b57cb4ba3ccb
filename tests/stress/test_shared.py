"""Two processes with one database and one folder of data sets, from the first moment on."""

import sqlite3
from contextlib import closing
from pathlib import Path

from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from tests.stress.killed import check_file, check_history, find_lost
from tests.support.image_folders import make_tiny
from tests.support.trainer_process import Trainer


def wait_for_end(trainer: Trainer) -> None:
    trainer.wait_for(lambda: trainer.is_over)


def test_two_processes_share_a_database_and_a_data_folder_and_every_run_has_one_owner(tmp_path: Path) -> None:
    home, data = tmp_path / "home", tmp_path / "data"
    make_tiny(data)
    with (
        Trainer(home=home, data=data, train_iter=200) as first,
        Trainer(home=home, data=data, train_iter=200) as second,
    ):
        for trainer in (first, second):
            wait_for_end(trainer)
            assert trainer.process.wait(60) == 0
    assert check_file(home / "runs.sqlite3") == "ok"
    with closing(sqlite3.connect(home / "runs.sqlite3")) as connection:
        servers = dict(connection.execute("SELECT id, server FROM runs"))
    assert len(servers) == 8
    owners = [{servers[run_id] for run_id in trainer.run_ids} for trainer in (first, second)]
    assert [len(owner) for owner in owners] == [1, 1]
    assert owners[0].isdisjoint(owners[1])
    with closing(RunStore(f"sqlite:///{home / 'runs.sqlite3'}")) as store:
        for trainer in (first, second):
            runs = [store.get(run_id) for run_id in trainer.run_ids]
            assert [(run.status, run.step) for run in runs] == [(RunStatus.FINISHED, 200)] * 4
            assert find_lost(trainer.said, runs) == []
            for run in runs:
                check_history(run, data)
