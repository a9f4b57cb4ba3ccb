"""The comparison in a browser: the first preset is trained; its table and its curves point at each other."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, Response, expect

from tests.support.visitors import SECONDS, Visitor, button, follow, fresh

LABELS = ["SGD lr=0.01", "SGD lr=0.01 momentum=0.9", "SGD lr=0.01 momentum=0.9 nesterov=on", "Adam lr=0.001"]
CHART = "document.querySelector('.st-key-compare .js-plotly-plot')"


def open_compare(visitor: Visitor, **shared: object) -> Page:
    """Open the page by a link that says what all rows share: the first preset is there to be started."""
    page = visitor.open("compare", **shared)
    expect(button(page, "compare-start")).to_be_enabled()
    return page


def train_first_preset(page: Page, *, seconds: int = SECONDS) -> None:
    button(page, "compare-start").click()
    expect(fresh(page.get_by_text("4 finished", exact=True))).to_be_visible(timeout=1000 * seconds)


def rows(page: Page) -> Locator:
    """Return the rows of the table of results, as a screen reader gets them; the first is the header."""
    return fresh(page.locator("[class*='st-key-compare-table'] [role=row]"))


def read_table(page: Page) -> list[dict[str, str]]:
    """Read what is in sight: the page has only those columns."""
    page.locator("[class*='st-key-compare-table']").scroll_into_view_if_needed()
    expect(rows(page)).to_have_count(5)
    for number in range(1, 5):  # the table is drawn a little after the text above it
        expect(rows(page).nth(number)).to_contain_text("finished")
    header, *body = [row.locator("th, td").all_text_contents() for row in rows(page).all()]
    return [dict(zip(header, cells, strict=True)) for cells in body]


def opacities(page: Page) -> dict[str, float]:
    """Return the opacity of the loss curve of each recipe."""
    return page.evaluate(
        f"Object.fromEntries({CHART}.data.filter(t => t.uid.startsWith('loss-')).map(t => [t.meta, t.opacity]))"
    )


def wait_for_picked(page: Page, *labels: str) -> None:
    """Wait until these curves stand out and no others."""
    expected = {label: 1 if not labels or label in labels else 0.25 for label in LABELS}
    page.wait_for_function(
        f"expected => {CHART}?.data?.filter(t => t.uid.startsWith('loss-')).every(t => t.opacity === expected[t.meta])",
        arg=expected,
    )
    assert opacities(page) == expected


def click_on_curve(page: Page, label: str) -> None:
    """Click on the first point of a recipe's loss, where the curves are still apart."""
    page.locator(".st-key-compare").scroll_into_view_if_needed()
    spot = page.evaluate(
        f"""label => {{
            const plot = {CHART}, trace = plot.data.find(t => t.uid.startsWith('loss-') && t.meta === label);
            const box = plot.getBoundingClientRect(), {{xaxis: x, yaxis: y}} = plot._fullLayout;
            return [box.x + x._offset + x.d2p(trace.x[0]), box.y + y._offset + y.d2p(trace.y[0])];
        }}""",
        label,
    )
    page.mouse.move(spot[0] - 3, spot[1])
    page.mouse.move(*spot)
    page.wait_for_function(f"{CHART}._hoverdata?.length")
    page.mouse.click(*spot)


def test_first_preset_is_trained_its_rows_and_curves_point_at_each_other_and_history_lists_it(
    visitor: Visitor,
) -> None:
    page = open_compare(visitor, dataset="Tiny", train_iter=200, eval_every=50, batch_size=16)
    expect(fresh(page.get_by_text("Each row differs from the one before in one thing"))).to_be_visible()
    train_first_preset(page)
    table = read_table(page)
    assert [row["recipe"] for row in table] == LABELS
    assert [row["state"] for row in table] == ["finished"] * 4
    assert len({row["initial weights"] for row in table}) == len({row["batches"] for row in table}) == 1

    wait_for_picked(page)
    click_on_curve(page, picked := LABELS[0])
    wait_for_picked(page, picked)
    expect(rows(page).nth(1)).to_have_attribute("aria-selected", "true")
    expect(rows(page).nth(2)).to_have_attribute("aria-selected", "false")

    box = page.locator("[class*='st-key-compare-table'] canvas").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 16, box["y"] + box["height"] * 2.5 / 5)  # before the second row of four
    wait_for_picked(page, *LABELS[:2])

    missing: list[str] = []

    def keep_missing(answer: Response) -> None:
        if answer.status == 404:
            missing.append(urlsplit(answer.url).path)

    page.on("response", keep_missing)
    page.reload()
    expect(fresh(page.get_by_text("4 finished", exact=True))).to_be_visible()
    assert [row["recipe"] for row in read_table(page)] == LABELS
    # Streamlit looks for where it is served below the address of the page first; the browser reports what is not there
    assert sorted(missing) == ["/compare/_stcore/health", "/compare/_stcore/host-config"]

    follow(page, "History")
    listed = fresh(page.locator("[class*='st-key-history-table'] [role=row]"))
    expect(listed.nth(1)).to_contain_text("SGD lr 0.01 and 3 more")


@pytest.mark.timeout(300)
def test_first_preset_on_real_images_ends_and_its_table_can_be_read(visitor: Visitor, photographs: str) -> None:
    page = open_compare(visitor, dataset=photographs, train_iter=600, eval_every=200)
    expect(fresh(page.get_by_text("cifar10-jpeg, all images · 600 iterations of 64"))).to_be_visible()
    train_first_preset(page, seconds=240)
    table = read_table(page)
    assert [row["recipe"] for row in table] == LABELS
    finals = [float(row["final"].removesuffix("%")) for row in table]
    assert all(20 < final < 60 for final in finals)
    assert finals[1] > finals[0]  # after 600 iterations momentum is about 10 percentage points ahead
