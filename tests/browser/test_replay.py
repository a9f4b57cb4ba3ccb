"""What is computed of a replayed run as a person meets it: a surface, a drawing, a file; on a phone and in Korean."""

from pathlib import Path

import torch
from playwright.sync_api import Page, expect
from safetensors.torch import load_file

from tests.support.playground_clicks import assert_no_traceback, start, trace, wait_for_plot, wait_for_status
from tests.support.visitors import Visitor, button, fresh, settle

RUN = {
    "dataset": "Tiny",
    "optimizer": "Adam",
    "train_iter": 120,
    "eval_every": 20,
    "batch_size": 16,
    "hidden_sizes": 16,
    "device": "cpu",
}


def open_finished(visitor: Visitor, *, seed: int) -> Page:
    """Train a run to its end; each test has a seed of its own, because what is computed of a recipe is kept."""
    page = visitor.open(**RUN, seed=seed)
    start(page)
    wait_for_status(page, "finished")
    return page


def show(page: Page, view: int) -> None:
    """Choose a view of the run, by its place among all."""
    fresh(page.locator(".st-key-insight")).get_by_role("radio").nth(view).click()
    settle(page)


SURFACE, PICTURE, FILE = 6, 5, 8
# how many pixels of the pad are black
PAINTED = (
    "canvas.getContext('2d').getImageData(0, 0, 32, 32).data.filter((value, at) => at % 4 == 0 && value < 9).length"
)


def draw_line(page: Page) -> None:
    """Draw a thick line on the pad, as with a mouse."""
    pad = page.locator(".pad-canvas")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 40, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 90, steps=4)
    page.mouse.up()


def test_loss_surface_is_computed_with_progress_and_keeps_the_path(visitor: Visitor) -> None:
    page = open_finished(visitor, seed=1)
    show(page, SURFACE)
    button(page, "replay-surface-start").click()
    wait_for_plot(page, "surface-chart", "plot.data[0].z.length == 25")
    path = trace(page, "surface-chart", "path-0")
    assert [told[0] for told in path["customdata"]] == [0, 20, 40, 60, 80, 100, 120]
    expect(fresh(page.get_by_text("in the plane in which the weights moved most"))).to_be_visible()
    assert_no_traceback(page)


def test_a_drawing_is_classified_and_still_there_after_another_view(visitor: Visitor) -> None:
    page = open_finished(visitor, seed=2)
    show(page, PICTURE)
    draw_line(page)
    wait_for_plot(page, "own_picture-classes", "plot.data[0].x.length == 2")
    expect(fresh(page.get_by_text("After 120 iterations the network says:"))).to_be_visible()
    count = page.locator(".pad-canvas").evaluate(f"canvas => {PAINTED}")
    assert count > 20
    show(page, SURFACE)
    show(page, PICTURE)
    pad = page.locator(".pad-canvas").element_handle()
    page.wait_for_function(f"([canvas, count]) => {PAINTED} == count", arg=[pad, count])
    fresh(page.get_by_role("button", name="Clear")).click()
    expect(fresh(page.get_by_text("Draw something, or upload a picture"))).to_be_visible()
    assert_no_traceback(page)


def test_weights_are_downloaded(visitor: Visitor, tmp_path: Path) -> None:
    page = open_finished(visitor, seed=3)
    show(page, FILE)
    button(page, "replay-weights_file-start").click()
    with page.expect_download() as download:
        button(page, "weights_file-save").click()
    file = tmp_path / "weights.safetensors"
    download.value.save_as(file)
    weights = load_file(file)
    assert weights["0.weight"].shape == (16, 3072)
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())
    assert download.value.suggested_filename.startswith("Adam-")


def test_views_fit_a_phone(phone: Visitor) -> None:
    page = open_finished(phone, seed=4)
    show(page, SURFACE)
    button(page, "replay-surface-start").click()
    wait_for_plot(page, "surface-chart", "plot.data[0].z.length == 25")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    show(page, PICTURE)
    draw_line(page)
    wait_for_plot(page, "own_picture-classes", "plot.data[0].x.length == 2")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert_no_traceback(page)


def test_rows_of_a_comparison_share_a_surface(visitor: Visitor) -> None:
    page = visitor.open("compare", dataset="Tiny", train_iter=40, eval_every=10, batch_size=16)
    button(page, "compare-start").click()
    fold = fresh(page.locator(".st-key-compare-surface-open"))
    fold.locator("summary").click()
    button(page, "replay-compare-surface-start").click()
    wait_for_plot(page, "compare-surface-chart", "plot.data.filter(one => one.uid.startsWith('path-')).length == 4")
    assert_no_traceback(page)
