"""Clicks on the playground page in a browser, and waiting for what they cause."""

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.support.visitors import SECONDS, button, fresh

SHORT = {"dataset": "Tiny", "train_iter": 300, "eval_every": 50, "step_size": 100, "batch_size": 16}
LONG = {"dataset": "Tiny", "scheduler": "none", "train_iter": 100_000, "eval_every": 100}
NAMED = "key => document.querySelector(`.st-key-${key} .js-plotly-plot`)"


def knob(page: Page, path: str) -> Locator:
    """Return the widget of a knob, for example "SGD.momentum" or "train_iter"."""
    return fresh(page.locator(f".st-key-knob-{path.replace('.', '-')}"))


def slider(page: Page, path: str) -> Locator:
    """Return what takes the arrow keys of a knob's slider; a logarithmic one counts the page's own moves in its key."""
    key = f"st-key-knob-{path.replace('.', '-')}"
    return fresh(page.locator(f":is(.{key}, [class*='{key}-slider']) input[type=range]"))


def exact_rate(page: Page) -> Locator:
    """Return the field for the exact learning rate."""
    return fresh(page.get_by_label("Learning rate, exact"))


def trace(page: Page, key: str, uid: str) -> dict[str, Any]:
    """Return one trace of a live chart, once it is drawn."""
    page.wait_for_function(f"key => ({NAMED})(key)?.data?.length", arg=key)
    traces = page.evaluate(f"key => ({NAMED})(key).data", key)
    return next(trace for trace in traces if trace["uid"] == uid)


def wait_for_plot(page: Page, key: str, shows: str) -> None:
    """Wait until a live chart is drawn and an expression in JavaScript holds for it: `plot.data[0].x.length > 3`."""
    page.wait_for_function(f"key => {{ const plot = ({NAMED})(key); return plot?.data?.length && ({shows}) }}", arg=key)


def find_trace(uid: str) -> str:
    """Write how a trace is found in what `wait_for_plot` waits for; where there is none, it has no points."""
    return f"(plot.data.find(trace => trace.uid == '{uid}') ?? {{x: [], y: []}})"


def planned_rate(page: Page) -> float:
    return trace(page, "preview", "schedule")["y"][0]


def wait_for_rate(page: Page, rate: float) -> None:
    """Wait until the schedule preview starts at a learning rate."""
    wait_for_plot(page, "preview", f"Math.abs(plot.data[0].y[0] / {rate} - 1) < 1e-6")


def wait_for_points(page: Page, least: int) -> int:
    """Wait until the loss curve has at least so many points; return how many it has then."""
    wait_for_plot(page, "curves", f"{find_trace('loss')}.x.filter(step => step !== null).length >= {least}")
    return len(trace(page, "curves", "loss")["x"])


def wait_for_status(page: Page, status: str, *, seconds: int = SECONDS) -> None:
    expect(fresh(page.locator(".stMarkdownBadge")).first).to_have_text(status, timeout=1000 * seconds)


def start(page: Page) -> str:
    """Press Start; return the id of the run, which the address then contains."""
    before = page.url
    button(page, "start").click()
    page.wait_for_function("before => location.search.includes('run=') && location.href != before", arg=before)
    return read_run(page)


def read_run(page: Page) -> str:
    found = re.search(r"run=([0-9a-f]+)", page.url)
    assert found is not None, page.url
    return found.group(1)


def assert_no_traceback(page: Page) -> None:
    assert "Traceback" not in page.locator("body").inner_text()
    assert page.locator("[data-testid='stException']").count() == 0
