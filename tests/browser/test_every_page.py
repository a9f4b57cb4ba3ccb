"""What holds on every page: axe finds nothing serious, a link is copied, a phone has a menu with a name."""

from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.support.visitors import Visitor, button, fresh, settle

PAGES = ("", "compare", "sweep", "overfitting", "history", "images", "concepts")
CONCEPTS = ("network", "updates", "activations", "schedules", "claims")
BACKGROUND = "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
SCHEMES: tuple[tuple[Literal["dark", "light"], str, dict[str, str] | None], ...] = (
    ("dark", "rgb(11, 15, 20)", {"runOnly": "color-contrast"}),  # the other rules do not look at colours
    ("light", "rgb(255, 255, 255)", None),
)  # the theme, its background, and the rules: None for all


def find_serious(page: Page) -> list[str]:
    """Return what axe finds serious or critical on a page, once it is drawn, in a light and in a dark theme."""
    settle(page)
    found = []
    for scheme, background, options in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"{BACKGROUND} === '{background}'")
        page.wait_for_function("document.getAnimations().every(one => one.playState !== 'running')")
        for violation in Axe().run(page, options=options).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                nodes = [node["html"][:200] for node in violation["nodes"]]
                found.append(f"{page.url}, {scheme}: {violation['id']}: {nodes}")
    return found


def test_axe_finds_nothing_serious_on_any_page_in_light_and_dark(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny")
    found = []
    for path in PAGES:
        page.locator(f"nav a[href$='/{path}']").click()
        expect(fresh(page.get_by_role("heading", level=1))).to_have_text(path.capitalize() or "Playground")
        found += find_serious(page)
    for concept in CONCEPTS:
        fresh(page.locator(".st-key-concept")).get_by_role("radio").nth(1 + CONCEPTS.index(concept)).click()
        page.wait_for_function("concept => location.search.includes(`concept=${concept}`)", arg=concept)
        found += find_serious(page)
    assert not found, "\n".join(found)
    page.evaluate("document.querySelector('h1').style.color = '#ddd'")
    assert find_serious(page) != []


def test_axe_finds_nothing_serious_in_the_moments_and_the_fork_of_a_run(visitor: Visitor) -> None:
    page = visitor.open(dataset="Spiral", train_iter=100, eval_every=10)
    button(page, "start").click()
    expect(fresh(page.get_by_text("After 100 iterations.")).first).to_be_visible()
    found = []
    for view in ("Health", "Boundary", "Weights"):
        fresh(page.locator(".st-key-insight")).get_by_text(view, exact=True).click()
        found += find_serious(page)
    button(page, "fork").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    found += find_serious(page)
    assert not found, "\n".join(found)


def test_link_is_copied_as_it_stands_in_the_address(visitor: Visitor) -> None:
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.open(dataset="Tiny", lr=0.07)
    fresh(page.get_by_role("button", name="Copy link")).click()
    expect(fresh(page.get_by_role("button", name="Link copied"))).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    assert "lr=0.07" in page.url


def test_phones_menu_has_a_name_and_is_closed_at_first_and_after_a_tap(phone: Visitor) -> None:
    page = phone.open(dataset="Tiny")
    links = page.get_by_test_id("stSidebarNavLink")
    expect(links.first).not_to_be_in_viewport()
    expect(button(page, "start").locator("kbd")).to_be_hidden()
    page.get_by_role("button", name="Menu", exact=True).tap()
    expect(links.first).to_be_in_viewport()
    links.filter(has_text="History").tap()
    expect(fresh(page.get_by_role("heading", level=1))).to_have_text("History")
    expect(links.first).not_to_be_in_viewport()
