"""Links as a person meets them: opened, reloaded, gone back through, made for a class."""

import re
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.visitors import Visitor, settle

RATE = "Learning rate, exact"
LESSON = {"dataset": "Tiny", "lr": 0.05, "lock": "lr", "hide": "schedule,momentum", "title": "Which batch size?"}


def slider(page: Page) -> Locator:
    return page.locator(".st-key-knob-SGD-lr-slider input[type=range]")


def wait_for_address(page: Page, part: str) -> None:
    page.wait_for_function("part => decodeURIComponent(location.search).includes(part)", arg=part)
    settle(page)


def open_compare(visitor: Visitor, **query: object) -> Page:
    """Open a comparison's link as one that was passed on."""
    page = visitor.open()
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
    page.goto(f"{origin}/compare?{urlencode(query)}")
    page.locator(".st-key-compare-start").wait_for()
    settle(page)
    # Streamlit finds out by these where it is served, whatever the page; the browser complains of each
    visitor.errors = [error for error in visitor.errors if "404 (Not Found)" not in error]
    return page


def assert_no_traceback(page: Page) -> None:
    assert page.locator("[data-testid='stException']").count() == 0
    assert "Traceback" not in page.locator("body").inner_text()


def test_back_and_forward_go_through_what_was_set(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny", lr=0.05)
    for rate in ("0.07", "0.1"):
        slider(page).press("ArrowRight")
        wait_for_address(page, f"lr={rate}")
    page.get_by_text("Log lr").click()  # with it the browser says that it has the newest address
    page.wait_for_function("document.querySelector('.st-key-preview .js-plotly-plot').layout.yaxis.type === 'log'")
    settle(page)
    for go, rate in ((page.go_back, "0.07"), (page.go_back, "0.05"), (page.go_forward, "0.07")):
        go()
        expect(page.get_by_label(RATE)).to_have_value(rate)
        wait_for_address(page, f"lr={rate}")


def test_back_from_another_page_finds_the_knobs_as_they_were(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny", lr=0.05)
    slider(page).press("ArrowRight")
    wait_for_address(page, "lr=0.07")
    page.get_by_role("link", name="History").click()
    page.wait_for_url(re.compile("/history"))
    settle(page)
    page.go_back()
    expect(page.get_by_label(RATE)).to_have_value("0.07")
    wait_for_address(page, "lr=0.07")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"optimizer": "Lion"}, "optimizer is Lion: it must be one of SGD, Adam, AdamW, RMSprop, Adagrad."),
        ({"lr": "1e400"}, "lr is inf: it must be a number from 1e-6 to 10."),
        ({"betas": "0.9", "optimizer": "Adam"}, "betas is (0.9,): it must be two numbers from 0 to 0.9999."),
        ({"hide": "__class__"}, "hide names __class__: there is no such hyperparameter."),
    ],
)
def test_what_is_wrong_in_a_link_is_named_and_the_rest_holds(
    visitor: Visitor, query: dict[str, str], sentence: str
) -> None:
    page = visitor.open(dataset="Tiny", step_size=700, **query)
    expect(page.get_by_text(sentence)).to_be_visible()
    wait_for_address(page, "step_size=700")
    expect(page.locator(".st-key-start button")).to_be_enabled()
    assert_no_traceback(page)


