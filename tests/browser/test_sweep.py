"""The sweep page in a browser: curves that grow, a click that opens a run, and a link that survives a reload."""

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


def test_page_fits_a_phone(phone: Visitor) -> None:
    page = phone.open("sweep")
    expect(fresh(page.get_by_role("heading", level=1))).to_have_text("Sweep")
    settle(page)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
