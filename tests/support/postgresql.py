"""A real PostgreSQL for tests: a cluster of its own in a temporary folder, on loopback, thrown away at the end."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal
from uuid import uuid4

import psycopg
import pytest
from filelock import FileLock

from tests.support.servers import find_free_port

DEBIAN = Path("/usr/lib/postgresql")  # version/bin, which is not on the path
MISSING = "PostgreSQL is not installed: on Debian, install the package postgresql"
SETTINGS = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=''",
    "fsync=off",  # this machine will not lose its power
    "full_page_writes=off",
    "max_connections=60",
)


def find_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest version's; None if it is not installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda file: float(file.parts[-3]))
    return versions[-1].parent if versions else None


class Cluster:
    """A cluster in a folder of its own; `stop` and `start` stand for a restart of the database."""

    def __init__(self, folder: Path, port: int) -> None:
        programs = find_programs()
        assert programs is not None, MISSING
        self.folder, self.port, self._programs = folder, port, programs

    @classmethod
    def create(cls) -> "Cluster":
        """Make a new cluster and start it."""
        folder = Path(tempfile.mkdtemp(prefix="mlpcore-postgresql-"))  # pytest's folders are closed to other users
        if _is_root():
            shutil.chown(folder, _find_user())
        cluster = cls(folder, find_free_port())
        cluster._run("initdb", "--username=test", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
        cluster.start()
        return cluster

    def start(self) -> None:
        """Start the cluster and wait until it answers."""
        options = " ".join([f"-p {self.port}", *(f"-c {setting}" for setting in SETTINGS)])
        self._run("pg_ctl", "start", "--wait", f"--options={options}", f"--log={self.folder / 'log'}")

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop the cluster: "fast" ends its sessions, "immediate" is a crash."""
        self._run("pg_ctl", "stop", "--wait", f"--mode={mode}")

    def remove(self) -> None:
        """Stop the cluster for good and delete its folder."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder)

    @property
    def url(self) -> str:
        """The address of the cluster's database."""
        return f"postgresql+psycopg://test@127.0.0.1:{self.port}/postgres"

    def connect(self, schema: str = "public") -> "psycopg.Connection[tuple]":
        """Connect to the database, each statement in a transaction of its own."""
        address = f"host=127.0.0.1 port={self.port} user=test dbname=postgres options=-csearch_path={schema}"
        return psycopg.connect(address, autocommit=True)

    def count_advisory_locks(self) -> int:
        """Count the advisory locks that sessions hold: one per living process, if nobody migrates."""
        with self.connect() as connection:
            row = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
        assert row is not None
        return int(row[0])

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let no process of the cluster do anything until the block ends; connections stay open."""
        server = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(server, signal.SIGSTOP)  # first, so that it starts no more
        children = [int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()]
        for pid in children:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in (*children, server):
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def without_free_connections(self) -> Iterator[None]:
        """Take every connection of the cluster, also those that the program has, until the block ends."""
        others = "application_name = 'mlp-playground'"
        with self.connect() as own, ExitStack() as taken:
            while True:
                own.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
                with suppress(psycopg.OperationalError):
                    while True:
                        taken.enter_context(self.connect())
                if own.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {others}").fetchone() == (0,):
                    break
            yield

    @contextmanager
    def new_schema(self) -> Iterator[str]:
        """Make an empty schema, return the address of the database with it, and drop it at the end.

        A schema takes 1 ms, a database of its own half a second.
        """
        name = f"test_{uuid4().hex}"
        with self.connect() as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        try:
            yield f"{self.url}?options=-csearch_path%3D{name}"
        finally:
            with self.connect() as connection:
                connection.execute(f"DROP SCHEMA {name} CASCADE")

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs, which refuse to run as root."""
        as_user = ["setpriv", f"--reuid={_find_user()}", "--clear-groups"] if _is_root() else []
        command = [*as_user, str(self._programs / program), f"--pgdata={self.folder / 'data'}", *arguments]
        output = subprocess.DEVNULL  # the server inherits it: a pipe would stay open
        done = subprocess.run(command, cwd=self.folder, stdout=output, stderr=output, check=False)
        if done.returncode:
            log = self.folder / "log"
            raise RuntimeError(f"{program} failed: {log.read_text() if log.exists() else 'no log'}")


def _is_root() -> bool:
    return os.geteuid() == 0


def _find_user() -> str:
    """Return an unprivileged user."""
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def require_postgresql() -> None:
    """Skip the test if PostgreSQL is not installed, or fail it where MLPCORE_REQUIRE is set."""
    if find_programs() is None:
        if os.environ.get("MLPCORE_REQUIRE"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a cluster that all processes of the tests share; the last one removes it."""
    require_postgresql()
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # each process has a folder of its own below
    record, lock = folder / "postgresql.json", FileLock(folder / "postgresql.lock")
    with lock:
        shared = json.loads(record.read_text()) if record.exists() else None
        cluster = Cluster.create() if shared is None else Cluster(Path(shared["folder"]), shared["port"])
        users = 1 if shared is None else shared["users"] + 1
        record.write_text(json.dumps({"folder": str(cluster.folder), "port": cluster.port, "users": users}))
    yield cluster
    with lock:
        shared = json.loads(record.read_text())
        if shared["users"] > 1:
            record.write_text(json.dumps(shared | {"users": shared["users"] - 1}))
        else:
            cluster.remove()
            record.unlink()


@pytest.fixture
def own_postgresql() -> Iterator[Cluster]:
    """Return a cluster of the test's own, to be stopped and started."""
    require_postgresql()
    cluster = Cluster.create()
    yield cluster
    cluster.remove()


@pytest.fixture
def postgresql_url(postgresql: Cluster) -> Iterator[str]:
    """Return the address of the database with an empty schema of the test's own."""
    with postgresql.new_schema() as url:
        yield url
