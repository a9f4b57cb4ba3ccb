"""What the browser itself does with charts: the box of values keeps off the curves, the race of optimizers plays."""

from playwright.sync_api import Page, expect

from tests.support.playground_clicks import SHORT, find_trace, start, wait_for_plot, wait_for_status
from tests.support.visitors import Visitor, button, fresh

FIND_HIDDEN = """() => {
    const plot = document.querySelector(".st-key-curves .js-plotly-plot");
    const box = plot.querySelector(".hoverlayer .legend")?.getBoundingClientRect();
    if (!box) return ["no box"];
    const { left, top } = plot.getBoundingClientRect();
    return plot._hoverdata.filter(({ xaxis, yaxis, x, y }) => {
        const [across, down] = [left + xaxis._offset + xaxis.d2p(x), top + yaxis._offset + yaxis.d2p(y)];
        return across >= box.left && across <= box.right && down >= box.top && down <= box.bottom;
    }).map((point) => point.data?.uid ?? "a point");
}"""


def hover(page: Page, share: float) -> None:
    """Move the mouse over the curves, to a share of their width."""
    box = page.locator(".st-key-curves .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + share * box["width"] - 2, box["y"] + box["height"] / 2)
    page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
    page.locator(".st-key-curves .hoverlayer .legend").wait_for()


def test_box_of_values_hides_none_of_the_values_that_it_names(visitor: Visitor) -> None:
    page = visitor.open(**SHORT)
    start(page)
    wait_for_status(page, "finished")
    wait_for_plot(page, "curves", f"{find_trace('loss')}.x.length == 6")
    for share in (0.2, 0.5, 0.8, 0.98):
        hover(page, share)
        assert page.evaluate(FIND_HIDDEN) == [], share


def test_race_of_the_optimizers_plays_from_the_start_to_its_end(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny")
    page.locator("nav a[href$='/concepts']").click()
    fresh(page.locator(".st-key-concept")).get_by_role("radio", name="Updates").click()
    whole = f"{find_trace('path-0')}.x.length == 101 && {find_trace('path-3')}.x.length == 101"
    wait_for_plot(page, "updates-race", whole)
    button(page, "updates-play").click()
    wait_for_plot(page, "updates-race", f"{find_trace('path-0')}.x.length < 50 && {find_trace('end-0')}.x.length == 1")
    wait_for_plot(page, "updates-race", whole)
    expect(button(page, "updates-play")).to_be_enabled()
