"""The app in a frame of another site: shown only where that is allowed, with cookies that survive there."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import require_chromium
from tests.support.file_server import FileServer
from tests.support.playground_clicks import LONG
from tests.support.servers import Server, serving
from tests.support.visitors import WIDE

START, STOP = ".st-key-start button", ".st-key-stop button"


@pytest.fixture(scope="module")
def framed(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[Server]:
    """Return a server that 127.0.0.1 may frame; for a browser, localhost is another site."""
    require_chromium()
    with serving(tmp_path_factory.mktemp("framed"), data=data, MLPCORE_FRAMED_BY="http://127.0.0.1:*") as server:
        yield server


@pytest.fixture
def other_site() -> Iterator[FileServer]:
    site = FileServer()
    yield site
    site.close()


def frame(page: Page, address: str, other_site: FileServer) -> None:
    body = f"<!doctype html><iframe name=app src='{address}' width=1200 height=760></iframe>"
    page.goto(other_site.add("/lesson.html", body.encode()))


def test_a_visitor_in_a_frame_keeps_the_runs_they_started_there(
    browser: Browser, framed: Server, other_site: FileServer
) -> None:
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    frame(page, f"http://localhost:{framed.port}/?{urlencode(LONG)}", other_site)
    app = page.frame("app")
    assert app is not None
    app.locator(START).click()
    app.locator(f"{STOP}:enabled").wait_for()
    cookies = [cookie for cookie in context.cookies() if cookie["domain"] == "localhost"]
    assert {"mlp_owner", "_streamlit_xsrf"} <= {cookie["name"] for cookie in cookies}
    assert {(cookie["sameSite"], cookie["secure"]) for cookie in cookies} == {("None", True)}
    app.goto(app.url)  # only the cookie tells the new page that this visitor owns the run
    app.locator(STOP).click()
    expect(app.locator(STOP)).to_be_disabled()
    context.close()


def test_no_site_can_frame_a_server_that_names_none(browser: Browser, server: Server, other_site: FileServer) -> None:
    context = browser.new_context()
    page = context.new_page()
    with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        frame(page, f"http://localhost:{server.port}/", other_site)
    context.close()
