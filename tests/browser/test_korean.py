"""The app in Korean in a real browser: chosen by the browser, a link or a click, and with no text cut off."""

from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, TimeoutError, expect

from tests.support.servers import Server
from tests.support.visitors import PHONE, WIDE, Visitor, button, fresh, settle

PAGES = ("compare", "sweep", "overfitting", "history", "images", "concepts")
CONCEPTS = ("losses", "network", "updates", "activations", "schedules", "claims")
FONT = "noto-sans-kr-korean.woff2"
# texts on one line that are wider than their element: they are cut off instead of wrapped; and a page like that
CUT_OFF = """() => [...document.querySelectorAll(
        "button, label, [role=radio], [data-testid=stMetricLabel], [data-testid=stMetricLabel] *, button p, label p"
    )]
    .filter(element => element.clientWidth && getComputedStyle(element).display !== "inline")
    .filter(element => element.innerText?.trim() && element.scrollWidth > element.clientWidth + 1)
    .concat([...document.querySelectorAll("[data-testid=stMain]")].filter(main => main.scrollWidth > innerWidth))
    .map(element => `${element.innerText}: ${element.scrollWidth} in ${element.clientWidth} px`)"""


@pytest.fixture
def korean(browser: Browser, server: Server, visitors: list[Visitor]) -> Visitor:
    """Return a visitor whose browser is set to Korean."""
    visitors.append(Visitor(browser.new_context(viewport=WIDE, locale="ko-KR"), server))
    return visitors[-1]


def language(page: Page) -> str:
    return page.evaluate("document.documentElement.lang")


def find_cut_off(page: Page) -> list[str]:
    """Return what is cut off in a wide window and on a phone, and stays so for a while after the window is resized."""
    found = []
    for window in (PHONE, WIDE):
        page.set_viewport_size(window)
        settle(page)
        with suppress(TimeoutError):
            page.wait_for_function(f"({CUT_OFF})().length === 0", timeout=5000)
        texts: list[str] = page.evaluate(CUT_OFF)
        found += [f"{page.url}, {window['width']} px: {text}" for text in texts]
    return found


def test_korean_browser_sees_korean_in_this_servers_own_font(korean: Visitor) -> None:
    asked: list[str] = []
    korean.context.on("request", lambda request: asked.append(request.url))
    page = korean.open(dataset="Tiny")
    expect(button(page, "start")).to_contain_text("시작")
    assert language(page) == "ko"
    # the text is drawn before its font has arrived: document.fonts.ready may be about a moment before it was asked for
    page.wait_for_function("[...document.fonts].some(f => f.family.includes('Noto Sans KR') && f.status === 'loaded')")
    assert {urlsplit(url).path for url in asked if "woff2" in url and "kr" in url} == {f"/assets/{FONT}"}
    assert page.evaluate("document.fonts.check('14px \"Noto Sans KR\"', '학습률')")


def test_nothing_is_cut_off_on_any_page_and_what_is_would_be_found(korean: Visitor) -> None:
    page = korean.open(dataset="Tiny")
    assert find_cut_off(page) == []
    button(page, "start").evaluate("button => button.style.width = '20px'")
    assert page.evaluate(CUT_OFF) != []
    for path in PAGES:
        page.locator(f"nav a[href$='/{path}']").click()
        page.wait_for_url(f"**/{path}*")
        settle(page)
        assert find_cut_off(page) == []
    for number, concept in enumerate(CONCEPTS):
        fresh(page.locator(".st-key-concept")).get_by_role("radio").nth(number).click()
        page.wait_for_function("concept => location.search.includes(`concept=${concept}`)", arg=concept)
        settle(page)
        assert find_cut_off(page) == []


def test_choice_of_a_language_survives_a_reload_and_wins_over_a_link(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny")
    expect(button(page, "start")).to_contain_text("Start")
    assert language(page) == "en"
    fresh(page.get_by_text("한국어", exact=True)).click()
    expect(button(page, "start")).to_contain_text("시작")
    page.wait_for_function("document.documentElement.lang === 'ko' && document.cookie.includes('mlp_language=ko')")
    page.goto(f"{page.url}&lang=en")
    expect(button(page, "start")).to_contain_text("시작")
    settle(page)


def test_link_carries_a_language_and_keeps_it(visitor: Visitor) -> None:
    page = visitor.open(dataset="Tiny", lang="ko")
    expect(button(page, "start")).to_contain_text("시작")
    page.wait_for_function("location.search.includes('lang=ko') && location.search.includes('optimizer')")
    page.wait_for_function("document.documentElement.lang === 'ko'")
    page.reload()
    expect(button(page, "start")).to_contain_text("시작")
    settle(page)
