"""Who a visitor is where Streamlit's own login is set up, and where it is not."""

from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st

from mlpcore.export.tables import to_csv, to_json
from mlpcore.runs.records import browser_owner
from mlpcore.runs.store import RunStore
from tests.support.app_tests import Open, is_over, shown, wait_for
from tests.support.stores import list_runs

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


def test_without_a_login_runs_belong_to_the_browser_by_the_hash_of_its_token(who: Who) -> None:
    digest = "d2fd4fbaa95ab6f5a70a11cd5915ad36aa85f2e773275485927ecacb2dd17edc"
    assert who({}, cookie="one browser") == f"browser:{digest}"
    assert who({}) != who({})
    assert who({}).startswith("browser:")


def test_cookie_that_claims_to_be_a_person_is_not_believed(who: Who) -> None:
    assert who({}, cookie=who(ANNA)) != who(ANNA)


def test_what_is_stored_of_a_visitor_holds_no_token(
    open_page: Open, page_store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "a-secret-that-only-this-browser-knows"
    monkeypatch.setattr(type(st.context), "cookies", {"mlp_owner": token})
    page = open_page(train_iter="3", eval_every="3", batch_size="8")
    page.button(key="start").click().run()
    wait_for(page, is_over(page.session_state["run"]))
    (run,) = list_runs(page_store)
    assert run.belongs_to(browser_owner(token))
    page_store.close()
    files = [file for file in (tmp_path / "home").rglob("*") if file.is_file()]
    assert any(run.owner.encode() in file.read_bytes() for file in files)
    assert not any(token.encode() in file.read_bytes() for file in files)
    assert token not in to_json([run]) + to_csv([run])


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
