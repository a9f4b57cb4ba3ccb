"""How long a message stays: until the visitor does something; a rerun that a timer causes keeps it."""

import pytest
from streamlit.testing.v1 import AppTest

from pages.components.shared.flash import NEXT_BY_TIMER
from tests.support.app_tests import Open, shown


def says(page: AppTest, sentence: str) -> bool:
    return any(sentence in element.value for element in (*page.text, *page.error))


@pytest.mark.parametrize(
    ("path", "query", "sentence"),
    [
        ("", {"lr": "fast"}, "lr is fast: it must be a number from 1e-6 to 10."),
        ("", {"run": "nothing"}, "The run that this address names is not kept here."),
        ("compare.py", {"runs": "nothing"}, "1 of the 1 runs that this address names are not kept here."),
        ("overfitting.py", {"lab": "nothing"}, "The run that this address names is not kept here."),
    ],
)
def test_what_an_address_got_wrong_is_said_until_the_visitor_does_something(
    open_page: Open, path: str, query: dict[str, str], sentence: str
) -> None:
    page = open_page(path, **query)
    assert says(page, sentence)
    for _tick in range(2):
        page.session_state[NEXT_BY_TIMER] = True  # as a fragment does once images are loaded
        assert says(shown(page.run()), sentence)
    assert not says(shown(page.run()), sentence)
