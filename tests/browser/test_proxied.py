"""Two servers over one PostgreSQL behind the nginx of deploy/nginx.conf: one dies, and its visitors carry on."""

import re
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from tests.support.managers import timeless, wait_until
from tests.support.proxies import Proxy, proxied, require_nginx
from tests.support.servers import Server
from tests.support.visitors import WIDE, button, fresh, settle, stop_run

ENDLESS = "dataset=Tiny&scheduler=none&hidden_sizes=512&train_iter=200000&eval_every=200"
SECONDS = 60  # within which something happens, on a busy machine
DEATH_SECONDS = 240  # within which a server counts as dead: its lock must have been free for two minutes


class Deployment:
    """Two servers on hosts of their own, as far as a folder of runs makes one, and the proxy in front of them."""

    def __init__(self, servers: list[Server], proxy: Proxy, store_url: str) -> None:
        self.servers, self.proxy, self.store_url = servers, proxy, store_url

    def find_trainer(self, run_id: str) -> Server | None:
        """Return the server that trains the only run that goes on in it; None if none of them does."""
        with closing(RunStore(self.store_url)) as store:
            if not store.get(run_id).evaluations:
                return None
        return next((server for server in self.servers if read_speed(server) > 0), None)


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


def start_run(browser: Browser, proxy: Proxy) -> tuple[Page, str]:
    """Come with a new browser and start a run; return the page and the run's id."""
    page = browser.new_context(viewport=WIDE, ignore_https_errors=True).new_page()
    page.goto(f"{proxy.url}/?{ENDLESS}")
    button(page, "start").click()
    page.wait_for_function("location.search.includes('run=')")
    return page, shown_run(page)


def shown_run(page: Page) -> str:
    found = re.search(r"[?&]run=(\w+)", page.url)
    assert found is not None
    return found[1]


def start_elsewhere(browser: Browser, deployment: Deployment, taken: Server) -> tuple[Page, str]:
    """Start a run of a visitor whom the proxy sends to the other server: each is sent there with even odds."""
    (other,) = (server for server in deployment.servers if server is not taken)
    for _ in range(12):
        page, run_id = start_run(browser, deployment.proxy)
        with closing(RunStore(deployment.store_url)) as store:
            wait_until(lambda: store.get(run_id).evaluations, timeout=SECONDS)  # noqa: B023
        if read_speed(other) > 0:
            return page, run_id
        stop_run(page)
        page.context.close()
    raise AssertionError("the proxy sends everybody to one server")


@pytest.mark.timeout(600)
def test_one_server_dies_and_its_visitors_carry_on_at_the_other(browser: Browser, deployment: Deployment) -> None:
    page, run_id = start_run(browser, deployment.proxy)
    wait_until(lambda: deployment.find_trainer(run_id), timeout=SECONDS)
    dying = deployment.find_trainer(run_id)
    assert dying is not None
    neighbour, neighbours_run = start_elsewhere(browser, deployment, dying)
    with closing(RunStore(deployment.store_url)) as store:
        dying.kill()
        expect(fresh(page.locator(".st-key-curves"))).to_be_visible()  # at the other server, within seconds
        assert shown_run(page) == run_id

        seen = len(store.get(neighbours_run).evaluations)
        wait_until(lambda: len(store.get(neighbours_run).evaluations) > seen, timeout=SECONDS)
        assert store.get(neighbours_run).status is RunStatus.RUNNING
        expect(button(neighbour, "stop")).to_be_enabled()

        wait_until(lambda: store.get(run_id).status is RunStatus.INTERRUPTED, timeout=DEATH_SECONDS)
        assert store.get(neighbours_run).status is RunStatus.RUNNING
        fresh(page.get_by_role("button", name="Continue from the start")).click()
        page.wait_for_function("old => !location.search.includes(old)", arg=run_id)
        continued = shown_run(page)
        kept = store.get(run_id).evaluations
        wait_until(lambda: store.get(continued).evaluations, timeout=SECONDS)
        again = store.get(continued).evaluations[: len(kept)]
        assert timeless(again) == timeless(kept[: len(again)])

        dying.start()
        settle(page)
        assert deployment.proxy.ask("/healthz")[0] == 200
        expect(fresh(page.get_by_role("heading", level=1))).to_have_text("Playground")
        for one in (page, neighbour):
            stop_run(one)
            one.context.close()


def test_proxy_speaks_https_keeps_the_metrics_to_itself_and_makes_the_cookie_secure(deployment: Deployment) -> None:
    status, headers, _body = deployment.proxy.ask("/", Accept="text/html")
    assert status == 200
    assert headers["set-cookie"].endswith("; Secure")
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert deployment.proxy.ask("/metrics")[0] == 404
    assert read_speed(deployment.servers[0]) == 0.0
    with urllib.request.urlopen(f"{deployment.proxy.plain_url}/healthz", timeout=10) as answer:
        assert answer.status == 200
