"""The playground as a person meets it: opened, its knobs turned, on a wide window and on a phone."""

import re
from itertools import pairwise

import pytest
from playwright.sync_api import FloatRect, Page, expect

from tests.support.playground_clicks import (
    NAMED,
    SHORT,
    assert_no_traceback,
    button,
    knob,
    planned_rate,
    start,
    trace,
    wait_for_rate,
)
from tests.support.visitors import Visitor

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


def test_step_size_past_the_end_is_fixed_by_one_click(visitor: Visitor) -> None:
    page = visitor.open(**SHORT | {"step_size": 1000})
    warning = page.get_by_text("step_size is 1,000, but the run has 300 iterations: the learning rate never drops.")
    expect(warning).to_be_visible()
    button(page, "apply_fix").click()
    expect(warning).to_have_count(0)
    page.wait_for_function(f"({NAMED})('preview').data[1].x.join() == '101,201'")


def test_what_does_not_fit_the_images_is_named_and_not_started(visitor: Visitor) -> None:
    page = visitor.open(**SHORT | {"train_size": 201})
    expect(page.get_by_text(re.compile("train_size is 201"))).to_be_visible()
    expect(page.locator(".st-key-start button")).to_be_disabled()
    assert_no_traceback(page)


# how it looks


def find_box(page: Page, part: str) -> FloatRect:
    """Where a part of the page is."""
    box = page.locator(part).bounding_box()
    assert box is not None, part
    return box


def test_wide_window_shows_knobs_preview_start_and_curves_without_scrolling(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny")
    planned_rate(page)
    for part in (".st-key-knob-SGD-lr-slider", ".st-key-preview", ".st-key-start", ".st-key-curves"):
        box = find_box(page, part)
        assert box["y"] >= 0, part
        assert box["y"] + box["height"] <= 800, part
        assert box["x"] + box["width"] <= 1280, part


def test_phone_shows_one_column_in_the_order_of_use(phone: Visitor) -> None:
    page = phone.open(dataset="Tiny")
    planned_rate(page)
    trace(page, "curves", "loss")
    boxes = [
        find_box(page, part)
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
