"""Two servers over one PostgreSQL behind the nginx of deploy/nginx.conf."""

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.image_folders import TINY
from tests.support.proxies import Proxy, proxied, require_nginx
from tests.support.servers import Server

ENDLESS = f"dataset={TINY}&scheduler=none&hidden_sizes=16&train_iter=200000&eval_every=200"
SECONDS = 60  # within which something happens, on a busy machine


class Deployment:
    """Two servers on hosts of their own, as far as a folder of runs makes one, and the proxy in front of them."""

    def __init__(self, servers: list[Server], proxy: Proxy, store_url: str) -> None:
        self.servers, self.proxy, self.store_url = servers, proxy, store_url


@pytest.fixture
def deployment(tmp_path: Path, data: Path, postgresql_url: str) -> Iterator[Deployment]:
    require_nginx()
    variables = {"MLPCORE_STORE": postgresql_url, "STREAMLIT_SERVER_COOKIE_SECRET": "the same on both servers"}
    servers = [Server(tmp_path / name, data=data, variables=variables) for name in ("one", "two")]
    try:
        for server in servers:
            server.start()
        with proxied(tmp_path / "proxy", servers) as proxy:
            yield Deployment(servers, proxy, postgresql_url)
    finally:
        for server in servers:
            server.stop()


def read_speed(server: Server) -> float:
    """Ask the server itself, past the proxy, how many iterations it trains per second."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=SECONDS) as answer:
        found = re.search(r"^mlpcore_steps_per_second (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found is not None
    return float(found[1])


def test_proxy_speaks_https_keeps_the_metrics_to_itself_and_makes_the_cookie_secure(deployment: Deployment) -> None:
    status, headers, _body = deployment.proxy.ask("/", Accept="text/html")
    assert status == 200
    assert headers["set-cookie"].endswith("; Secure")
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert deployment.proxy.ask("/metrics")[0] == 404
    assert read_speed(deployment.servers[0]) == 0.0
    with urllib.request.urlopen(f"{deployment.proxy.plain_url}/healthz", timeout=10) as answer:
        assert answer.status == 200
