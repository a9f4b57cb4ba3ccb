"""The tutorials in docs/: their steps, each with a link that opens the app and a picture of what it shows then.

`python -m tests.support.tutorials [PICTURE …]` takes the pictures, or those named: it opens each link on a server of
its own, presses the buttons that a comment after the picture names, waits until nothing trains or moves, and writes the
picture beside the tutorial.
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.chromium import launch_chromium
from tests.support.paths import ROOT
from tests.support.servers import Server, serving
from tests.support.visitors import WIDE, button, settle

FOLDER = ROOT / "docs/tutorials"
APP = "http://localhost:8501"
LINK = re.compile(rf"\]\({APP}/([^)]*)\)")
PICTURE = re.compile(r"!\[[^\]]+\]\(([\w-]+\.png)\)(?:<!-- press ([\w -]+) -->)?")
MINUTES = 10  # within which what a step starts has ended, on a slow machine


@dataclass(frozen=True)
class Step:
    """A step of a tutorial: the address below the app's, the picture's file and the buttons to press for it."""

    address: str
    picture: Path
    buttons: tuple[str, ...]

    @property
    def page(self) -> str:
        """The page that the link opens; "" is the playground."""
        return urlsplit(self.address).path

    @property
    def query(self) -> dict[str, str]:
        """What the link says, by name."""
        return {name: value for name, (value,) in parse_qs(urlsplit(self.address).query).items()}


def list_steps() -> Iterator[Step]:
    """List the steps of all tutorials; each has one link, followed by one picture."""
    for file in sorted(FOLDER.glob("*.md")):
        for section in file.read_text(encoding="utf-8").split("\n## ")[1:]:
            links, pictures = LINK.findall(section), PICTURE.findall(section)
            if not links and not pictures:
                continue
            ((picture, buttons),) = pictures
            yield Step(links[0], FOLDER / picture, tuple(buttons.split()))


def take_picture(browser: Browser, server: Server, step: Step) -> None:
    """Open a step as its link does, press its buttons, and write the picture once nothing trains."""
    context = browser.new_context(viewport=WIDE, color_scheme="light", locale="en")
    page = context.new_page()
    page.goto(f"{server.url}/{step.address}")
    page.locator("[data-testid='stHeading'], .stMarkdown").first.wait_for()
    settle(page)
    for key in step.buttons:
        button(page, key).click()
        stop = page.get_by_role("button", name="Stop", exact=True).and_(page.locator(":enabled"))
        stop.first.wait_for()
        expect(stop).to_have_count(0, timeout=MINUTES * 60_000)
        settle(page)
    page.mouse.move(0, 0)
    shown = b""
    while shown != (shown := page.screenshot()):  # a browser loads the code of widgets and charts late
        page.wait_for_timeout(1000)
    Image.open(BytesIO(shown)).convert("RGB").quantize(128).save(step.picture, optimize=True)
    context.close()


def main() -> None:
    """Take the pictures."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        with serving(Path(folder), data=Path(folder) / "data") as server:
            for step in list_steps():
                if sys.argv[1:] and step.picture.name not in sys.argv[1:]:
                    continue
                take_picture(browser, server, step)
                print(step.picture.name)


if __name__ == "__main__":
    main()
