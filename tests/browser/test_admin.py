"""The admin's page in a browser, for a real server's account: others do not find it, not even at its address."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from mlpcore.runs.store import RunStore
from tests.browser.test_every_page import find_serious
from tests.support.history_page import make_run
from tests.support.servers import Server
from tests.support.visitors import PHONE, WIDE, button, fresh, settle

SECRET = "a secret that only the tests' server knows"
SECRETS = """
[auth]
redirect_uri = "{url}/oauth2callback"
cookie_secret = "{secret}"
client_id = "playground"
client_secret = "not asked for: nobody signs in here"
server_metadata_url = "https://id.example/.well-known/openid-configuration"
"""


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[Server]:
    """Return a server where people sign in, with a run of somebody's."""
    folder = tmp_path_factory.mktemp("named-server")
    server = Server(folder, data=data, variables={"MLPCORE_ADMINS": "https://id.example 42"})
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "secrets.toml").write_text(SECRETS.format(url=server.url, secret=SECRET))
    server.home.mkdir()
    with closing(RunStore(f"sqlite:///{server.home / 'runs.sqlite3'}")) as store:
        store.create_many([make_run("a", owner="browser:0123456789")])
    try:
        server.start()
        yield server
    finally:
        server.stop()


def sign_in(browser: Browser, server: Server, subject: str, size: ViewportSize) -> BrowserContext:
    """Open a browser with the cookie that Streamlit sets once the provider has said who somebody is."""
    account = {"is_logged_in": True, "origin": server.url, "iss": "https://id.example", "sub": subject, "name": subject}
    context = browser.new_context(viewport=size)
    value = create_signed_value(SECRET, "_streamlit_user", json.dumps(account)).decode()
    context.add_cookies([{"name": "_streamlit_user", "value": value, "url": server.url}])
    return context


def open_admin(context: BrowserContext, server: Server) -> Page:
    page = context.new_page()
    page.goto(f"{server.url}/admin")
    settle(page)
    return page


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_an_admin_finds_the_page_and_axe_nothing_serious_in_it(
    browser: Browser, named: Server, size: ViewportSize
) -> None:
    with sign_in(browser, named, "42", size) as context:
        page = open_admin(context, named)
        expect(fresh(page.get_by_role("heading", level=1))).to_have_text("Admin")
        expect(fresh(page.get_by_text("1 row. Tick it to open"))).to_be_visible()
        found = find_serious(page)
        for number in (1, 2):
            fresh(page.locator(".st-key-admin-view")).get_by_role("radio").nth(number).click()
            found += find_serious(page)
        assert found == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_same_address_shows_others_no_admins_page(browser: Browser, named: Server) -> None:
    with sign_in(browser, named, "43", WIDE) as context:
        page = open_admin(context, named)
        expect(page.get_by_role("dialog")).to_contain_text("Page not found")
        expect(button(page, "start")).to_be_visible()
        expect(page.get_by_role("link", name="Admin")).to_have_count(0)
    with browser.new_context(viewport=WIDE) as context:
        page = open_admin(context, named)
        expect(button(page, "sign_in")).to_be_visible()
        expect(page.locator("h1")).to_have_text("Playground")
