"""The sweep page in a browser: curves that grow, a click that opens a run, and a link that survives a reload."""

import re

from playwright.sync_api import expect

from tests.support.present import present
from tests.support.visitors import Visitor, button, fresh, settle


def test_sweep_is_watched_its_point_opens_a_run_and_its_link_survives_a_reload(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny")
    page.locator("nav a[href$='/sweep']").click()
    expect(fresh(page.get_by_role("heading", level=1))).to_have_text("Sweep")
    iterations = fresh(page.get_by_role("spinbutton", name="Iterations"))
    iterations.fill("20")
    iterations.press("Enter")
    expect(fresh(page.get_by_text("4 rows × 9 learning rates × 1 seed: 36 runs in lockstep."))).to_be_visible()
    button(page, "sweep-start").click()
    page.wait_for_function("location.search.includes('sweep=')")
    expect(fresh(page.get_by_text("36 of 36 trials · finished"))).to_be_visible()
    expect(fresh(page.get_by_text("Each at its own best learning rate"))).to_be_visible()
    page.reload()
    expect(fresh(page.get_by_text("36 of 36 trials · finished"))).to_be_visible()
    settle(page)
    point = present(page.locator(".st-key-sweep-rates .scatterlayer .trace .point").first.bounding_box())
    page.mouse.click(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    page.wait_for_function("location.search.includes('run=')")
    expect(fresh(page.get_by_role("heading", level=1))).to_have_text("Playground")


def test_search_goes_on_after_its_end_and_a_trial_that_is_clicked_can_be_starred(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny", train_iter=20, eval_every=10, batch_size=8)
    page.locator("nav a[href$='/sweep']").click()
    fresh(page.get_by_role("radio", name="Search a space")).or_(page.get_by_text("Search a space")).first.click()
    trials = fresh(page.get_by_role("spinbutton", name="Trials", exact=True))
    trials.fill("4")
    trials.press("Enter")
    expect(fresh(page.get_by_text("4 trials, 1 seed each."))).to_be_visible()
    button(page, "sweep-start_search").click()
    expect(fresh(page.get_by_text("4 of 4 trials · finished"))).to_be_visible()
    more = fresh(page.get_by_role("spinbutton", name="More trials"))
    more.fill("2")
    more.press("Enter")
    settle(page)
    button(page, "sweep-add").first.click()  # its help is a button too
    expect(fresh(page.get_by_text("6 of 6 trials · finished"))).to_be_visible()
    page.locator(".st-key-sweep-view button").nth(1).click()  # each trial over its number
    settle(page)
    points = page.locator(".st-key-sweep-chart-best .scatterlayer .trace .point")
    expect(points).not_to_have_count(0)
    points.first.scroll_into_view_if_needed()
    point = present(points.first.bounding_box())
    page.mouse.click(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    expect(fresh(page.get_by_text(re.compile(r"^Trial [1-6]$")))).to_be_visible()
    button(page, "sweep-star").click()
    expect(button(page, "sweep-star")).to_have_text("Remove the star")


def test_page_fits_a_phone(phone: Visitor) -> None:
    page = phone.open("sweep")
    expect(fresh(page.get_by_role("heading", level=1))).to_have_text("Sweep")
    settle(page)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
