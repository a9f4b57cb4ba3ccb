"""The Chromium of this machine, started so that no requests but those of the app leave it."""

import os
import shutil

from playwright.sync_api import Browser, Playwright

NAMES = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--process-per-site",  # the pages of a visitor share their compiled scripts: to open one takes half as long
]


def find_chromium() -> str:
    """Find Chromium, or the browser that MLPCORE_BROWSER names. Raises FileNotFoundError where it is missing."""
    wanted = (os.environ["MLPCORE_BROWSER"],) if "MLPCORE_BROWSER" in os.environ else NAMES
    found = next((path for name in wanted if (path := shutil.which(name))), None)
    if found is None:
        names = ", ".join(wanted)
        raise FileNotFoundError(f"none of {names} is here: install chromium, or name a Chrome in MLPCORE_BROWSER")
    return found


def launch_chromium(playwright: Playwright) -> Browser:
    """Start Chromium."""
    return playwright.chromium.launch(executable_path=find_chromium(), args=QUIET)
