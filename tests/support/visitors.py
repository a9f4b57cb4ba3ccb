"""A visitor with a browser: the pages they open, the hosts that are asked, and the errors in the console."""

from urllib.parse import urlencode, urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, WebSocket, expect

from tests.support.servers import Server

SECONDS = 60  # within which a page does what is asked, on a busy machine
expect.set_options(timeout=1000 * SECONDS)


class Visitor:
    """One browser of one person: its pages, the hosts that they sent requests to, and the errors in its console."""

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.hosts: list[str] = []
        self.errors: list[str] = []
        self.context = context
        self._server = server
        context.set_default_timeout(1000 * SECONDS)
        context.on("request", self._note_request)
        context.on("console", self._note_error)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def open(self, **query: object) -> Page:
        """Open a new page at `/?query` and wait until it is drawn."""
        page = self.context.new_page()
        page.on("websocket", self._note_request)
        page.goto(f"{self._server.url}/?{urlencode(query)}" if query else self._server.url)
        page.locator(".st-key-start button").wait_for()
        settle(page)
        return page

    def leave(self) -> None:
        """Stop the runs on this visitor's pages, which may outlast the test, and close the browser."""
        for page in self.context.pages:
            stop = page.locator(".st-key-stop button:enabled")
            if stop.count():
                stop.click()
                page.locator(".st-key-stop button:disabled").wait_for()
        self.context.close()

    def _note_error(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _note_request(self, asked: Request | WebSocket) -> None:
        if not asked.url.startswith(("data:", "blob:")):
            self.hosts.append(urlsplit(asked.url).netloc)


def settle(page: Page) -> None:
    """Wait until the script of the page has ended."""
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for()
