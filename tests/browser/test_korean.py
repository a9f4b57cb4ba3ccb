"""The app in Korean in a real browser: chosen by the browser, a link or a click, and with no text cut off."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.servers import Server
from tests.support.visitors import Visitor, settle

WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PAGES = ["", "compare", "overfitting", "history", "images"]
CONCEPTS = [f"concepts?concept={name}" for name in ("losses", "network", "updates", "schedules", "claims")]
FONT = "noto-sans-kr-korean.woff2"
# texts on one line that are wider than their element: they are cut off instead of wrapped
CUT_OFF = """() => [...document.querySelectorAll(
        "button, label, [role=radio], [data-testid=stMetricLabel], [data-testid=stMetricLabel] *, button p, label p"
    )]
    .filter(element => element.clientWidth && getComputedStyle(element).display !== "inline")
    .filter(element => element.innerText?.trim() && element.scrollWidth > element.clientWidth + 1)
    .map(element => `${element.innerText}: ${element.scrollWidth} in ${element.clientWidth} px`)"""


@pytest.fixture(params=[WIDE, PHONE], ids=["wide", "phone"])
def korean(
    request: pytest.FixtureRequest, browser: Browser, server: Server, visitors: list[Visitor]
) -> Iterator[Visitor]:
    """Return a visitor whose browser is set to Korean, with a wide window and with a phone."""
    visitors.append(Visitor(browser.new_context(viewport=request.param, locale="ko-KR"), server))
    yield visitors[-1]
    # Streamlit looks for where it is served below the address of the page first; the browser reports what is not there
    visitors[-1].errors = [error for error in visitors[-1].errors if "404 (Not Found)" not in error]


def language(page: Page) -> str:
    return page.evaluate("document.documentElement.lang")


def go(page: Page, path: str) -> None:
    """Open another page of the app by its address and wait until it is drawn."""
    page.goto("{0.scheme}://{0.netloc}/".format(urlsplit(page.url)) + path)
    page.get_by_text("한국어", exact=True).wait_for()
    settle(page)


def test_korean_browser_sees_korean_in_this_servers_own_font(korean: Visitor) -> None:
    asked: list[str] = []
    korean.context.on("request", lambda request: asked.append(request.url))
    page = korean.open(dataset="Tiny")
    expect(page.locator(".st-key-start button")).to_contain_text("시작")
    assert language(page) == "ko"
    # the text is drawn before its font has arrived: document.fonts.ready may be about a moment before it was asked for
    page.wait_for_function("[...document.fonts].some(f => f.family.includes('Noto Sans KR') && f.status === 'loaded')")
    assert {urlsplit(url).path for url in asked if "woff2" in url and "kr" in url} == {f"/assets/{FONT}"}
    assert page.evaluate("document.fonts.check('14px \"Noto Sans KR\"', '학습률')")


def test_nothing_is_cut_off_on_any_page(korean: Visitor) -> None:
    page = korean.open(dataset="Tiny")
    window = page.viewport_size
    assert window is not None
    cut_off = []
    for path in [*PAGES, *CONCEPTS]:
        go(page, path)
        cut_off += [f"{path}: {found}" for found in page.evaluate(CUT_OFF)]
        main = page.locator("[data-testid='stMain']").evaluate("main => main.scrollWidth")
        assert main <= window["width"], path
    assert cut_off == []


def test_the_check_finds_what_is_cut_off(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny")
    page.locator(".st-key-start button").evaluate("button => button.style.width = '20px'")
    assert page.evaluate(CUT_OFF) != []


def test_choice_of_a_language_survives_a_reload_and_wins_over_a_link(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny")
    start = page.locator(".st-key-start button")
    expect(start).to_contain_text("Start")
    assert language(page) == "en"
    page.get_by_text("한국어", exact=True).click()
    expect(start).to_contain_text("시작")
    page.wait_for_function("document.documentElement.lang === 'ko' && document.cookie.includes('mlp_language=ko')")
    page.reload()
    expect(start).to_contain_text("시작")
    page.goto(f"{page.url}&lang=en")
    expect(start).to_contain_text("시작")
    settle(page)


def test_link_carries_a_language_and_keeps_it(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny", lang="ko")
    start = page.locator(".st-key-start button")
    expect(start).to_contain_text("시작")
    page.wait_for_function("location.search.includes('lang=ko') && location.search.includes('optimizer')")
    page.wait_for_function("document.documentElement.lang === 'ko'")
    page.reload()
    expect(start).to_contain_text("시작")
    settle(page)
