"""Serve files over HTTP on the loopback, with switches for what can go wrong on the way."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Served:
    """A file, and what goes wrong with the first `times` requests for it (None: with every request)."""

    content: bytes
    times: int | None = None
    hold_after: int | None = None  # bytes; the rest comes when the server is released
    break_after: int | None = None  # bytes; then the connection ends
    status: int | None = None
    ranges: bool = True
    announced: bool = True  # whether Content-Length is sent
    holding: threading.Event = field(default_factory=threading.Event)


@dataclass
class Request:
    """A request, and how many bytes of the file were sent in response."""

    path: str
    range: str | None
    served: int = 0

    @property
    def start(self) -> int:
        return int(self.range.removeprefix("bytes=").removesuffix("-")) if self.range else 0


class FileServer:
    """Serve `files` by path; `requests` lists all requests in their order."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.requests: list[Request] = []
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def add(self, path: str, content: bytes, **switches: Any) -> str:
        """Serve a file and return its URL."""
        self.files[path] = Served(content, **switches)
        return f"{self.url}{path}"

    def asked(self, path: str) -> list[Request]:
        """List the requests for one path."""
        return [request for request in self.requests if request.path == path]

    def close(self) -> None:
        """Release all responses that are held, and stop."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignore the proxies of the environment."""
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("NO_PROXY", "*")
    server = FileServer()
    yield server
    server.close()


def _handler(server: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            request = Request(self.path, self.headers.get("Range"))
            server.requests.append(request)
            self.close_connection = True
            served = server.files.get(self.path)
            if served is None:
                return self._head(404, {"Content-Length": "0"})
            struck = served.times is None or len(server.asked(self.path)) <= served.times
            if struck and served.status is not None:
                return self._head(served.status, {"Content-Length": "0"})
            start = request.start if served.ranges else 0
            size = len(served.content)
            headers = {"Content-Length": str(size - start)} if served.announced else {}
            if request.range and served.ranges:
                headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
            self._head(206 if request.range and served.ranges else 200, headers)
            body = served.content[start:]
            if struck and served.hold_after is not None:
                self._write(request, body[: served.hold_after])
                served.holding.set()
                server.released.wait()
                return self._write(request, body[served.hold_after :])
            self._write(request, body[: served.break_after] if struck else body)

        def _head(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()

        def _write(self, request: Request, body: bytes) -> None:
            try:
                self.wfile.write(body)
                request.served += len(body)
            except OSError:  # the client has left
                pass

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
