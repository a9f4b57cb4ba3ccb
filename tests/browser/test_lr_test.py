"""The learning-rate test as a person meets it: a button, a chart, a rate that is taken over."""

from playwright.sync_api import Page, expect

from tests.support.playground_clicks import assert_no_traceback, exact_rate, trace, wait_for_plot
from tests.support.visitors import Visitor, button, fresh

LEARNABLE = {"dataset": "Tiny", "hidden_sizes": 32, "batch_size": 32, "dropout": 0}


def open_test(page: Page) -> None:
    """Press the button and wait for the curve; on a phone, Streamlit hides one of the button's two forms."""
    button(page, "lr_test").filter(visible=True).click()
    wait_for_plot(page, "lr_test-chart", "plot.data.find(trace => trace.uid == 'loss').x.length > 50")


def test_found_rate_is_taken_over_and_the_check_says_which_won(visitor: Visitor) -> None:
    page = visitor.open(**LEARNABLE)
    open_test(page)
    assert len(trace(page, "lr_test-chart", "mark-valley")["x"]) == 1
    button(page, "lr_test-check-start").click()
    expect(fresh(page.get_by_text("held-out examples after 500 iterations"))).to_be_visible()
    use = button(page, "lr_test-use-valley")
    rate = use.inner_text().removeprefix("Use ")
    use.click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(exact_rate(page)).to_have_value(rate)
    assert_no_traceback(page)


def test_dialog_fits_a_phone_and_closes(phone: Visitor) -> None:
    page = phone.open(**LEARNABLE)
    open_test(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    dialog = page.get_by_role("dialog")
    buttons = [one.bounding_box() for one in dialog.locator("button").filter(visible=True).all()]
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in buttons)
    dialog.get_by_label("Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    button(page, "start").wait_for()
    assert_no_traceback(page)
