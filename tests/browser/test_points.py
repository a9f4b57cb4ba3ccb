"""Points in the plane as a visitor sees them: a boundary that bends beside the curves, on three pages."""

from playwright.sync_api import Page, expect

from tests.support.visitors import Visitor, button, follow, fresh, settle

SPIRAL = {"dataset": "Spiral", "data_seed": 0, "hidden_sizes": "32,16", "dropout": 0, "scheduler": "none"}


def read_traces(page: Page, key: str) -> list[str]:
    """Return what a chart of the plane draws, by the ids of its traces."""
    return page.evaluate(
        "key => document.querySelector(`.st-key-${key} .js-plotly-plot`).data.map(trace => trace.uid)", key
    )


def click_curve(page: Page, step: int) -> None:
    """Click the point of the mini-batch loss at a step."""
    x, y = page.evaluate(
        """step => {
            const plot = document.querySelector(".st-key-curves .js-plotly-plot");
            const { x, y } = plot.data.find(({ uid }) => uid === "loss");
            const { xaxis, yaxis } = plot._fullLayout;
            const { left, top } = plot.getBoundingClientRect();
            const value = y[x.indexOf(step)];
            return [left + xaxis._offset + xaxis.d2p(step), top + yaxis._offset + yaxis.d2p(value)];
        }""",
        step,
    )
    page.mouse.move(x, y)
    expect(page.locator(".st-key-curves .hoverlayer")).to_contain_text(f"step {step:,}")  # which Plotly puts off
    page.mouse.click(x, y)


def is_in_sight(page: Page, selector: str) -> bool:
    box = page.locator(selector).first.bounding_box()
    size = page.viewport_size
    assert box is not None
    assert size is not None
    return box["y"] >= 0 and box["y"] + box["height"] <= size["height"]


def test_the_boundary_bends_beside_the_curves_with_knobs_and_start_in_sight(visitor: Visitor) -> None:
    page = visitor.open("", **SPIRAL, optimizer="Adam", lr=0.01, train_iter=1500, eval_every=50)
    expect(page.locator(".st-key-plane .js-plotly-plot")).to_be_visible()
    assert not any(name.startswith("class") for name in read_traces(page, "plane"))
    button(page, "start").click()
    expect(fresh(page.get_by_text("After 1,500 iterations."))).to_be_visible()
    settle(page)
    assert {"class-0", "class-1", "boundary-0", "train-0", "test-1"} <= set(read_traces(page, "plane"))
    for part in (".st-key-curves", ".st-key-plane", ".st-key-start", ".st-key-preview"):
        assert is_in_sight(page, part), part
    assert len(page.locator(".st-key-plane .heatmaplayer image").all()) == 2
    click_curve(page, 1000)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("From step")).to_have_value("1000")
    dialog.get_by_role("textbox", name="Learning rate").fill("0.001")
    dialog.get_by_role("textbox", name="Learning rate").press("Enter")
    dialog.get_by_role("button", name="Start from step 1,000").click()
    expect(fresh(page.get_by_text("forked at 1,000")).first).to_be_visible()
    expect(fresh(page.get_by_text("After 1,500 iterations."))).to_be_visible()
    visitor.check()


def test_a_phone_shows_the_plane_in_one_column(phone: Visitor) -> None:
    page = phone.open("", **SPIRAL, optimizer="Adam", lr=0.01, train_iter=200, eval_every=50)
    box = page.locator(".st-key-plane").bounding_box()
    curves = page.locator(".st-key-curves").bounding_box()
    assert box is not None
    assert curves is not None
    assert box["y"] > curves["y"]
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


def test_the_lab_shows_the_plane_beside_its_curves_and_the_units_below(visitor: Visitor) -> None:
    page = visitor.open()
    follow(page, "Overfitting")
    button(page, "lab-preset-spiral").click()
    settle(page)
    button(page, "lab-start").click()
    expect(fresh(page.get_by_text("3,000 of 3,000 iterations"))).to_be_visible()
    settle(page)
    expect(page.locator(".st-key-lab-units image")).to_be_visible()
    assert {"wrong", "boundary-0", "test-0"} <= set(read_traces(page, "lab-plane"))
    for part in (".st-key-lab-loss", ".st-key-lab-accuracy", ".st-key-lab-plane", ".st-key-lab-start"):
        assert is_in_sight(page, part), part
    visitor.check()


def test_comparison_shows_a_surface_per_row(visitor: Visitor) -> None:
    rows = {"rows": 3, "optimizer": "SGD", "momentum": 0, "nesterov": "false", "2.momentum": 0.9, "3.optimizer": "Adam"}
    page = visitor.open("compare", **SPIRAL, **rows, train_iter=300, eval_every=50)
    button(page, "compare-start").click()
    expect(fresh(page.get_by_text("3 finished"))).to_be_visible()
    settle(page)
    for place in range(3):
        assert "boundary-0" in read_traces(page, f"compare-plane-{place}")
    visitor.check()
