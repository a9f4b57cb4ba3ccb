"""The nginx of deploy/nginx.conf on loopback: the same file, with the ports and folders of a test filled in."""

import os
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import pytest

from tests.support.paths import ROOT
from tests.support.servers import START_SECONDS, STOP_SECONDS, Server, find_free_port

CONFIGURATION = ROOT / "deploy" / "nginx.conf"
MISSING = "nginx is not installed: on Debian, install the package nginx"
FRAME = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{}}
http {{
    include {types};
    access_log off;
    {places}
    include {folder}/playground.conf;
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def find_nginx() -> str | None:
    """Return nginx's program; None if it is not installed. Debian keeps it off the path of ordinary users."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def require_nginx() -> None:
    """Skip the test if nginx is not installed, or fail it where MLPCORE_REQUIRE is set."""
    if find_nginx() is None:
        if os.environ.get("MLPCORE_REQUIRE"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)


class Proxy:
    """The proxy in front of servers, at `url`, with a certificate of its own that no browser knows."""

    def __init__(self, folder: Path, servers: Sequence[Server]) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        plain, self.port = find_free_port(), find_free_port()
        self.url, self.plain_url = f"https://127.0.0.1:{self.port}", f"http://127.0.0.1:{plain}"
        text = CONFIGURATION.read_text(encoding="utf-8")
        places = {f"app-{number}:8501": f"127.0.0.1:{server.port}" for number, server in enumerate(servers, start=1)}
        ports = {"listen 8080": f"listen 127.0.0.1:{plain}", "listen 8443": f"listen 127.0.0.1:{self.port}"}
        for old, new in (places | ports | {"/etc/nginx/certs": str(folder)}).items():
            assert old in text, f"{CONFIGURATION.name} says nothing of {old}"
            text = text.replace(old, new)
        (folder / "playground.conf").write_text(text, encoding="utf-8")
        frame = FRAME.format(
            folder=folder,
            user="user root;" if os.geteuid() == 0 else "",  # others may not read the folders of tests
            types="/etc/nginx/mime.types",
            places="\n    ".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY),
        )
        (folder / "nginx.conf").write_text(frame, encoding="utf-8")
        self._write_certificate()

    def check(self) -> str:
        """Let nginx read its configuration; return what it says of it."""
        done = subprocess.run(self._command("-t"), capture_output=True, text=True, check=False)
        return done.stderr

    def start(self) -> None:
        """Start nginx and wait until it answers."""
        self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL)
        deadline = monotonic() + START_SECONDS
        while not self._answers():
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)  # between two tries
            if self._process.poll() is not None or monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"nginx did not start:\n{(self._folder / 'error.log').read_text()}")

    def stop(self) -> None:
        """End nginx."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(STOP_SECONDS)

    def ask(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Send a GET request over HTTPS; return the status, the headers and the body."""
        request = urllib.request.Request(self.url + path, headers=headers)
        blind = ssl._create_unverified_context()  # nobody has signed this certificate
        try:
            with urllib.request.urlopen(request, timeout=10, context=blind) as answer:
                return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, {name.lower(): value for name, value in refused.headers.items()}, refused.read()

    def _answers(self) -> bool:
        try:
            return self.ask("/healthz")[0] == 200
        except OSError:
            return False

    def _command(self, *options: str) -> list[str]:
        nginx = find_nginx()
        assert nginx is not None, MISSING
        return [nginx, *options, "-p", str(self._folder), "-c", str(self._folder / "nginx.conf")]

    def _write_certificate(self) -> None:
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
        files = ["-keyout", str(self._folder / "privkey.pem"), "-out", str(self._folder / "fullchain.pem")]
        subprocess.run([*command, *files], check=True, capture_output=True)


@contextmanager
def proxied(folder: Path, servers: Sequence[Server]) -> Iterator[Proxy]:
    """Put the proxy in front of servers until the block ends."""
    proxy = Proxy(folder, servers)
    try:
        proxy.start()
        yield proxy
    finally:
        proxy.stop()
