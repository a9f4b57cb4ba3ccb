"""The server around the pages, asked over HTTP as a browser would."""

import asyncio
import gzip
import http.client
import json
import re
import signal
from collections.abc import Iterator, MutableMapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import plotly
import pytest
from starlette.requests import Request
from starlette.responses import Response

from app import PlotlyScript, ResponseHeaders
from pages.components.shared import live_plot
from tests.support.servers import Server, serving

PLOTLY = f"/assets/plotly-{version('plotly')}.min.js"
INSTALLED = (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_bytes()
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
LISTENING = "0A"
THIS_MACHINE = "0100007F"  # 127.0.0.1, as Linux writes it
PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, data=folder / "data") as server:
        yield server


def ask(
    server: Server, path: str, headers: dict[str, str] | None = None, method: str = "GET"
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def read_header(answer: http.client.HTTPResponse, name: str) -> str:
    value = answer.getheader(name)
    assert value is not None, name
    return value


def split_once(text: str) -> tuple[str, str]:
    first, rest = text.split(" ", 1)
    return first, rest


def test_healthz_answers_while_nobody_has_opened_a_page(server: Server) -> None:
    answer, body = ask(server, "/healthz")
    assert (answer.status, json.loads(body)) == (200, {"status": "ok"})


def test_page_gives_a_browser_a_token_that_scripts_cannot_read(server: Server) -> None:
    answer, _body = ask(server, "/", PAGE)
    assert answer.status == 200
    token, *attributes = read_header(answer, "set-cookie").split("; ")
    assert token.startswith("mlp_owner=")
    assert len(token.removeprefix("mlp_owner=")) == 43  # 32 random bytes in base 64
    assert attributes == ["Path=/", "Max-Age=31536000", "HttpOnly", "SameSite=Lax"]


def test_each_browser_gets_a_token_of_its_own(server: Server) -> None:
    tokens = {ask(server, "/?lr=0.1", PAGE)[0].getheader("set-cookie") for _ in range(3)}
    assert len(tokens) == 3


def test_browser_keeps_its_token_and_each_visit_renews_it_for_a_year(server: Server) -> None:
    token = "mine" * 10 + "_-0"
    answer, _body = ask(server, "/", PAGE | {"Cookie": f"mlp_owner={token}"})
    assert answer.getheader("set-cookie") == f"mlp_owner={token}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"


@pytest.mark.parametrize("cookie", ["mine", "x" * 44, '"' + "x" * 41 + '"', "x" * 42 + "é"])
def test_cookie_that_is_no_token_of_ours_is_replaced(server: Server, cookie: str) -> None:
    answer, _body = ask(server, "/", PAGE | {"Cookie": f"mlp_owner={cookie}"})
    token = read_header(answer, "set-cookie").partition(";")[0].removeprefix("mlp_owner=")
    assert re.fullmatch(r"[\w-]{43}", token, re.ASCII)
    assert token != cookie


@pytest.mark.parametrize(
    ("headers", "secure"),
    [({}, False), ({"X-Forwarded-Proto": "http"}, False), ({"X-Forwarded-Proto": "https"}, True)],
)
def test_token_behind_a_proxy_is_secure_where_the_visitor_uses_https(
    server: Server, headers: dict[str, str], secure: bool
) -> None:
    answer, _body = ask(server, "/", PAGE | headers)
    assert read_header(answer, "set-cookie").endswith("; Secure") == secure


@pytest.mark.parametrize("path", [PLOTLY, "/healthz", "/_stcore/health"])
def test_what_is_no_page_carries_no_token(server: Server, path: str) -> None:
    answer, _body = ask(server, path, {"Accept": "*/*"})
    assert answer.status == 200
    assert "mlp_owner" not in (answer.getheader("set-cookie") or "")


def test_plotly_comes_from_the_installed_package_and_is_kept_a_year(server: Server) -> None:
    answer, body = ask(server, PLOTLY)
    assert body == INSTALLED
    assert answer.getheader("content-type") == "text/javascript; charset=utf-8"
    assert answer.getheader("cache-control") == "public, max-age=31536000, immutable"
    assert answer.getheader("vary") == "accept-encoding"


def test_plotly_is_sent_plain_until_it_is_zipped_and_then_to_those_who_can_unzip_it() -> None:
    script = PlotlyScript()

    def send(accepted: str) -> Response:
        return asyncio.run(
            script.serve(Request({"type": "http", "headers": [(b"accept-encoding", accepted.encode())]}))
        )

    assert bytes(send("gzip, deflate, br").body) == INSTALLED
    script.zip()
    zipped, plain = send("gzip, deflate, br"), send("identity")
    assert gzip.decompress(zipped.body) == bytes(plain.body) == INSTALLED
    encodings = [answer.headers["content-encoding"] for answer in (zipped, plain)]
    assert encodings == ["gzip", "identity"]  # else Streamlit would compress the plain one at each request


@pytest.mark.parametrize("path", ["/", "/compare?lang=ko"])
def test_page_asks_for_plotly_before_it_knows_its_charts(server: Server, path: str) -> None:
    answer, _body = ask(server, path, PAGE)
    assert answer.getheader("link") == f"<{live_plot.SOURCE}>; rel=preload; as=script"
    assert f"/{live_plot.SOURCE}" == PLOTLY  # relative to either address


@pytest.mark.parametrize("path", ["/", "/history", PLOTLY, "/healthz", "/_stcore/health", "/component/none/x.js"])
def test_every_response_forbids_other_hosts_frames_and_guesses_at_its_type(server: Server, path: str) -> None:
    answer, _body = ask(server, path, PAGE)
    policy = dict(split_once(part) for part in read_header(answer, "content-security-policy").split("; "))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'self'"
    sources = {source for sources in policy.values() for source in sources.split()}
    assert sources == {"'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:"}
    assert answer.getheader("x-content-type-options") == "nosniff"
    assert answer.getheader("referrer-policy") == "same-origin"


@pytest.mark.skipif(not TABLES[0].exists(), reason="reads the table of sockets that Linux keeps")
def test_only_this_machine_can_reach_a_server_that_was_told_nothing_else(server: Server) -> None:
    rows = [line.split() for table in TABLES if table.exists() for line in table.read_text().splitlines()[1:]]
    listening = [row[1].rpartition(":") for row in rows if row[3] == LISTENING]
    assert [address for address, _, port in listening if int(port, 16) == server.port] == [THIS_MACHINE]


def test_under_a_base_path_pages_have_all_they_need_and_a_server_asked_to_end_ends_without_an_error(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, data=tmp_path / "data", base="/class/mlp") as server:
        for path in ("/class/mlp/", "/class/mlp/healthz", f"/class/mlp{PLOTLY}"):
            assert ask(server, path, PAGE)[0].status == 200
    assert server.exit_code != -signal.SIGKILL  # nobody had to insist
    assert "Traceback" not in server.read_log()


def answer_of_the_middleware(scope: dict[str, Any], *messages: dict[str, Any]) -> list[MutableMapping[str, Any]]:
    """What leaves ResponseHeaders when the application behind it sends `messages`."""
    sent: list[MutableMapping[str, Any]] = []

    async def application(_scope: object, _receive: object, send: Any) -> None:
        for message in messages:
            await send(message)

    async def receive() -> dict[str, Any]:
        raise AssertionError("the application asks for nothing")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(ResponseHeaders(application)(scope, receive, send))
    return sent


def test_websocket_passes_the_middleware_untouched() -> None:
    accept = {"type": "websocket.accept", "headers": [(b"accept", b"text/html")]}
    scope = {"type": "websocket", "path": "/_stcore/stream", "headers": [(b"accept", b"text/html")]}
    assert answer_of_the_middleware(scope, accept) == [accept]


@pytest.mark.parametrize(
    ("scheme", "forwarded", "secure"),
    [
        ("http", None, False),
        ("https", None, True),
        ("http", "https", True),
        ("http", "https, http", True),
        ("https", "http", False),
    ],
)
def test_token_is_secure_where_the_visitors_connection_is_encrypted(
    scheme: str, forwarded: str | None, secure: bool
) -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": scheme,
        "server": ("class.example", 443),
        "path": "/",
        "query_string": b"",
        "headers": [(b"accept", b"text/html"), *([(b"x-forwarded-proto", forwarded.encode())] if forwarded else [])],
    }
    (started,) = answer_of_the_middleware(scope, {"type": "http.response.start", "status": 200, "headers": []})
    (cookie,) = [value for name, value in started["headers"] if name == b"set-cookie"]
    assert cookie.endswith(b"; Secure") == secure
