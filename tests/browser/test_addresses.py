"""Links as a person meets them: opened, reloaded, gone back through, made for a class."""

import re

from playwright.sync_api import Page, expect

from tests.support.playground_clicks import assert_no_traceback, exact_rate, knob, slider, wait_for_plot, wait_for_rate
from tests.support.visitors import PHONE, WIDE, Visitor, button, follow, fresh, settle

LESSON = {"dataset": "Tiny", "lr": 0.05, "lock": "lr", "hide": "schedule,momentum", "title": "Which batch size?"}


def wait_for_address(page: Page, part: str) -> None:
    page.wait_for_function("part => decodeURIComponent(location.search).includes(part)", arg=part)
    settle(page)


def test_back_and_forward_go_through_what_was_set_and_back_from_another_page(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny", lr=0.05)
    for rate in ("0.07", "0.1"):
        slider(page, "SGD.lr").press("ArrowRight")
        wait_for_address(page, f"lr={rate}")
    fresh(page.get_by_text("Log lr")).click()  # with it the browser says that it has the newest address
    wait_for_plot(page, "preview", "plot.layout.yaxis.type === 'log'")
    settle(page)
    for go, rate in ((page.go_back, "0.07"), (page.go_back, "0.05"), (page.go_forward, "0.07")):
        go()
        expect(exact_rate(page)).to_have_value(rate)
        wait_for_address(page, f"lr={rate}")
    follow(page, "History")
    page.wait_for_url(re.compile("/history"))
    settle(page)
    page.go_back()
    expect(exact_rate(page)).to_have_value("0.07")
    wait_for_address(page, "lr=0.07")


def test_what_is_wrong_in_a_link_is_named_and_the_rest_holds(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny", optimizer="Adam", lr="1e400", betas="0.9", hide="__class__", step_size=700)
    for sentence in (
        "lr is inf: it must be a number from 1e-6 to 10.",
        "betas is (0.9,): it must be two numbers from 0 to 0.9999.",
        "hide names __class__: there is no such hyperparameter.",
    ):
        expect(fresh(page.get_by_text(sentence))).to_be_visible()
    wait_for_rate(page, 0.001)
    wait_for_address(page, "step_size=700")
    expect(button(page, "start")).to_be_enabled()
    assert_no_traceback(page)


def test_what_an_address_says_twice_is_named_and_its_last_word_holds(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny", optimizer="Lion", lr=[0.3, 0.2])
    expect(fresh(page.get_by_text("optimizer is Lion: it must be one of SGD, Adam,"))).to_be_visible()
    expect(fresh(page.get_by_text("lr is in this address 2 times: the last one counts."))).to_be_visible()
    expect(exact_rate(page)).to_have_value("0.2")


def test_comparisons_link_opens_it_and_survives_reload_and_back(visitor: Visitor) -> None:
    link = {"dataset": "Tiny", "train_iter": 50, "2.lr": 0.1, "3.optimizer": "Adam", "3.lr": "x", "seeds": 2}
    page = visitor.open("compare", **link)
    expect(fresh(page.get_by_text("Row 3: lr is x: it must be a number from 1e-6 to 10."))).to_be_visible()
    wait_for_address(page, "rows=3")
    address = page.url
    expect(fresh(page.get_by_role("spinbutton", name="Seeds"))).to_have_value("2")
    page.reload()
    expect(button(page, "compare-start")).to_be_enabled()
    settle(page)
    assert page.url == address
    fresh(page.get_by_text("Weight decay", exact=True)).click()
    wait_for_address(page, "rows=5")
    fresh(page.get_by_text("Set-up", exact=True)).click()  # with it the browser says that it has the newest address
    expect(fresh(page.locator("[class*='st-key-compare-editor']"))).to_have_count(0)
    settle(page)
    page.go_back()
    wait_for_address(page, "rows=3")
    assert page.url == address


def test_comparison_that_was_started_is_named_by_its_runs(visitor: Visitor) -> None:
    page = visitor.open("compare", **{"dataset": "Tiny", "train_iter": 50, "eval_every": 25, "2.lr": 0.1})
    button(page, "compare-start").click()
    expect(fresh(page.get_by_text("2 finished", exact=True))).to_be_visible()
    page.wait_for_function("/^.runs=[0-9a-f]+(,|%2C)[0-9a-f]+$/.test(location.search)")


def test_lesson_locks_and_hides_through_reload_and_pages_until_it_is_left(visitor: Visitor) -> None:
    page = visitor.open(**LESSON)

    def assert_on() -> None:
        button(page, "start").wait_for()
        settle(page)
        expect(fresh(page.get_by_text("Which batch size?"))).to_be_visible()
        expect(exact_rate(page)).to_be_disabled()
        expect(exact_rate(page)).to_have_value("0.05")
        expect(page.locator(".st-key-knob-scheduler, .st-key-knob-SGD-momentum")).to_have_count(0)

    assert_on()
    page.reload()
    assert_on()
    follow(page, "Compare")
    button(page, "compare-start").wait_for()
    follow(page, "Playground")
    assert_on()
    fresh(page.get_by_role("button", name="Leave the lesson")).click()
    page.wait_for_function("!/lock|hide|title/.test(location.search)")
    settle(page)
    expect(exact_rate(page)).to_be_enabled()
    expect(knob(page, "scheduler")).to_be_visible()


def test_lesson_is_made_by_clicks_in_a_wide_window_and_in_a_narrow_one_and_its_link_opens_it(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny", lr=0.05)
    fresh(page.get_by_role("button", name="Make a lesson")).click()
    fresh(page.locator(".st-key-lesson-choice-lr")).get_by_text("locked").click()
    wait_for_address(page, "lock=lr")
    expect(exact_rate(page)).to_be_disabled()  # the live preview
    assert_no_wider(page, WIDE["width"])
    page.set_viewport_size(PHONE)
    fresh(page.locator(".st-key-lesson-choice-momentum")).get_by_text("hidden").click()
    wait_for_address(page, "hide=momentum")
    expect(page.locator(".st-key-knob-SGD-momentum")).to_have_count(0)
    assert_no_wider(page, PHONE["width"])
    code = fresh(page.locator("[data-testid='stCode'] code")).first  # the teacher's link stands under the students'
    expect(code).to_contain_text("lock=lr&hide=momentum")
    page.goto(code.inner_text())
    button(page, "start").wait_for()
    settle(page)
    expect(exact_rate(page)).to_be_disabled()
    expect(exact_rate(page)).to_have_value("0.05")
    expect(button(page, "start")).to_be_enabled()
    expect(page.locator(".st-key-knob-SGD-momentum")).to_have_count(0)
    assert_no_traceback(page)


def assert_no_wider(page: Page, width: int) -> None:
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width
