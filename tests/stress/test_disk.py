"""A full disk, and a locked, newer or read-only database: each gets a sentence, and no evaluation is lost."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlpcore.runs.migrations import HEAD
from mlpcore.runs.store import RunStore
from tests.stress.killed import check_file, find_lost
from tests.support.image_folders import make_tiny
from tests.support.paths import ROOT
from tests.support.stores import execute
from tests.support.trainer_process import Said, Trainer

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

if sys.platform != "linux":
    pytest.skip("needs a system where one process limits another's files", allow_module_level=True)
resource = pytest.importorskip("resource")

# Even root is stopped by permissions where it has given up its capabilities.
BOUND = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
A_SMALL_DISK = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    make_tiny(tmp_path / "data")
    return tmp_path / "data"


def go_on_in_trouble(trainer: Trainer, sentence: str) -> None:
    """Wait for the trouble, and for two more evaluations of every run: training does not wait for the disk."""
    trainer.wait_for(lambda: trainer.troubles)
    assert str(trainer.troubles[0]).startswith(sentence)
    aim = len(trainer.said) + 2 * len(trainer.run_ids)
    trainer.wait_for(lambda: len(trainer.said) >= aim)


def assert_all_is_stored(trainer: Trainer, file: Path) -> None:
    """Once the trouble is over, everything measured until then is in the database, which is whole."""
    trainer.wait_for(lambda: trainer.troubles[-1] is None)
    said = list(trainer.said)

    def find_missing() -> list[Said]:
        with closing(RunStore(f"sqlite:///{file}")) as store:
            return find_lost(said, [store.get(run_id) for run_id in trainer.run_ids])

    trainer.wait_for(lambda: find_missing() == [])
    assert check_file(file) == "ok"


def test_files_that_may_not_grow_stop_no_run_and_nothing_is_lost_when_they_may_again(
    tmp_path: Path, data: Path
) -> None:
    file = tmp_path / "home" / "runs.sqlite3"
    with Trainer(home=file.parent, data=data, train_iter=100_000) as trainer:
        trainer.wait_for(lambda: trainer.said)
        _soft, hard = resource.prlimit(trainer.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(trainer.process.pid, resource.RLIMIT_FSIZE, (1, hard))
        go_on_in_trouble(trainer, "The disk of the runs could not be read or written: check whether it is full")
        resource.prlimit(trainer.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        assert_all_is_stored(trainer, file)


def test_a_full_disk_stops_no_run_and_nothing_is_lost_when_there_is_room_again(tmp_path: Path, data: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    mount = f"mount -t tmpfs -o size=400k small {home}"
    if not shutil.which("unshare") or subprocess.run([*A_SMALL_DISK, mount], check=False).returncode:
        pytest.skip("needs a system where a user may mount a small disk in a namespace")
    # the shell in front keeps the namespace, makes room when a line arrives, and at the end brings the database out
    script = f'{mount}; "$@" & read line; mount -o remount,size=64m {home}; wait; cp {home}/runs.sqlite3 {tmp_path}'
    with Trainer(home=home, data=data, train_iter=1200, before=[*A_SMALL_DISK, script, "sh"]) as trainer:
        go_on_in_trouble(trainer, "The disk is full")
        assert trainer.process.stdin is not None
        trainer.process.stdin.write("make room\n")
        trainer.process.stdin.flush()
        trainer.wait_for(lambda: trainer.is_over)
        assert trainer.process.wait(60) == 0
    assert len(trainer.said) == 4 * 30
    assert_all_is_stored(trainer, tmp_path / "runs.sqlite3")


def test_a_database_locked_by_another_process_stops_no_run_and_nothing_is_lost(tmp_path: Path, data: Path) -> None:
    file = tmp_path / "home" / "runs.sqlite3"
    with Trainer(home=file.parent, data=data, train_iter=100_000) as trainer:
        trainer.wait_for(lambda: trainer.said)
        with closing(sqlite3.connect(file, isolation_level=None, timeout=60)) as ours:
            ours.execute("BEGIN IMMEDIATE")
            go_on_in_trouble(trainer, "Another program keeps the database of the runs locked")
        assert_all_is_stored(trainer, file)


def train_bound(home: Path, data: Path) -> subprocess.CompletedProcess[str]:
    """Train from the command line, without the powers of root."""
    command = [*BOUND, sys.executable, "-m", "mlpcore", "train", "--dataset", "Tiny", "--train-iter", "5"]
    environment = os.environ | {"MLPCORE_HOME": str(home), "MLPCORE_DATA": str(data)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(bool(BOUND) and not shutil.which("setpriv"), reason="needs setpriv, to stop root")
@pytest.mark.parametrize("what", ["folder", "database"])
def test_what_is_read_only_gives_a_sentence_and_stays_as_it_was(
    what: str, tmp_path: Path, data: Path, empty_database: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    if what == "database":
        shutil.copy(empty_database, home)
        (home / "runs.sqlite3").chmod(0o400)
    home.chmod(0o500)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    try:
        done = train_bound(home, data)
    finally:
        home.chmod(0o700)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "allow this program to" in done.stderr
    assert str(tmp_path) not in done.stderr
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_a_page_says_that_the_database_is_of_a_newer_version_and_leaves_it_alone(
    tmp_path: Path, open_page: "Callable[..., AppTest]"
) -> None:
    file = tmp_path / "home" / "runs.sqlite3"
    file.parent.mkdir(exist_ok=True)
    with closing(RunStore(f"sqlite:///{file}")) as store:
        execute(store, f"UPDATE alembic_version SET version_num = '{HEAD + 1}'")
    before = file.read_bytes()
    for path in ("", "history.py"):
        page = open_page(path)
        assert not page.exception
        assert ["newer version" in error.value for error in page.error] == [True]
    assert file.read_bytes() == before
