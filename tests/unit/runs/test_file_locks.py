"""Who is alive on SQLite: whoever holds the lock on a file of their own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from mlpcore.runs.servers.file_locks import FileLocks


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_whoever_holds_no_lock_is_dead_and_their_file_is_deleted(tmp_path: Path, connection: Connection) -> None:
    mine, other = FileLocks(tmp_path), FileLocks(tmp_path)
    alive = other.announce()
    (tmp_path / "killed.lock").touch()
    (tmp_path / "cleared.lock").symlink_to(tmp_path / "nowhere")  # as if another process had just deleted it
    assert mine.find_dead({alive, "killed", "cleared", "long gone"}, connection) == {"killed", "cleared", "long gone"}
    assert not (tmp_path / "killed.lock").exists()
    other.close()
    assert mine.find_dead({alive}, connection) == {alive}


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such rights there")
def test_only_the_user_of_the_process_may_open_its_file(tmp_path: Path) -> None:
    token = FileLocks(tmp_path).announce()
    assert (tmp_path / f"{token}.lock").stat().st_mode & 0o777 == 0o600
