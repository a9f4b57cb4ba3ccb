"""The visitor's language: chosen in the page, asked for by a link, or the browser's."""

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components.shared.i18n import COOKIE, LANGUAGES
from tests.support.app_tests import Open, shown


def fake_browser(monkeypatch: pytest.MonkeyPatch, *, locale: str = "en-US", cookie: str | None = None) -> None:
    """AppTest has no browser: what one would send."""
    monkeypatch.setattr(type(st.context), "locale", locale)
    monkeypatch.setattr(type(st.context), "cookies", {} if cookie is None else {COOKIE: cookie})


def is_korean(page: AppTest) -> bool:
    return page.button(key="start").label == "시작"


class TestChoice:
    @pytest.mark.parametrize(
        ("locale", "asked", "cookie", "language"),
        [
            ("en-US", None, None, "en"),
            ("ko-KR", None, None, "ko"),
            ("ko", None, None, "ko"),
            ("fr-FR", None, None, "en"),
            ("en-US", "ko", None, "ko"),
            ("ko-KR", "en", None, "en"),
            ("ko-KR", "xx", None, "ko"),
            ("en-US", "en", "ko", "ko"),
            ("ko-KR", "ko", "en", "en"),
            ("en-US", None, "xx", "en"),
        ],
    )
    def test_a_choice_wins_over_a_link_and_a_link_over_the_browser(
        self, open_page: Open, monkeypatch, locale: str, asked: str | None, cookie: str | None, language: str
    ) -> None:
        fake_browser(monkeypatch, locale=locale, cookie=cookie)
        page = open_page(**{} if asked is None else {"lang": asked})
        assert is_korean(page) == (language == "ko")

    def test_a_choice_in_the_page_stays_on_every_page_and_under_a_link(self, open_page: Open) -> None:
        page = open_page(lang="ko")
        page.segmented_control(key="language.widget.ko").set_value("en").run()
        assert not is_korean(shown(page))
        assert shown(page.switch_page("compare.py").run()).button(key="compare.start").label == "Start"
        page.query_params["lang"] = "ko"
        assert not is_korean(shown(page.switch_page("playground.py").run()))

    def test_a_later_link_asks_for_another_language(self, open_page: Open) -> None:
        page = open_page()
        page.query_params["lang"] = "ko"
        assert is_korean(shown(page.run()))

    @pytest.mark.parametrize("path", ["", "compare.py", "concepts.py"])
    def test_an_address_keeps_its_language_and_gets_none(self, open_page: Open, path: str) -> None:
        query = open_page(path, lang="ko").query_params
        assert query["lang"] == "ko"
        assert len(query) > 1  # the page has written it anew
        assert "lang" not in open_page(path).query_params

    def test_a_languages_link_with_nothing_else_sets_no_knobs(self, open_page: Open) -> None:
        page = open_page()
        page.number_input(key="knob.batch_size").set_value(32).run()
        page.query_params.clear()
        page.query_params["lang"] = "ko"
        assert shown(page.run()).number_input(key="knob.batch_size").value == 32

    def test_each_language_names_itself(self) -> None:
        assert LANGUAGES == {"en": "English", "ko": "한국어"}


PAGES = ("compare.py", "sweep.py", "overfitting.py", "concepts.py", "history.py", "images.py")


@pytest.mark.parametrize("path", PAGES)
def test_language_of_a_link_is_in_the_address_of_the_pages_that_follow(open_page: Open, path: str) -> None:
    page = open_page(lang="ko")
    page.query_params.clear()  # as Streamlit does where another page is chosen
    page = shown(page.switch_page(path).run())
    assert page.query_params["lang"] == "ko"


def test_language_that_no_link_asked_for_comes_into_no_address(open_page: Open) -> None:
    page = open_page(lang="xx")
    page.segmented_control(key="language.widget.en").set_value("ko").run()
    page.query_params.clear()
    page = shown(page.switch_page("history.py").run())
    assert page.session_state["language"] == "ko"
    assert "lang" not in page.query_params


def test_language_can_be_chosen_before_signing_in(open_page: Open) -> None:
    page = open_page()
    page.user = {"is_logged_in": False}
    shown(page.run())
    shown(page.segmented_control(key="language.widget.en").set_value("ko").run())
    assert page.session_state["language"] == "ko"
    assert [button.label for button in page.button] == ["로그인"]
