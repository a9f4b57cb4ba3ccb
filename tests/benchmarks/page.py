"""How soon one sees something: `python -m tests.benchmarks.page [ROUNDS]`, on a real server in a real Chromium.

Prints medians and spread of: `streamlit run` to the first knob, to the first chart and to a usable page (knobs,
schedule and empty curves there), beside two other apps with one chart, one of which imports torch; Start to the first
point on Shapes once loaded; a slider's release to the repainted schedule; and iterations a second with no page and with
one open. The apps take turns, each round in another order, and a ratio compares the starts of one round.
`--starts` measures the starts only.
"""

import argparse
import os
import sqlite3
import statistics
import sys
import tempfile
from pathlib import Path
from time import monotonic

from playwright.sync_api import Browser, Page, sync_playwright

from tests.stress.crowd import percentile
from tests.support.chromium import launch_chromium
from tests.support.paths import ROOT
from tests.support.servers import Server

FIRST_CHART = ".js-plotly-plot .scatterlayer .js-line"  # Streamlit's own charts and ours are both Plotly's
TRACE = "document.querySelector('.st-key-curves .js-plotly-plot')?.data?.find((trace) => trace.uid === 'loss')"
POINTS = f"{TRACE}?.x?.filter((x) => x !== null).length ?? 0"
SHOWN = "document.querySelector('.st-key-curves .js-plotly-plot')?.layout?.uirevision ?? ''"  # the run's id
RATE = "document.querySelector('.st-key-preview .js-plotly-plot')?.data?.[0]?.y?.[0] ?? 0"
STARTS, SLIDES = 7, 20  # a round
SECONDS = 120  # within which a busy machine has drawn a page
LONG = "/?dataset=Shapes&optimizer=SGD&scheduler=StepLR&train_iter=200000&eval_every=200"
BARE = """
import plotly.graph_objects as go
import streamlit as st

rates = [0.01 * 0.1 ** (step // 1000) for step in range(3000)]
st.plotly_chart(go.Figure(go.Scatter(y=rates)))
"""
NAIVE = """
import plotly.graph_objects as go
import streamlit as st
import torch

optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1000)
rates = []
for _ in range(3000):
    rates.append(scheduler.get_last_lr()[0])
    optimizer.step()
    scheduler.step()
st.plotly_chart(go.Figure(go.Scatter(y=rates)))
"""

Figures = dict[str, float]


def main() -> None:
    """Measure, and print one line a figure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.page", description=__doc__.splitlines()[0])
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    parser.add_argument("--starts", action="store_true", help="how soon the first chart appears, nothing else")
    asked = parser.parse_args()
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder, browser = Path(name), launch_chromium(playwright)
        for number in range(asked.rounds + 1):
            for figure, values in measure_round(folder, browser, number, starts_only=asked.starts).items():
                if number:  # the first round draws Shapes and fills the caches: not counted
                    figures.setdefault(figure, []).extend(values)
        browser.close()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{asked.rounds} rounds, {os.cpu_count()} cores, load average {load}")
    for name, values in figures.items():
        late = f", 95 % within {percentile(values, 0.95):.2f}" if len(values) >= SLIDES else ""
        print(f"{name:<48} median {statistics.median(values):8.2f}   {min(values):.2f} to {max(values):.2f}{late}")


def measure_round(folder: Path, browser: Browser, number: int, *, starts_only: bool) -> dict[str, list[float]]:
    """Start each app once, in an order that depends on the round's number, and use ours."""
    figures: dict[str, list[float]] = {}
    apps = {"ours": ROOT / "app.py", "bare": folder / "bare.py", "naive": folder / "naive.py"}
    apps["bare"].write_text(BARE)
    apps["naive"].write_text(NAIVE)
    charts: Figures = {}
    for place in range(len(apps)):
        app = list(apps)[(number + place) % len(apps)]
        command = [sys.executable, "-m", "streamlit", "run", str(apps[app])]
        server = Server(folder / f"{app}-{number}", data=folder / "data", command=command)
        context = browser.new_context(viewport={"width": 1280, "height": 800})  # with an empty cache
        context.set_default_timeout(SECONDS * 1000)
        page = context.new_page()
        began = monotonic()
        server.start()
        figures[f"streamlit run to first answer, {app}, s"] = [monotonic() - began]
        page.goto(server.url, wait_until="commit")
        if app == "ours":
            page.locator(".st-key-knob-optimizer").wait_for()
            figures["streamlit run to first knob, ours, s"] = [monotonic() - began]
        page.locator(FIRST_CHART).first.wait_for(state="attached")
        charts[app] = monotonic() - began
        figures[f"streamlit run to first chart, {app}, s"] = [charts[app]]
        if app == "ours":
            page.locator(".st-key-curves .liveplot-ready").wait_for()
            page.locator(".st-key-preview .liveplot-ready").wait_for()
            page.locator(".st-key-start button:enabled").wait_for()
            figures["streamlit run to usable, ours, s"] = [monotonic() - began]
            if not starts_only:
                figures |= use(page, server)
        context.close()
        server.stop()
    return figures | {f"first chart, {app} over bare": [charts[app] / charts["bare"]] for app in ("ours", "naive")}


def use(page: Page, server: Server) -> dict[str, list[float]]:
    """Press Start, move a slider, and compare a long run's speed with a page open and with none."""
    page.get_by_text("look at the schedule, and press Start").wait_for()
    figures = {"Start to first point, the server just begun, s": [time_start(page)]}
    stop_run(page)
    page.wait_for_timeout(9000)  # until the server has loaded what it loads behind the first page
    figures["slider to schedule, s"] = [time_slider(page, key) for key in ("ArrowRight", "ArrowLeft") * (SLIDES // 2)]
    starts = figures["Start to first point, s"] = []
    for _ in range(STARTS):
        starts.append(time_start(page))
        stop_run(page)
    return figures | {figure: [value] for figure, value in measure_speed(page, server).items()}


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


def measure_speed(page: Page, server: Server) -> Figures:
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
