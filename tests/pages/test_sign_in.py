"""Who a visitor is where Streamlit's own login is set up, and where it is not."""

from collections.abc import Callable

import pytest
import streamlit as st

from tests.support.app_tests import Open, shown

ANNA = {"is_logged_in": True, "iss": "https://id.example", "sub": "1", "name": "Anna ![](http://elsewhere.example/x)"}
ASKING = "import streamlit as st\nfrom pages.components.shared.state import read_owner\nst.text(read_owner())"

Who = Callable[..., str]


@pytest.fixture
def who(monkeypatch: pytest.MonkeyPatch) -> Who:
    """Ask a page whose the runs are that a visitor starts there."""
    from streamlit.testing.v1 import AppTest

    def who(user: dict[str, object], *, cookie: str = "") -> str:
        monkeypatch.setattr(type(st.context), "cookies", {"mlp_owner": cookie} if cookie else {})
        page = AppTest.from_string(ASKING)
        page.user = user
        return shown(page.run()).text[0].value

    return who


def test_runs_of_a_person_are_theirs_from_any_browser(who: Who) -> None:
    owner = who(ANNA, cookie="one browser")
    assert owner.startswith("person:")
    assert owner == who(ANNA, cookie="another browser")
    assert owner != who(ANNA | {"sub": "2"})
    assert owner != who(ANNA | {"iss": "https://other.example"})


def test_without_a_login_runs_belong_to_the_browser(who: Who) -> None:
    assert who({}, cookie="one browser") == "one browser"
    assert who({}) != who({})


def test_cookie_that_claims_to_be_a_person_is_not_believed(who: Who) -> None:
    assert who({}, cookie=who(ANNA)) != who(ANNA)


def test_visitor_who_has_not_signed_in_sees_the_way_in_and_nothing_else(open_page: Open) -> None:
    page = open_page()
    page.user = {"is_logged_in": False}
    shown(page.run())
    assert [button.key for button in page.button] == ["sign_in"]


def test_name_of_a_person_is_shown_as_it_is_and_never_as_markup(open_page: Open) -> None:
    page = open_page()
    page.user = ANNA
    shown(page.run())
    assert f"Signed in as {ANNA['name']}." in [element.value for element in page.text]
    assert not any("elsewhere" in element.value for element in page.markdown)
