"""How the time of a step grows with its work: `python -m tests.benchmarks.growth [--figure FILE.png]`.

Measures a training step over the batch size, the width of the first layer and the number of runs in lockstep, and what
storing and reading an evaluation takes over the number of those stored. Each point is the median of several; `slope` is
the exponent of the growth between a point and the one before: 1 is as fast as the work. With --figure the table is also
drawn, by plotly in a Chromium (MLPCORE_BROWSER).
"""

import argparse
import json
import math
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from mlpcore.data.batches import place_images
from mlpcore.data.datasets import ImageSplit
from mlpcore.recipes.recipe import Adam, Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.training.lockstep import train_cohort
from mlpcore.training.reproducibility import count_threads

BATCHES = (16, 64, 256, 1024, 4096, 16_384, 50_000)
WIDTHS = (16, 64, 256, 1024, 4096)
RUNS = (1, 2, 4, 8, 16, 32, 64)
STORED = (100, 1_000, 10_000, 100_000)
SECONDS = 2.0  # that a point is measured for, at least
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#8C8C8C"
Curve = dict[int, float]  # what grows → milliseconds


def main() -> None:
    """Measure the four curves, print them, and draw them where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--figure", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(count_threads())  # as the app's training thread
    images = draw_images()
    curves = {
        "batch size": {size: time_step([Recipe(batch_size=size)], images) for size in BATCHES},
        "width": {width: time_step([Recipe(hidden_sizes=(width, 64))], images) for width in WIDTHS},
        "runs in lockstep": {count: time_step(vary_rate(count), images) for count in RUNS},
    }
    storing, reading = time_store()
    curves |= {"evaluations stored: adding one": storing, "evaluations stored: reading a run of 60": reading}
    threads, load = torch.get_num_threads(), os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, {threads} threads, torch {torch.__version__}, load {load:.1f}")
    for name, curve in curves.items():
        print(f"\n{name:>24}{'ms':>10}{'slope':>8}")
        before: tuple[int, float] | None = None
        for size, time in curve.items():
            slope = "" if before is None else f"{math.log(time / before[1]) / math.log(size / before[0]):.2f}"
            print(f"{size:>24,}{time:>10.3f}{slope:>8}")
            before = size, time
    if asked.figure:
        draw(curves, asked.figure)


def draw_images() -> tuple[ImageSplit, ImageSplit]:
    """50,000 images of noise: a step takes as long whatever they show."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (50_000, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (50_000,), generator=generator)
    names = tuple("abcdefghij")
    return ImageSplit(pixels, labels, names), ImageSplit(pixels[:100], labels[:100], names)


def vary_rate(count: int) -> list[Recipe]:
    """Recipes of one seed that differ in their rate: what a comparison is made of."""
    return [Recipe(optimizer=Adam(lr=1e-3 / (number + 1))) for number in range(count)]


def time_step(recipes: list[Recipe], images: tuple[ImageSplit, ImageSplit]) -> float:
    """Milliseconds a training step takes for all recipes together, evaluations left out."""
    endless = [recipe.model_copy(update={"train_iter": 200_000, "eval_every": 200_000}) for recipe in recipes]
    placed = place_images(*images, torch.device("cpu"))
    training = train_cohort(endless, placed, device=torch.device("cpu"))
    next(training)  # builds everything
    times: list[float] = []
    began, first = perf_counter(), next(training).step
    while perf_counter() - began < SECONDS or len(times) < 5:
        resumed = perf_counter()
        step = next(training).step
        times.append((perf_counter() - resumed) / (step - first))
        first = step
    training.close()
    return 1000 * statistics.median(times)


def time_store() -> tuple[Curve, Curve]:
    """Milliseconds to add an evaluation, and to read a run of 60, over how many are stored."""
    adding: Curve = {}
    reading: Curve = {}
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(f"sqlite:///{folder}/runs.sqlite3")
        stored = 0
        for target in STORED:
            store.create_many([build_run(f"run{number}") for number in range(stored, target, 60)])
            stored += 60 * len(range(stored, target, 60))
            going_on = Run(f"new{target}", "new", Recipe(train_iter=5000), RunStatus.RUNNING, created=2e9)
            store.create_many([going_on])
            adding[target] = time_adding(store, going_on.id)
            reading[target] = median_time(lambda _n: store.get("run0"))
        store.close()
    return adding, reading


def time_adding(store: RunStore, run_id: str) -> float:
    return median_time(lambda number: store.update(run_id, evaluations=[evaluation(number + 1)]))


def build_run(name: str) -> Run:
    evaluations = tuple(evaluation(10 * number) for number in range(1, 61))
    return Run(name, name, Recipe(), RunStatus.FINISHED, created=1e9, step=600, evaluations=evaluations)


def evaluation(step: int) -> Evaluation:
    return Evaluation(step, 1.5, 1.4, 0.5, 1.6, 0.45, 0.01, 0.1 * step, (1.0, 2.0, 3.0))


def median_time(act: Callable[[int], object], *, times: int = 200) -> float:
    measured = []
    for number in range(times):
        began = perf_counter()
        act(number)
        measured.append(1000 * (perf_counter() - began))
    return statistics.median(measured)


def draw(curves: dict[str, Curve], file: Path) -> None:
    """Draw the curves as small figures in a row, both axes logarithmic; dotted, what grows as fast as the work."""
    from playwright.sync_api import sync_playwright
    from plotly import io, subplots

    from tests.support.chromium import launch_chromium

    figure = subplots.make_subplots(rows=1, cols=4, subplot_titles=[*list(curves)[:3], "evaluations stored"])
    for place, (name, curve) in enumerate(curves.items(), start=1):
        label = name.partition(": ")[2] or "a step"
        (size, time), *_rest = curve.items()
        line: dict[str, Any] = {"type": "scatter", "x": list(curve), "y": list(curve.values()), "name": label}
        line |= {"line": {"color": BLUE if place < 5 else ORANGE}, "showlegend": place > 3}
        if place < 4:
            growing = [time * each / size for each in curve]
            work: dict[str, Any] = {"type": "scatter", "mode": "lines", "x": list(curve), "y": growing}
            work |= {"line": {"color": GREY, "dash": "dot"}, "name": "as fast as the work", "showlegend": place == 3}
            figure.add_trace(work, row=1, col=place)
        figure.add_trace(line, row=1, col=min(place, 4))
    figure.update_xaxes(type="log", dtick=1, exponentformat="power")
    figure.update_yaxes(type="log", dtick=1, exponentformat="power")
    figure.update_yaxes(title_text="ms", col=1)
    figure.update_yaxes(range=[-1, 1], col=4)
    figure.update_layout(template="plotly_white", width=1200, height=320, margin={"l": 60, "r": 20, "t": 40, "b": 30})
    figure.update_layout(legend={"x": 0.99, "y": 0.98, "xanchor": "right", "yanchor": "top"})
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        page = browser.new_page(viewport={"width": 1200, "height": 320})
        page.set_content(io.to_html(json.loads(figure.to_json()), include_plotlyjs=True, config={"staticPlot": True}))
        page.locator(".js-plotly-plot .plot-container").wait_for()
        page.screenshot(path=file)
        browser.close()


if __name__ == "__main__":
    main()
