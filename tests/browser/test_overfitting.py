"""Overfitting as a visitor sees it: one click shows a large gap between training and test accuracy."""

from playwright.sync_api import Page, expect

from tests.support.visitors import Visitor, button, follow, fresh, settle


def read_tiles(page: Page) -> dict[str, float]:
    """Return the numbers on the tiles, without percent signs."""
    tiles = [tile.inner_text().split("\n") for tile in page.get_by_test_id("stMetric").all()]
    return {lines[0]: float(lines[-1].rstrip("%").replace(",", "")) for lines in tiles}


def read_curve(page: Page, key: str, uid: str) -> list[float]:
    return page.evaluate(
        "([key, uid]) => document.querySelector(`.st-key-${key} .js-plotly-plot`).data.find(t => t.uid === uid).y",
        [key, uid],
    )


def test_small_training_loss_does_not_mean_a_good_test_result(visitor: Visitor) -> None:
    page = visitor.open()
    follow(page, "Overfitting")
    lesson = "A small training loss does not mean a good test result: with 1,000 examples"
    expect(fresh(page.get_by_text(lesson))).to_be_visible()
    rows = {page.locator(f".st-key-lab-{name}").evaluate("one => one.offsetTop") for name in ("stop", "start")}
    assert len(rows) == 1  # the buttons stand beside each other
    button(page, "lab-start").click()
    expect(fresh(page.get_by_text("600 of 600 iterations"))).to_be_visible()
    settle(page)
    tiles = read_tiles(page)
    assert tiles["Train accuracy"] > 95
    assert 15 < tiles["Test accuracy"] < 40
    assert tiles["Gap, pp"] > 55
    loss, test_loss = read_curve(page, "lab-loss", "train"), read_curve(page, "lab-loss", "test")
    assert loss[-1] < 0.05
    assert test_loss[-1] > 1.5 * min(test_loss)  # it was lowest long before
    sentence = "a small training loss does not mean a good test result. The network is"
    expect(fresh(page.get_by_text(sentence))).to_be_visible()
