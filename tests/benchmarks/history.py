"""How soon History shows its first rows, and what storing an evaluation takes: `python -m tests.benchmarks.history`.

Makes a store of 2,000 runs with 60 evaluations each in a temporary folder, opens the playground, and measures from the
click on "History" to the first row of the table, drawn, in a real Chromium. Each round is a new browser context with an
empty cache, then a second visit of the same page: there the browser has the table's code already. `--runs 100000` makes
more runs, `--url postgresql+psycopg://…` keeps them in another database, which is filled if it is empty.
"""

import argparse
import os
import random
import secrets
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from mlpcore.recipes.presets import compare_optimizers
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.schema import EVALUATIONS as EVALUATIONS_TABLE, RUNS as RUNS_TABLE
from mlpcore.runs.store import RunStore
from tests.support.chromium import launch_chromium
from tests.support.servers import serving

RUNS, EVALUATIONS = 2_000, 60
COPIED = 50  # runs
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
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.history")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--url", help="address of the database")
    given = parser.parse_args()
    rounds = given.rounds
    with tempfile.TemporaryDirectory() as folder:
        url = given.url or f"sqlite:///{Path(folder) / 'runs.sqlite3'}"
        with closing(RunStore(url)) as store:
            if store.is_empty():
                fill(store, given.runs)
            count = store.count()
            stored = store_evaluations(store)
        data = Path(folder) / "data"
        with serving(Path(folder), data=data, MLPCORE_STORE=url) as server, sync_playwright() as playwright:
            browser = launch_chromium(playwright)
            visit(browser, server.url)  # loads what the server loads once: not counted
            visits = [visit(browser, server.url) for _ in range(rounds)]
    print(f"{count:,} runs of {EVALUATIONS} evaluations, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name, seconds in zip(("empty cache", "second click"), zip(*visits, strict=True), strict=True):
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}, {rounds} rounds"
        print(f"click to first row, {name}: median {statistics.median(seconds):.2f} s ({spread})")
    median, least, most = (1000 * value for value in (statistics.median(stored), min(stored), max(stored)))
    print(f"storing an evaluation: median {median:.2f} ms ({least:.2f} to {most:.2f}, {len(stored)} times)")


def fill(store: RunStore, count: int) -> None:
    """Store runs with made-up histories: some through the store, and copies of them by the database itself."""
    rng = random.Random(0)
    recipes = compare_optimizers(Recipe())
    runs = []
    for number in range(min(count, COPIED)):
        accuracies = sorted(rng.uniform(0.1, 0.6) for _ in range(EVALUATIONS))
        points = tuple(
            Evaluation(50 * n, 2.0 - acc, 2.0 - acc, acc, 2.0 - acc, acc, 0.01, n / 10, (1.0, 1.0, 1.0))
            for n, acc in enumerate(accuracies, start=1)
        )
        recipe = recipes[number % len(recipes)].model_copy(update={"seed": number})
        created = 1.7e9 + number
        runs.append(Run(f"{number}", f"run {number}", recipe, RunStatus.FINISHED, created, evaluations=points))
    store.create_many(runs)
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count // COPIED - 1})"
    others = {"runs": {"id": "n.i || '-' || id", "created": f"created + {COPIED} * n.i"}}
    others["evaluations"] = {"run_id": "n.i || '-' || run_id"}
    for table in (RUNS_TABLE, EVALUATIONS_TABLE) if count > COPIED else ():
        names = [column.name for column in table.c]
        values = ", ".join(others[table.name].get(name, name) for name in names)
        with store._write() as connection:
            if connection.dialect.name == "postgresql":
                connection.connection.driver_connection.patience = None  # type: ignore[union-attr]
            copied = f"{numbers} SELECT {values} FROM n, {table.name} ORDER BY 1, 2"
            connection.exec_driver_sql(f"INSERT INTO {table.name} ({', '.join(names)}) {copied}")


def store_evaluations(store: RunStore, times: int = 300) -> list[float]:
    """Seconds that each of so many updates with an evaluation takes."""
    run_id, seconds = secrets.token_hex(6), []
    store.create_many([Run(run_id, "stored", Recipe(), RunStatus.RUNNING, time.time())])
    for step in range(1, times + 1):
        evaluation = Evaluation(step, 2.0, 2.0, 0.1, 2.0, 0.1, 0.01, step / 10, (1.0, 1.0, 1.0))
        begin = time.perf_counter()
        store.update(run_id, step=step, seconds=step / 10, evaluations=[evaluation])
        seconds.append(time.perf_counter() - begin)
    store.update(run_id, status=RunStatus.FINISHED)
    return seconds


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
