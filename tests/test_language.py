"""Which language a visitor reads: kept from page to page, and theirs to choose before they have signed in."""

import pytest
from paging import Open, shown

PAGES = ("compare.py", "overfitting.py", "concepts.py", "history.py", "images.py")


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
