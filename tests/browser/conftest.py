"""Fixtures of the browser tests: a real browser, a real server and its visitors."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.image_folders import make_tiny
from tests.support.servers import Server, serving
from tests.support.visitors import Visitor

CHROMIUM = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")
QUIET = [  # no requests but those of the app leave the browser
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def find_chromium() -> str:
    """Find Chromium; skip the test if there is none, or fail it where MLPCORE_REQUIRE is set."""
    wanted = (os.environ["MLPCORE_BROWSER"],) if "MLPCORE_BROWSER" in os.environ else CHROMIUM
    found = next((path for name in wanted if (path := shutil.which(name))), None)
    if found:
        return found
    reason = f"none of {', '.join(wanted)} is here: install chromium, or name a Chrome in MLPCORE_BROWSER"
    if os.environ.get("MLPCORE_REQUIRE"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")  # not the session: while it lives, no other test can run an event loop
def browser() -> Iterator[Browser]:
    """Return the Chromium of a module's tests, in which every visitor gets a context."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, drawn_shapes: Path) -> Path:
    """Return a folder of data sets with Tiny in it, where Shapes are already drawn."""
    home = tmp_path_factory.mktemp("browser-data")
    make_tiny(home)
    for images in (drawn_shapes / ".cache").iterdir():
        share_cache(home, images)
    return home


def share_cache(home: Path, images: Path) -> None:
    """Let a folder of data sets read and keep the decoded images of one of them in the cache of another folder."""
    images.mkdir(parents=True, exist_ok=True)
    (home / ".cache").mkdir(exist_ok=True)
    (home / ".cache" / images.name).symlink_to(images, target_is_directory=True)


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
    find_chromium()
    with serving(tmp_path_factory.mktemp("browser-server"), data=data) as server:
        yield server


@pytest.fixture
def visitors(server: Server) -> Iterator[list[Visitor]]:
    """Return a test's visitors; at its end none has sent a request to another host or has an error in the console."""
    came: list[Visitor] = []
    yield came
    for visitor in came:
        visitor.leave()
    for visitor in came:
        assert visitor.hosts
        assert set(visitor.hosts) == {urlsplit(server.url).netloc}
        assert visitor.errors == []


@pytest.fixture
def visitor(browser: Browser, server: Server, visitors: list[Visitor]) -> Visitor:
    """Return a visitor with a window of 1280 × 800."""
    visitors.append(Visitor(browser.new_context(viewport={"width": 1280, "height": 800}), server))
    return visitors[-1]


@pytest.fixture
def stranger(browser: Browser, server: Server, visitors: list[Visitor]) -> Visitor:
    """Return another visitor, at another computer."""
    visitors.append(Visitor(browser.new_context(viewport={"width": 1280, "height": 800}), server))
    return visitors[-1]


@pytest.fixture
def phone(browser: Browser, server: Server, visitors: list[Visitor]) -> Visitor:
    """Return a visitor with a phone, 390 px wide."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    visitors.append(Visitor(context, server))
    return visitors[-1]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add the end of the server's log to a failure."""
    report = yield
    server = getattr(item, "funcargs", {}).get("server")
    if report.failed and server is not None:
        report.sections.append(("server log", server.read_log()[-6000:]))
    return report
