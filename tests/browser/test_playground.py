"""The playground as a person meets it: opened, its knobs turned, on a wide window and on a phone."""

import re
from itertools import pairwise

import pytest
from playwright.sync_api import FloatRect, Page, expect

from tests.support.playground_clicks import (
    SHORT,
    assert_no_traceback,
    exact_rate,
    find_trace,
    knob,
    planned_rate,
    slider,
    start,
    trace,
    wait_for_plot,
    wait_for_rate,
    wait_for_status,
)
from tests.support.visitors import Visitor, button, fresh, revisit

LR = "[class*='st-key-knob-SGD-lr-slider']"

# opening it


def test_cold_deep_link_opens_with_its_knobs_set(visitor: Visitor) -> None:
    page = visitor.open(dataset="Shapes", optimizer="Adam", lr=0.003, train_iter=1500, step_size=500)
    wait_for_rate(page, 0.003)
    assert trace(page, "preview", "drops")["x"] == [501, 1001]
    expect(exact_rate(page)).to_have_value("0.003")
    expect(fresh(page.get_by_text("Adam · lr 0.003 · StepLR 500 × 0.5"))).to_be_visible()
    assert page.get_by_text("Page not found").count() == 0
    assert page.get_by_role("dialog").count() == 0


def test_address_without_a_query_opens_on_something_worth_looking_at(visitor: Visitor) -> None:
    page = visitor.open()
    expect(fresh(page.get_by_text("CIFAR-10 is not on this machine, so these are Shapes"))).to_be_visible()
    expect(fresh(page.get_by_text("SGD · lr 0.01 · Nesterov 0.9 · StepLR 1,000 × 0.5"))).to_be_visible()
    assert planned_rate(page) == pytest.approx(0.01)
    assert page.get_by_role("dialog").count() == 0


# the knobs and the preview


@pytest.fixture(scope="module")
def page(regular: Visitor) -> Page:
    """Return a page that the tests of this module share: each goes to an address of its own."""
    return regular.open(dataset="Tiny")


def test_moving_a_knob_redraws_the_preview_and_the_address(page: Page) -> None:
    revisit(page, **SHORT)
    wait_for_rate(page, 0.01)
    slider(page, "SGD.lr").press("ArrowRight")
    wait_for_rate(page, 0.02)
    page.wait_for_function("location.search.includes('lr=0.02')")
    slider(page, "SGD.lr").press("ArrowLeft")
    wait_for_rate(page, 0.01)
    slider(page, "StepLR.gamma").press("ArrowLeft")
    wait_for_plot(page, "preview", "Math.abs(plot.data[1]?.y[0] / 0.0045 - 1) < 1e-6")


def test_step_size_past_the_end_is_fixed_by_one_click(page: Page) -> None:
    revisit(page, **SHORT | {"step_size": 1000})
    warning = page.get_by_text("step_size is 1,000, but the run has 300 iterations: the learning rate never drops.")
    expect(fresh(warning)).to_be_visible()
    button(page, "apply_fix").click()
    expect(warning).to_have_count(0)
    wait_for_plot(page, "preview", "plot.data[1]?.x.join() == '101,201'")


def test_what_does_not_fit_the_images_is_named_and_not_started(page: Page) -> None:
    revisit(page, **SHORT | {"train_size": 201})
    expect(fresh(page.get_by_text(re.compile("train_size is 201")))).to_be_visible()
    expect(button(page, "start")).to_be_disabled()
    assert_no_traceback(page)


# how it looks


def find_box(page: Page, part: str) -> FloatRect:
    """Where a part of the page is."""
    box = page.locator(part).bounding_box()
    assert box is not None, part
    return box


def test_wide_window_shows_knobs_preview_start_and_curves_without_scrolling(page: Page) -> None:
    revisit(page, dataset="Tiny")
    planned_rate(page)
    for part in (LR, ".st-key-preview", ".st-key-start", ".st-key-curves"):
        box = find_box(page, part)
        assert box["y"] >= 0, part
        assert box["y"] + box["height"] <= 800, part
        assert box["x"] + box["width"] <= 1280, part


def test_phone_shows_one_column_with_the_buttons_in_reach_and_start_scrolls_to_the_curves(phone: Visitor) -> None:
    page = phone.open(**SHORT)
    planned_rate(page)
    trace(page, "curves", "loss")
    boxes = [find_box(page, part) for part in (LR, ".st-key-preview", ".st-key-curves")]
    for above, below in pairwise(boxes):
        assert above["y"] + above["height"] <= below["y"]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    assert find_box(page, ".st-key-start")["y"] > 700
    assert boxes[-1]["y"] > 844
    start(page)
    page.wait_for_function("document.querySelector('.st-key-curves').getBoundingClientRect().top < 300")
    for part in (".st-key-start", ".st-key-pause", ".st-key-run_progress"):
        assert 700 < find_box(page, part)["y"] < 844, part
    expect(page.locator(".st-key-start kbd")).to_be_hidden()  # a phone has no keyboard
    wait_for_status(page, "finished")
    gap = "one => one.getBoundingClientRect().bottom - one.lastChild.getBoundingClientRect().bottom"
    assert page.locator(".st-key-beside").evaluate(gap) < 9  # as high as what is said of the run


# the lecture


@pytest.mark.timeout(300)
def test_lectures_run_by_clicks_on_real_images(page: Page, photographs: str) -> None:
    revisit(page, dataset="Tiny")
    fresh(page.get_by_role("button", name="Images", exact=True)).click()
    knob(page, "dataset").locator("input, [role=combobox]").first.click()
    page.get_by_role("option", name=photographs).click()
    page.keyboard.press("Escape")
    expect(fresh(page.get_by_text("cifar10-jpeg, all images · 3,000 iterations of 64"))).to_be_visible()
    start(page)
    wait_for_status(page, "finished", seconds=240)
    wait_for_plot(page, "curves", f"{find_trace('accuracy')}.x.at(-1) == 3000")
    assert trace(page, "curves", "accuracy")["y"][-1] > 0.45
