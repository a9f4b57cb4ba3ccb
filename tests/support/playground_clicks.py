"""Clicks on the playground page in a browser, and waiting for what they cause."""

import re
from typing import Any

from playwright.sync_api import Page, expect

SHORT = {"dataset": "Tiny", "train_iter": 300, "eval_every": 50, "step_size": 100, "batch_size": 16}
LONG = {"dataset": "Tiny", "scheduler": "none", "train_iter": 100_000, "eval_every": 100}
NAMED = "key => document.querySelector(`.st-key-${key} .js-plotly-plot`)"


def knob(page: Page, path: str):
    """Return the widget of a knob, for example "SGD.lr.slider" or "train_iter"."""
    return page.locator(f".st-key-knob-{path.replace('.', '-')}")


def button(page: Page, key: str):
    return page.locator(f".st-key-{key} button")


def trace(page: Page, key: str, uid: str) -> dict[str, Any]:
    """Return one trace of a live chart, once it is drawn."""
    page.wait_for_function(f"key => ({NAMED})(key)?.data?.length", arg=key)
    traces = page.evaluate(f"key => ({NAMED})(key).data", key)
    return next(trace for trace in traces if trace["uid"] == uid)


def planned_rate(page: Page) -> float:
    return trace(page, "preview", "schedule")["y"][0]


def wait_for_rate(page: Page, rate: float) -> None:
    """Wait until the schedule preview starts at a learning rate."""
    page.wait_for_function(
        f"rate => Math.abs((({NAMED})('preview')?.data?.[0].y[0] ?? NaN) / rate - 1) < 1e-6", arg=rate
    )


def wait_for_points(page: Page, least: int) -> int:
    """Wait until the loss curve has at least so many points; return how many it has then."""
    page.wait_for_function(
        f"least => (({NAMED})('curves')?.data?.find(trace => trace.uid == 'loss')?.x ?? [])"
        ".filter(step => step !== null).length >= least",
        arg=least,
    )
    return len(trace(page, "curves", "loss")["x"])


def wait_for_status(page: Page, status: str) -> None:
    expect(page.locator(".stMarkdownBadge").first).to_have_text(status)


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
