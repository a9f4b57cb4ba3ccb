"""Runs as a person meets them: started, watched, zoomed, paused, stopped, found again."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.playground_clicks import (
    LONG,
    NAMED,
    SHORT,
    assert_no_traceback,
    button,
    knob,
    read_run,
    start,
    trace,
    wait_for_points,
    wait_for_rate,
    wait_for_status,
)
from tests.support.servers import serving
from tests.support.visitors import Visitor


def test_started_run_draws_its_curves_until_it_is_finished(visitor: Visitor) -> None:
    page = visitor.open(**SHORT | {"train_iter": 6000, "eval_every": 100, "step_size": 2000})
    start(page)
    first = wait_for_points(page, 1)
    assert first < 60
    wait_for_status(page, "finished")
    wait_for_points(page, 60)
    assert trace(page, "curves", "loss")["x"] == list(range(100, 6001, 100))
    page.wait_for_function(f"({NAMED})('path').data[0].x.length == 60")
    expect(button(page, "start")).to_be_enabled()
    expect(button(page, "stop")).to_be_disabled()


def test_zoom_survives_ticks(visitor: Visitor) -> None:
    page = visitor.open(**LONG)
    start(page)
    before = wait_for_points(page, 3)
    box = page.locator(".st-key-curves .nsewdrag").first.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.2 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], y, steps=5)
    page.mouse.up()
    read_range = f"({NAMED})('curves')._fullLayout.xaxis.range.map(Math.round)"
    page.wait_for_function(f"({read_range})[0] > 0")
    zoomed = page.evaluate(read_range)
    assert zoomed == pytest.approx([20_000, 40_000], rel=0.05)
    page.evaluate(f"({NAMED})('curves').marked = true")
    wait_for_points(page, before + 10)
    assert page.evaluate(read_range) == zoomed
    assert page.evaluate(f"({NAMED})('curves').marked")  # the very same element, drawn into


def test_reload_finds_the_run_again(visitor: Visitor) -> None:
    page = visitor.open(**LONG)
    run_id = start(page)
    before = wait_for_points(page, 3)
    page.reload()
    assert wait_for_points(page, before) >= before
    assert read_run(page) == run_id
    expect(button(page, "stop")).to_be_enabled()


def test_second_page_of_the_same_browser_finds_the_active_run(visitor: Visitor) -> None:
    first = visitor.open(**LONG)
    run_id = start(first)
    second = visitor.open()
    second.wait_for_function("location.search.includes('run=')")
    assert read_run(second) == run_id
    wait_for_points(second, 1)
    button(second, "stop").click()
    wait_for_status(first, "stopped")


def test_stranger_watches_a_run_and_cannot_stop_it(visitor: Visitor, stranger: Visitor) -> None:
    mine = visitor.open(**LONG)
    run_id = start(mine)
    page = stranger.open(dataset="Tiny")
    assert "run=" not in page.url
    page.get_by_role("button", name="1 more running").click()
    page.get_by_role("button", name="Watch").click()
    page.wait_for_function("location.search.includes('run=')")
    assert read_run(page) == run_id
    wait_for_points(page, 1)
    expect(button(page, "stop")).to_be_disabled()
    expect(button(page, "pause")).to_be_disabled()
    expect(button(mine, "stop")).to_be_enabled()


def test_stopped_run_keeps_its_curves(visitor: Visitor) -> None:
    page = visitor.open(**LONG)
    start(page)
    before = wait_for_points(page, 3)
    button(page, "stop").click()
    wait_for_status(page, "stopped")
    assert wait_for_points(page, before) >= before
    page.reload()
    wait_for_status(page, "stopped")
    assert wait_for_points(page, before) >= before


def test_paused_run_waits_and_goes_on(visitor: Visitor) -> None:
    page = visitor.open(**LONG)
    start(page)
    wait_for_points(page, 1)
    button(page, "pause").click()
    wait_for_status(page, "paused")
    before = len(trace(page, "curves", "loss")["x"])
    button(page, "resume").click()
    wait_for_status(page, "running")
    wait_for_points(page, before + 3)


def test_rate_changed_during_a_run_is_marked_and_becomes_part_of_the_recipe(visitor: Visitor) -> None:
    page = visitor.open(**LONG)
    start(page)
    wait_for_points(page, 1)
    knob(page, "SGD.lr.slider").locator("input[type=range]").press("ArrowRight")
    page.wait_for_function(f"({NAMED})('curves').layout.shapes?.length == 1")
    (shape,) = page.evaluate(f"({NAMED})('curves').layout.shapes")
    assert 0 < shape["x0"] < 100_000
    planned = trace(page, "curves", "planned")
    rates = dict(zip(planned["x"], planned["y"], strict=True))
    assert (rates[1], rates[100_000]) == (pytest.approx(0.01), pytest.approx(0.02))
    page.wait_for_function(f"({NAMED})('curves').data.find(trace => trace.uid == 'followed').y.at(-1) == 0.02")


def test_diverged_run_says_why_and_the_next_one_works(visitor: Visitor) -> None:
    page = visitor.open(**SHORT | {"lr": 10})
    start(page)
    wait_for_status(page, "diverged")
    expect(page.get_by_text(re.compile("The loss became infinite or NaN at step"))).to_be_visible()
    assert_no_traceback(page)
    button(page, "lower_lr").click()
    wait_for_rate(page, 1)
    field = page.get_by_label("Learning rate, exact")
    field.fill("0.01")
    field.press("Enter")
    wait_for_rate(page, 0.01)
    start(page)
    wait_for_status(page, "finished")


def test_killed_server_finds_its_runs_at_the_next_start(browser: Browser, data: Path, tmp_path: Path) -> None:
    with serving(tmp_path, data=data) as server:
        visitor = Visitor(browser.new_context(viewport={"width": 1280, "height": 800}), server)
        page = visitor.open(**LONG)
        run_id = start(page)
        wait_for_points(page, 20)
        server.kill()
        page.close()
        server.start()
        page = visitor.open(**LONG, run=run_id)
        wait_for_status(page, "interrupted")
        assert wait_for_points(page, 5) >= 5
        expect(button(page, "start")).to_be_enabled()
        visitor.leave()
