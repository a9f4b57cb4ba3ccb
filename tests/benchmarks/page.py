"""How soon one sees something: `python -m tests.benchmarks.page [ROUNDS]`, on a real server in a real Chromium.

Prints medians and spread of: `streamlit run` to the first knob painted and to a usable page (knobs, schedule and empty
curves there), Start to the first point on Shapes once loaded, a slider's release to the repainted schedule, and
iterations a second with no page and with one open.
"""

import os
import sqlite3
import statistics
import sys
import tempfile
from pathlib import Path
from time import monotonic

from playwright.sync_api import Page, sync_playwright

from tests.stress.crowd import percentile
from tests.support.chromium import launch_chromium
from tests.support.servers import Server

POINTS = "document.querySelector('.st-key-curves .js-plotly-plot')?.data?.[0]?.x?.filter((x) => x !== null).length ?? 0"
SHOWN = "document.querySelector('.st-key-curves .js-plotly-plot')?.layout?.uirevision ?? ''"  # the run's id
RATE = "document.querySelector('.st-key-preview .js-plotly-plot')?.data?.[0]?.y?.[0] ?? 0"
STARTS, SLIDES = 7, 20  # a round
LONG = "/?dataset=Shapes&optimizer=SGD&scheduler=StepLR&train_iter=200000&eval_every=200"


def main() -> None:
    """Measure, and print one line a figure."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder, browser = Path(name), launch_chromium(playwright)
        for number in range(rounds + 1):  # the first one draws Shapes and fills the caches: not counted
            server = Server(folder / f"server-{number}", data=folder / "data")
            began = monotonic()
            server.start()
            context = browser.new_context(viewport={"width": 1280, "height": 800})
            page = context.new_page()
            page.goto(server.url)
            page.locator(".st-key-knob-optimizer").wait_for()
            painted = monotonic() - began
            page.locator(".st-key-curves .liveplot-ready").wait_for()
            page.locator(".st-key-preview .liveplot-ready").wait_for()
            usable = monotonic() - began
            page.get_by_text("press Start").wait_for()
            measured = {"streamlit run to first knob, s": painted, "to usable, s": usable}
            measured["Start to first point, the server just begun, s"] = time_start(page)
            stop_run(page)
            page.wait_for_timeout(9000)  # until the server has loaded what it loads behind the first page
            for key in ("ArrowRight", "ArrowLeft") * (SLIDES // 2):
                figures.setdefault("slider to schedule, s", []).append(time_slider(page, key))
            for _ in range(STARTS):
                figures.setdefault("Start to first point, s", []).append(time_start(page))
                stop_run(page)
            measured |= measure_speed(page, server)
            context.close()
            server.stop()
            for figure, value in measured.items():
                figures.setdefault(figure, []).append(value)
        browser.close()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{rounds} rounds, {os.cpu_count()} cores, load average {load}")
    for name, values in figures.items():
        counted = values[len(values) // (rounds + 1) :]  # without the first round's
        late = f", 95 % within {percentile(counted, 0.95):.2f}" if len(counted) >= SLIDES else ""
        print(f"{name:<48} median {statistics.median(counted):8.2f}   {min(counted):.2f} to {max(counted):.2f}{late}")


def time_slider(page: Page, key: str) -> float:
    """Press that arrow key on the learning rate's slider and wait until the schedule shows the new rate."""
    before = page.evaluate(RATE)
    page.locator(".st-key-knob-SGD-lr-slider input[type=range]").focus()
    began = monotonic()
    page.keyboard.press(key)
    page.wait_for_function(f"({RATE}) !== {before}", polling=10)
    return monotonic() - began


def stop_run(page: Page) -> None:
    """Stop the run that is shown, and wait until another one can be started."""
    page.locator(".st-key-stop button:enabled").click()
    page.locator(".st-key-start button:enabled").wait_for()


def time_start(page: Page) -> float:
    """Press Start and wait for the first point in the live chart."""
    before = page.evaluate(SHOWN)
    began = monotonic()
    page.locator(".st-key-start button").click()
    page.wait_for_function(f"({SHOWN}) !== {before!r} && ({POINTS}) > 0", polling=10)
    return monotonic() - began


def measure_speed(page: Page, server: Server) -> dict[str, float]:
    """Compare a long run's speed while its page is open with its speed while no page is, in turns."""
    page.goto(f"{server.url}{LONG}")
    page.locator(".st-key-start button:enabled").click()
    page.wait_for_function(f"({POINTS}) > 0", polling=50)
    address = page.url
    speeds: dict[str, list[float]] = {"open": [], "none": []}
    for _ in range(3):
        page.goto(address)
        page.locator(".st-key-curves .liveplot-ready").wait_for()
        speeds["open"].append(count_speed(page, server))
        page.goto("about:blank")
        speeds["none"].append(count_speed(page, server))
    page.goto(address)
    page.locator(".st-key-stop button:enabled").click()
    page.locator(".st-key-start button:enabled").wait_for()
    alone, watched = statistics.median(speeds["none"]), statistics.median(speeds["open"])
    return {"it/s, no page": alone, "it/s, one page open": watched, "one page over no page": watched / alone}


def count_speed(page: Page, server: Server) -> float:
    """Read the steps that the store has at the beginning and at the end of six seconds."""
    page.wait_for_timeout(2500)  # what has just been opened or closed settles
    began, first = monotonic(), read_step(server)
    page.wait_for_timeout(6000)
    return (read_step(server) - first) / (monotonic() - began)


def read_step(server: Server) -> int:
    """The step of the newest run, as stored: at most half a second old."""
    with sqlite3.connect(server.home / "runs.sqlite3") as connection:
        (step,) = connection.execute("SELECT step FROM runs ORDER BY created DESC LIMIT 1").fetchone()
    return step


if __name__ == "__main__":
    main()
