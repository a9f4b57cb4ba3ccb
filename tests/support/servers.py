"""A real server for tests: the app in a process of its own, with its own folders for data and runs."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from tests.support.paths import ROOT

START_SECONDS = 60
STOP_SECONDS = 15


class Server:
    """The app, served at `url`; `home` holds its runs, `data` its data sets, `log` what it printed."""

    def __init__(
        self,
        folder: Path,
        *,
        data: Path,
        base: str = "",
        command: Sequence[str] = (sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py")),
        variables: dict[str, str] | None = None,  # of its environment
    ) -> None:
        self.home, self.data, self.log = folder / "home", data, folder / "server.log"
        self._base, self._command, self._variables = base, command, variables or {}
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        data.mkdir(parents=True, exist_ok=True)
        self.port = find_free_port()
        self.url = f"http://127.0.0.1:{self.port}{base}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = ["--server.headless=true", f"--server.port={self.port}", f"--server.baseUrlPath={self._base}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, *options],
                cwd=self.log.parent,
                env=os.environ | {"MLPCORE_HOME": str(self.home), "MLPCORE_DATA": str(self.data)} | self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = monotonic() + START_SECONDS
        while not self._answers():
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)  # between two tries
            if self._process.poll() is not None or monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the server did not start:\n{self.read_log()}")

    @property
    def pid(self) -> int:
        """The id of the server's process."""
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The process's exit code, or minus the number of the signal that ended it; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def kill(self) -> None:
        """Kill the process, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask the process to end, and kill it if it does not."""
        try:
            self._end(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            self.kill()

    def read_log(self) -> str:
        """Return everything that the server printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _end(self, kind: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(kind)
            self._process.wait(STOP_SECONDS)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def serving(folder: Path, *, data: Path, base: str = "", **variables: str) -> Iterator[Server]:
    """Serve the app, with these variables in its environment, until the block ends."""
    server = Server(folder, data=data, base=base, variables=variables)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def find_free_port() -> int:
    """Find a port that nobody listens on, and that no other process of the tests finds meanwhile."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port // 2 % count == own:  # Linux prefers ports of one parity
            return port