def test_what_an_address_says_twice_is_named_and_its_last_word_holds(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny")
    page.goto(f"{page.url}&lr=0.3&lr=0.2")
    expect(page.get_by_text("lr is in this address 2 times: the last one counts.")).to_be_visible()
    expect(page.get_by_label(RATE)).to_have_value("0.2")


def test_comparisons_link_opens_it_and_survives_reload_and_back(visitor: Visitor) -> None:
    link = {"dataset": "Tiny", "train_iter": 50, "2.lr": 0.1, "3.optimizer": "Adam", "3.lr": "x", "seeds": 2}
    page = open_compare(visitor, **link)
    expect(page.get_by_text("Row 3: lr is x: it must be a number from 1e-6 to 10.")).to_be_visible()
    wait_for_address(page, "rows=3")
    address = page.url
    expect(page.get_by_role("spinbutton", name="Seeds")).to_have_value("2")
    page.reload()
    page.locator(".st-key-compare-start button:enabled").wait_for()
    settle(page)
    assert page.url == address
    page.get_by_role("button", name="Weight decay").click()
    wait_for_address(page, "rows=5")
    table = page.locator("[class*='st-key-compare-editor']")
    drawn = table.get_attribute("class")
    assert drawn is not None
    page.get_by_role("button", name="Weight decay").click()  # with it the browser says that it has the newest address
    expect(table).not_to_have_class(drawn)
    settle(page)
    page.go_back()
    wait_for_address(page, "rows=3")
    assert page.url == address
    visitor.errors = [error for error in visitor.errors if "404 (Not Found)" not in error]


def test_comparison_that_was_started_is_named_by_its_runs(visitor: Visitor) -> None:
    page = open_compare(visitor, **{"dataset": "Tiny", "train_iter": 50, "eval_every": 25, "2.lr": 0.1})
    page.locator(".st-key-compare-start button:enabled").click()
    expect(page.get_by_text("2 finished", exact=True)).to_be_visible()
    page.wait_for_function("/^.runs=[0-9a-f]+(,|%2C)[0-9a-f]+$/.test(location.search)")


def test_lesson_locks_and_hides_through_reload_and_pages_until_it_is_left(visitor: Visitor) -> None:
    page = visitor.open(**LESSON)

    def assert_on() -> None:
        page.locator(".st-key-start button").wait_for()
        settle(page)
        expect(page.get_by_text("Which batch size?")).to_be_visible()
        expect(page.get_by_label(RATE)).to_be_disabled()
        expect(page.get_by_label(RATE)).to_have_value("0.05")
        expect(page.locator(".st-key-knob-scheduler, .st-key-knob-SGD-momentum")).to_have_count(0)

    assert_on()
    page.reload()
    assert_on()
    page.get_by_role("link", name="Compare").click()
    page.locator(".st-key-compare-start").wait_for()
    page.get_by_role("link", name="Playground").click()
    assert_on()
    page.get_by_role("button", name="Leave the lesson").click()
    page.wait_for_function("!/lock|hide|title/.test(location.search)")
    settle(page)
    expect(page.get_by_label(RATE)).to_be_enabled()
    expect(page.locator(".st-key-knob-scheduler")).to_be_visible()


@pytest.mark.parametrize("who", ["visitor", "phone"])
def test_lesson_is_made_by_clicks_and_its_link_opens_it(who: str, request: pytest.FixtureRequest) -> None:
    visitor: Visitor = request.getfixturevalue(who)
    page = visitor.open(dataset="Tiny", lr=0.05)
    page.get_by_role("button", name="Make a lesson").click()
    page.locator(".st-key-lesson-choice-lr").get_by_text("locked").click()
    wait_for_address(page, "lock=lr")
    expect(page.get_by_label(RATE)).to_be_disabled()  # the live preview
    page.locator(".st-key-lesson-choice-momentum").get_by_text("hidden").click()
    wait_for_address(page, "hide=momentum")
    expect(page.locator(".st-key-knob-SGD-momentum")).to_have_count(0)
    window = page.viewport_size
    assert window is not None
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= window["width"]
    code = page.locator("[data-testid='stCode'] code")
    expect(code).to_contain_text("lock=lr&hide=momentum")
    link = code.inner_text()
    page.goto(link)
    page.locator(".st-key-start button").wait_for()
    settle(page)
    expect(page.get_by_label(RATE)).to_be_disabled()
    expect(page.get_by_label(RATE)).to_have_value("0.05")
    expect(page.locator(".st-key-start button")).to_be_enabled()
    expect(page.locator(".st-key-knob-SGD-momentum")).to_have_count(0)
    assert_no_traceback(page)
