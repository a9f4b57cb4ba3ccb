"""Runs as a person meets them: started, watched, zoomed, paused, stopped, found again."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.support.playground_clicks import (
    LONG,
    SHORT,
    assert_no_traceback,
    find_trace,
    read_run,
    slider,
    start,
    trace,
    wait_for_plot,
    wait_for_points,
    wait_for_rate,
    wait_for_status,
)
from tests.support.servers import Server
from tests.support.visitors import Visitor, button, fresh, revisit, settle, stop_run


@pytest.fixture(scope="module")
def shared_page(regular: Visitor) -> Page:
    """Return a page that the tests of this module share."""
    return regular.open(dataset="Tiny")


@pytest.fixture
def page(shared_page: Page) -> Iterator[Page]:
    """Return the playground as it is before a long run; at its end the runs of the test are stopped."""
    revisit(shared_page, **LONG)
    yield shared_page
    stop_run(shared_page)


def test_started_run_draws_its_curves_until_it_is_finished(page: Page) -> None:
    revisit(page, **SHORT | {"train_iter": 6000, "eval_every": 100, "step_size": 2000})
    start(page)
    first = wait_for_points(page, 1)
    assert first < 60
    wait_for_status(page, "finished")
    wait_for_points(page, 60)
    assert trace(page, "curves", "loss")["x"] == list(range(100, 6001, 100))
    wait_for_plot(page, "path", "plot.data[0].x.length == 60")
    expect(button(page, "start")).to_be_enabled()
    expect(button(page, "stop")).to_be_disabled()


def test_zoom_survives_ticks(page: Page) -> None:
    start(page)
    before = wait_for_points(page, 3)
    box = page.locator(".st-key-curves .nsewdrag").first.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.2 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], y, steps=5)
    page.mouse.up()
    wait_for_plot(page, "curves", "plot._fullLayout.xaxis.range[0] > 1")
    plot = page.locator(".st-key-curves .js-plotly-plot")
    zoomed = plot.evaluate(read_range := "plot => plot._fullLayout.xaxis.range.map(Math.round)")
    assert zoomed == pytest.approx([20_000, 40_000], rel=0.05)
    plot.evaluate("plot => { plot.marked = true }")
    wait_for_points(page, before + 10)
    assert plot.evaluate(read_range) == zoomed
    assert plot.evaluate("plot => plot.marked")  # the very same element, drawn into


def test_reload_finds_the_run_again_and_its_curves_once_it_is_stopped(page: Page) -> None:
    run_id = start(page)
    before = wait_for_points(page, 3)
    page.reload()
    assert wait_for_points(page, before) >= before
    assert read_run(page) == run_id
    button(page, "stop").click()
    wait_for_status(page, "stopped")
    before = wait_for_points(page, before)
    page.reload()
    wait_for_status(page, "stopped")
    assert wait_for_points(page, before) >= before


def test_second_page_of_the_same_browser_finds_the_active_run(page: Page, regular: Visitor) -> None:
    run_id = start(page)
    second = regular.open()
    second.wait_for_function("location.search.includes('run=')")
    assert read_run(second) == run_id
    wait_for_points(second, 1)
    button(second, "stop").click()
    wait_for_status(page, "stopped")
    second.close()


def test_stranger_watches_a_run_and_cannot_stop_it(page: Page, stranger: Visitor) -> None:
    run_id = start(page)
    theirs = stranger.open(dataset="Tiny")
    assert "run=" not in theirs.url
    fresh(theirs.get_by_role("button", name="1 more running")).click()
    fresh(theirs.get_by_role("button", name="Watch")).click()
    theirs.wait_for_function("location.search.includes('run=')")
    assert read_run(theirs) == run_id
    wait_for_points(theirs, 1)
    expect(button(theirs, "stop")).to_be_disabled()
    expect(button(theirs, "pause")).to_be_disabled()
    expect(button(page, "stop")).to_be_enabled()


def test_paused_run_waits_and_goes_on(page: Page) -> None:
    start(page)
    wait_for_points(page, 1)
    button(page, "pause").click()
    wait_for_status(page, "paused")
    before = len(trace(page, "curves", "loss")["x"])
    button(page, "resume").click()
    wait_for_status(page, "running")
    wait_for_points(page, before + 3)


def test_rate_changed_during_a_run_is_marked_and_becomes_part_of_the_recipe(page: Page) -> None:
    start(page)
    wait_for_points(page, 1)
    slider(page, "SGD.lr").press("ArrowRight")
    wait_for_plot(page, "curves", "plot.layout.shapes?.length == 1")
    (shape,) = page.locator(".st-key-curves .js-plotly-plot").evaluate("plot => plot.layout.shapes")
    assert 0 < shape["x0"] < 100_000
    planned = trace(page, "curves", "planned")
    rates = dict(zip(planned["x"], planned["y"], strict=True))
    assert (rates[1], rates[100_000]) == (pytest.approx(0.01), pytest.approx(0.02))
    wait_for_plot(page, "curves", f"{find_trace('followed')}.y.at(-1) == 0.02")


def test_diverged_run_says_why_and_the_next_one_works(page: Page) -> None:
    revisit(page, **SHORT | {"lr": 10})
    start(page)
    wait_for_status(page, "diverged")
    expect(fresh(page.get_by_text(re.compile("The loss became infinite or NaN at step")))).to_be_visible()
    assert_no_traceback(page)
    button(page, "diagnosis-0").click()
    wait_for_rate(page, 0.01)
    start(page)
    wait_for_status(page, "finished")


def test_every_message_is_sent_whole(regular: Visitor, server: Server) -> None:
    """A browser that is referred to a message which it has forgotten stands still for good."""
    received: list[str | None] = []
    page = regular.context.new_page()
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: received.append(find_type(data))))
    page.goto(f"{server.url}/?{urlencode(SHORT | {'train_iter': 6000, 'eval_every': 50})}")
    start(page)
    wait_for_status(page, "finished")
    expect(button(page, "start")).to_be_enabled()
    for rate in (0.02, 0.03, 0.05):  # by the third rerun, charts that stay as they are would be referred to
        slider(page, "SGD.lr").press("ArrowRight")
        wait_for_rate(page, rate)
        settle(page)
    assert received.count("script_finished") > 3
    assert "ref_hash" not in received
    page.close()


def find_type(data: str | bytes) -> str | None:
    return ForwardMsg.FromString(data).WhichOneof("type") if isinstance(data, bytes) else None
