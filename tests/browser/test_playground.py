"""The playground as a person meets it: a real server, a real browser, real runs."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from serving import serving
from visiting import SECONDS, Visitor

expect.set_options(timeout=1000 * SECONDS)

SHORT = {"dataset": "Tiny", "train_iter": 300, "eval_every": 50, "step_size": 100, "batch_size": 16}
LONG = {"dataset": "Tiny", "scheduler": "none", "train_iter": 100_000, "eval_every": 100}
NAMED = "key => document.querySelector(`.st-key-${key} .js-plotly-plot`)"


def knob(page: Page, path: str):
    """The widget of a knob: "SGD.lr.slider" or "train_iter"."""
    return page.locator(f".st-key-knob-{path.replace('.', '-')}")


def button(page: Page, key: str):
    return page.locator(f".st-key-{key} button")


def trace(page: Page, key: str, uid: str) -> dict[str, Any]:
    """One trace of a live chart, once it is drawn."""
    page.wait_for_function(f"key => ({NAMED})(key)?.data?.length", arg=key)
    traces = page.evaluate(f"key => ({NAMED})(key).data", key)
    return next(trace for trace in traces if trace["uid"] == uid)


def planned_rate(page: Page) -> float:
    return trace(page, "preview", "schedule")["y"][0]


def wait_for_rate(page: Page, rate: float) -> None:
    """Wait until the preview begins at a rate."""
    page.wait_for_function(
        f"rate => Math.abs((({NAMED})('preview')?.data?.[0].y[0] ?? NaN) / rate - 1) < 1e-6", arg=rate
    )


def wait_for_points(page: Page, least: int) -> int:
    """Wait until the loss curve has this many points; how many it has then."""
    page.wait_for_function(
        f"least => (({NAMED})('curves')?.data?.find(trace => trace.uid == 'loss')?.x ?? [])"
        ".filter(step => step !== null).length >= least",
        arg=least,
    )
    return len(trace(page, "curves", "loss")["x"])


def wait_for_status(page: Page, status: str) -> None:
    expect(page.locator(".stMarkdownBadge").first).to_have_text(status)


def start(page: Page) -> str:
    """Press Start; the id of the run, which the address names then."""
    before = page.url
    button(page, "start").click()
    page.wait_for_function("before => location.search.includes('run=') && location.href != before", arg=before)
    return read_run(page)


def read_run(page: Page) -> str:
    return re.search(r"run=([0-9a-f]+)", page.url).group(1)


def assert_no_traceback(page: Page) -> None:
    assert "Traceback" not in page.locator("body").inner_text()
    assert page.locator("[data-testid='stException']").count() == 0


# opening it


def test_cold_deep_link_opens_with_its_knobs_set(visitor: Visitor) -> None:
    page = visitor.open(dataset="Shapes", optimizer="Adam", lr=0.003, train_iter=1500, step_size=500)
    wait_for_rate(page, 0.003)
    assert trace(page, "preview", "drops")["x"] == [501, 1001]
    expect(page.get_by_label("Learning rate, exact")).to_have_value("0.003")
    expect(page.get_by_text("Adam · lr 0.003 · StepLR 500 × 0.5")).to_be_visible()
    assert page.get_by_text("Page not found").count() == 0
    assert page.get_by_role("dialog").count() == 0


def test_address_without_a_query_opens_on_something_worth_looking_at(visitor: Visitor) -> None:
    page = visitor.open()
    expect(page.get_by_text("CIFAR-10 is not on this machine, so these are Shapes")).to_be_visible()
    expect(page.get_by_text("SGD · lr 0.01 · Nesterov 0.9 · StepLR 1,000 × 0.5")).to_be_visible()
    assert planned_rate(page) == pytest.approx(0.01)
    assert page.get_by_role("dialog").count() == 0


def test_invalid_value_in_a_link_is_named_and_the_rest_holds(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny", optimizer="Adam", lr=99, train_iter=700, step_size=100)
    expect(page.get_by_text("lr is 99: it must be a number from 1e-6 to 10.")).to_be_visible()
    assert planned_rate(page) == pytest.approx(0.001)
    assert trace(page, "preview", "schedule")["x"][-1] == 700
    expect(button(page, "start")).to_be_enabled()


# the knobs and the preview


def test_moving_the_rate_redraws_the_preview_and_the_address(visitor: Visitor) -> None:
    page = visitor.open(**SHORT)
    wait_for_rate(page, 0.01)
    knob(page, "SGD.lr.slider").locator("input[type=range]").press("ArrowRight")
    wait_for_rate(page, 0.02)
    page.wait_for_function("location.search.includes('lr=0.02')")
    knob(page, "SGD.lr.slider").locator("input[type=range]").press("ArrowLeft")
    wait_for_rate(page, 0.01)


def test_moving_gamma_redraws_the_preview(visitor: Visitor) -> None:
    page = visitor.open(**SHORT)
    knob(page, "StepLR.gamma").locator("input[type=range]").press("ArrowLeft")
    page.wait_for_function(f"Math.abs(({NAMED})('preview').data[1].y[0] / 0.0045 - 1) < 1e-6")


def test_step_size_past_the_end_is_mended_by_one_click(visitor: Visitor) -> None:
    page = visitor.open(**SHORT | {"step_size": 1000})
    warning = page.get_by_text("step_size is 1,000 and the run has 300 iterations: the rate never drops.")
    expect(warning).to_be_visible()
    button(page, "mend").click()
    expect(warning).to_have_count(0)
    page.wait_for_function(f"({NAMED})('preview').data[1].x.join() == '101,201'")


# the run


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
    expect(page.get_by_text(re.compile("The loss left the range of numbers at step"))).to_be_visible()
    assert_no_traceback(page)
    button(page, "lower_lr").click()
    wait_for_rate(page, 1)
    field = page.get_by_label("Learning rate, exact")
    field.fill("0.01")
    field.press("Enter")
    wait_for_rate(page, 0.01)
    start(page)
    wait_for_status(page, "finished")


def test_what_does_not_fit_the_images_is_named_and_not_started(visitor: Visitor) -> None:
    page = visitor.open(**SHORT | {"train_size": 201})
    expect(page.get_by_text(re.compile("train_size is 201"))).to_be_visible()
    expect(page.locator(".st-key-start button")).to_be_disabled()
    assert_no_traceback(page)


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


# how it looks


def test_wide_window_shows_knobs_preview_start_and_curves_without_scrolling(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny")
    planned_rate(page)
    for part in (".st-key-knob-SGD-lr-slider", ".st-key-preview", ".st-key-start", ".st-key-curves"):
        box = page.locator(part).bounding_box()
        assert box["y"] >= 0, part
        assert box["y"] + box["height"] <= 800, part
        assert box["x"] + box["width"] <= 1280, part


def test_phone_shows_one_column_in_the_order_of_use(phone: Visitor) -> None:
    page = phone.open(dataset="Tiny")
    planned_rate(page)
    trace(page, "curves", "loss")
    boxes = [
        page.locator(part).bounding_box()
        for part in (".st-key-knob-SGD-lr-slider", ".st-key-preview", ".st-key-start", ".st-key-curves")
    ]
    for above, below in pairwise(boxes):
        assert above["y"] + above["height"] <= below["y"]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390


# the lecture


@pytest.mark.timeout(300)
def test_lectures_run_by_clicks_on_real_images(visitor: Visitor, photographs: str) -> None:
    page = visitor.open(dataset="Tiny")
    page.get_by_role("button", name="Images", exact=True).click()
    knob(page, "dataset").locator("input, [role=combobox]").first.click()
    page.get_by_role("option", name=photographs).click()
    page.keyboard.press("Escape")
    expect(page.get_by_text("cifar10-jpeg, all images · 3,000 iterations of 64")).to_be_visible()
    start(page)
    expect(page.locator(".stMarkdownBadge").first).to_have_text("finished", timeout=240_000)
    page.wait_for_function(f"({NAMED})('curves').data.find(trace => trace.uid == 'accuracy').x.at(-1) == 3000")
    assert trace(page, "curves", "accuracy")["y"][-1] > 0.45
