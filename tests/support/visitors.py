"""Somebody with a browser: what they open, whom their browser asks, and what it complains about."""

from urllib.parse import urlencode, urlsplit

from playwright.sync_api import BrowserContext, Page, Request, WebSocket, expect

from tests.support.servers import Server

SECONDS = 60  # for anything a page is waited for; two cores may be busy with other things
expect.set_options(timeout=1000 * SECONDS)


class Visitor:
    """One browser of one person: its pages, whom they asked for something and what they complained about."""

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.hosts: list[str] = []
        self.errors: list[str] = []
        self.context = context
        self._server = server
        context.set_default_timeout(1000 * SECONDS)
        context.on("request", self._note_request)
        context.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def open(self, **query: object) -> Page:
        """Open a page of its own at `/?query`, and wait until it is drawn."""
        page = self.context.new_page()
        page.on("websocket", self._note_request)
        page.goto(f"{self._server.url}/?{urlencode(query)}" if query else self._server.url)
        page.locator(".st-key-start button").wait_for()
        settle(page)
        return page

    def leave(self) -> None:
        """Stop the runs that this visitor's pages show, as a run may outlast its test, and close the browser."""
        for page in self.context.pages:
            stop = page.locator(".st-key-stop button:enabled")
            if stop.count():
                stop.click()
                page.locator(".st-key-stop button:disabled").wait_for()
        self.context.close()

    def _note_request(self, asked: Request | WebSocket) -> None:
        if not asked.url.startswith(("data:", "blob:")):
            self.hosts.append(urlsplit(asked.url).netloc)


def settle(page: Page) -> None:
    """Wait until the server has nothing more to say."""
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for()
