"""How soon History shows its first rows: `python -m tests.benchmarks.history [ROUNDS]`, in a real Chromium.

Makes a store of 2,000 runs with 60 evaluations each in a temporary folder, opens the playground, and measures from the
click on "History" to the first row of the table, drawn. Each round is a new browser context with an empty cache, then
a second visit of the same page: there the browser has the table's code already.
"""

import os
import random
import statistics
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from mlpcore.recipes.presets import compare_optimizers
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.store import RunStore
from tests.support.chromium import launch_chromium
from tests.support.servers import serving

RUNS, EVALUATIONS = 2_000, 60
IDLE = "[data-testid='stApp'][data-test-script-state='notRunning']"
# Notes when the grid of History's table first holds a cell; the click's own time is noted in the page as well.
WATCH = """
() => {
  window.drawn = new Promise(resolve => {
    const cell = () => document.querySelector('[data-testid="stDataFrame"] [role="gridcell"]');
    const look = () => requestAnimationFrame(() => (cell() ? resolve(performance.now()) : look()));
    const begin = () => { window.clicked = performance.now(); look(); };
    document.addEventListener('click', begin, {capture: true, once: true});
  });
}
"""


def main() -> None:
    """Measure, and print median and spread."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        fill(f"sqlite:///{home / 'runs.sqlite3'}")
        with serving(Path(folder), data=Path(folder) / "data") as server, sync_playwright() as playwright:
            browser = launch_chromium(playwright)
            visit(browser, server.url)  # loads what the server loads once: not counted
            visits = [visit(browser, server.url) for _ in range(rounds)]
    print(f"{RUNS:,} runs of {EVALUATIONS} evaluations, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name, seconds in zip(("empty cache", "second click"), zip(*visits, strict=True), strict=True):
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}, {rounds} rounds"
        print(f"click to first row, {name}: median {statistics.median(seconds):.2f} s ({spread})")


def fill(url: str) -> None:
    """Store runs with made-up histories."""
    rng = random.Random(0)
    recipes = compare_optimizers(Recipe())
    runs = []
    for number in range(RUNS):
        accuracies = sorted(rng.uniform(0.1, 0.6) for _ in range(EVALUATIONS))
        points = tuple(
            Evaluation(50 * n, 2.0 - acc, 2.0 - acc, acc, 2.0 - acc, acc, 0.01, n / 10, (1.0, 1.0, 1.0))
            for n, acc in enumerate(accuracies, start=1)
        )
        recipe = recipes[number % len(recipes)].model_copy(update={"seed": number})
        runs.append(
            Run(f"{number:012x}", f"run {number}", recipe, RunStatus.FINISHED, 1.7e9 + number, evaluations=points)
        )
    with closing(RunStore(url)) as store:
        store.create_many(runs)


def visit(browser: Browser, url: str) -> tuple[float, float]:
    """Seconds from the click on History to its first row, on a browser's first visit and on its second."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(url)
    seconds = []
    for _ in range(2):
        page.locator(".st-key-start button").wait_for()
        page.locator(".st-key-curves .liveplot-ready").wait_for()
        page.locator(IDLE).wait_for()
        page.evaluate(WATCH)
        page.get_by_role("link", name="History").click()
        seconds.append(page.evaluate("async () => await window.drawn - window.clicked") / 1000)
        page.locator(IDLE).wait_for()
        page.get_by_role("link", name="Playground").click()
    context.close()
    return seconds[0], seconds[1]


if __name__ == "__main__":
    main()
