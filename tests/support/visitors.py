"""A visitor with a browser: the pages they open, the hosts that are asked, and the errors in the console."""

import re
from contextlib import suppress
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    TimeoutError,
    ViewportSize,
    WebError,
    WebSocket,
    expect,
)

from tests.support.servers import Server

WIDE, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)
SECONDS = 60  # within which a page does what is asked, on a busy machine
# Streamlit asks for these below the address of the page first, to find out where it is served
PROBE = re.compile("/[a-z]+/_stcore/(health|host-config)")
OLD = ", ".join(f"{mark}, {mark} *" for mark in ("[data-stale='true']", "[data-retained]"))
expect.set_options(timeout=1000 * SECONDS)


class Visitor:
    """One browser of one person: its pages, the hosts that they sent requests to, and the errors in its console.

    Another visitor may come with the same context once this one has left, which is faster than with a new one.
    """

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.hosts: list[str] = []
        self.errors: list[str] = []
        self.context = context
        self._server = server
        context.set_default_timeout(1000 * SECONDS)
        if not context.pages:  # this one is not the app's and stays: while a page is there, scripts stay compiled
            context.new_page().goto(f"{server.url}/_stcore/health")
        context.on("request", self._note_request)
        context.on("console", self._note_error)
        context.on("weberror", self._note_weberror)

    def open(self, path: str = "", /, **query: object) -> Page:
        """Open a new page at `/path?query`, where something can be started, and wait until it is drawn."""
        page = self.context.new_page()
        page.on("websocket", self._note_request)
        page.goto(f"{self._server.url}/{path}?{urlencode(query, doseq=True)}".rstrip("/?"))
        button(page, f"{path}-start" if path else "start").wait_for()
        settle(page)
        return page

    def check(self) -> None:
        """Check that no page has sent a request to another host or has an error in its console."""
        assert set(self.hosts) == {urlsplit(self._server.url).netloc}
        assert self.errors == [], self.errors

    def leave(self) -> None:
        """Stop the runs on this visitor's pages, which may outlast the test, and leave nothing in the browser."""
        first, *pages = self.context.pages
        for page in pages:
            stop_run(page)
            page.close()
        first.evaluate("localStorage.clear()")
        self.context.clear_cookies()
        self.context.clear_permissions()
        self.context.remove_listener("request", self._note_request)
        self.context.remove_listener("console", self._note_error)
        self.context.remove_listener("weberror", self._note_weberror)

    def _note_error(self, message: ConsoleMessage) -> None:
        is_probe = "404 (Not Found)" in message.text and PROBE.fullmatch(urlsplit(message.location["url"]).path)
        if message.type == "error" and not is_probe:
            self.errors.append(message.text)

    def _note_weberror(self, error: WebError) -> None:
        self.errors.append(str(error.error))

    def _note_request(self, asked: Request | WebSocket) -> None:
        if not asked.url.startswith(("data:", "blob:")):
            self.hosts.append(urlsplit(asked.url).netloc)


def settle(page: Page) -> None:
    """Wait until the script of the page has ended."""
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for()


def fresh(found: Locator) -> Locator:
    """Leave out what Streamlit keeps of the script's last run until this one ends: the twin of what it draws anew."""
    return found.and_(found.page.locator(f":not({OLD})"))


def button(page: Page, key: str) -> Locator:
    """Return the button with this key."""
    return fresh(page.locator(f".st-key-{key} button"))


def stop_run(page: Page) -> None:
    """Stop the run of a page if it goes on."""
    if page.locator(".st-key-stop button:enabled").count():
        with suppress(TimeoutError):  # it has just ended by itself
            button(page, "stop").click(timeout=5_000)
        expect(button(page, "stop")).to_be_disabled()


def revisit(page: Page, **query: object) -> None:
    """Open the playground at another address in the same page, as the browser's Back does: a new page takes seconds.

    query: Not as the app writes it, which is how one sees that it has been read.
    """
    address = f"?{urlencode(query)}"
    page.evaluate("to => { history.pushState(null, '', to); dispatchEvent(new PopStateEvent('popstate')) }", address)
    page.wait_for_function("old => location.search !== old && location.search.includes('optimizer=')", arg=address)
    settle(page)


def follow(page: Page, name: str) -> None:
    """Go to another page of the app by its link, once the images of this page have come: it takes them with it."""
    if button(page, "start").count() and "run=" not in page.url:
        page.locator("img").first.wait_for()  # of the data set, drawn by the first tick after it is loaded
    page.wait_for_function("[...document.images].every(image => image.complete)")
    page.get_by_role("link", name=name).click()
