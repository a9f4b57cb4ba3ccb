"""Fixtures of the browser tests: a real browser, a real server and its visitors."""

import os
from collections.abc import Callable, Generator, Iterator
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.support.chromium import find_chromium, launch_chromium
from tests.support.image_folders import make_tiny, share_cache, share_shapes
from tests.support.servers import Server, serving
from tests.support.visitors import PHONE, WIDE, Visitor


def require_chromium() -> None:
    """Skip the test if there is no Chromium, or fail it where MLPCORE_REQUIRE is set."""
    try:
        find_chromium()
    except FileNotFoundError as error:
        if os.environ.get("MLPCORE_REQUIRE"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="module")  # not the session: while it lives, no other test can run an event loop
def browser() -> Iterator[Browser]:
    """Return the Chromium of a module's tests, in which every visitor gets a context."""
    require_chromium()
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, drawn_shapes: Path) -> Path:
    """Return a folder of data sets with Tiny in it, where Shapes are already drawn."""
    home = tmp_path_factory.mktemp("browser-data")
    make_tiny(home)
    share_shapes(home, drawn_shapes)
    return home


@pytest.fixture
def photographs(data: Path, real_images: Path) -> str:
    """Put the real images among the server's data sets; return their name."""
    link = data / "cifar10-jpeg"
    if not link.is_symlink():  # the data are the session's: another test may have put it there
        link.symlink_to(real_images / link.name, target_is_directory=True)
        share_cache(data, real_images / ".cache" / link.name)
    return link.name


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[Server]:
    """Return the server of all browser tests of this process."""
    require_chromium()
    with serving(tmp_path_factory.mktemp("browser-server"), data=data) as server:
        yield server


@pytest.fixture
def visitors() -> Iterator[list[Visitor]]:
    """Return a test's visitors, who leave at its end and are checked."""
    came: list[Visitor] = []
    yield came
    for visitor in came:
        visitor.leave()
    for visitor in came:
        visitor.check()


@pytest.fixture(scope="module")
def contexts(browser: Browser) -> Callable[[str], BrowserContext]:
    """Return what opens a context of the browser by its name, once: one visitor after the other uses it."""

    @cache
    def open_context(name: str) -> BrowserContext:
        if name == "phone":
            return browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
        return browser.new_context(viewport=WIDE)

    return open_context


@pytest.fixture
def visitor(contexts: Callable[[str], BrowserContext], server: Server, visitors: list[Visitor]) -> Visitor:
    """Return a visitor with a window of 1280 × 800."""
    visitors.append(Visitor(contexts("visitor"), server))
    return visitors[-1]


@pytest.fixture
def stranger(contexts: Callable[[str], BrowserContext], server: Server, visitors: list[Visitor]) -> Visitor:
    """Return another visitor, at another computer."""
    visitors.append(Visitor(contexts("stranger"), server))
    return visitors[-1]


@pytest.fixture(scope="module")
def regular(browser: Browser, server: Server) -> Iterator[Visitor]:
    """Return a visitor who stays for all tests of a module: to open a page takes seconds."""
    visitor = Visitor(browser.new_context(viewport=WIDE), server)
    yield visitor
    visitor.leave()
    visitor.check()


@pytest.fixture
def phone(contexts: Callable[[str], BrowserContext], server: Server, visitors: list[Visitor]) -> Visitor:
    """Return a visitor with a phone, 390 px wide."""
    visitors.append(Visitor(contexts("phone"), server))
    return visitors[-1]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the end of the server's log to a failure."""
    report = yield
    server = getattr(item, "funcargs", {}).get("server")
    if report.failed and server is not None:
        report.sections.append(("server log", server.read_log()[-6000:]))
    return report
