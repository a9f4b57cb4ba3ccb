"""The visitor's language: their choice, else the link's, else their browser's.

Also reads and writes the query of a page's address without its `lang`.
"""

from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path

import streamlit as st
from babel.messages import mofile, pofile
from babel.support import NullTranslations, Translations
from streamlit.runtime.scriptrunner import get_script_run_ctx

LANGUAGES = {"en": "English", "ko": "한국어"}
COOKIE = "mlp_language"
LOCALE = Path(__file__).parents[2] / "locale"


def read_language() -> str:
    """Return the language of the page being drawn; English outside a page."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return "en"
    return st.session_state.get("language", "en")


@cache
def read_catalogue(language: str) -> NullTranslations:
    """Read the translations into a language; English needs none, it is the source."""
    file = LOCALE / language / "LC_MESSAGES" / "messages.po"
    if not file.is_file():
        return NullTranslations()
    binary = BytesIO()
    with file.open("rb") as text:
        mofile.write_mo(binary, pofile.read_po(text, locale=language))
    binary.seek(0)
    return Translations(binary)


def choose_language() -> None:
    """Set the language of this session, at its start and whenever an address asks for another one.

    The visitor's own choice comes before the link's language, and both before the browser's.
    """
    state = st.session_state
    asked = st.query_params.get("lang")
    if "language" in state and asked in (None, state.get("language.link")):
        return
    state["language.link"] = asked
    chosen = state.get("language.choice") or st.context.cookies.get(COOKIE)
    wanted = [chosen, asked, (st.context.locale or "").partition("-")[0]]
    state["language"] = next((language for language in wanted if language in LANGUAGES), "en")


def read_query() -> dict[str, str]:
    """Return the query of the address without the language."""
    return {name: value for name, value in st.query_params.items() if name != "lang"}


def write_query(query: Mapping[str, str]) -> None:
    """Write the query of the address, and keep the language of a link in it on every page.

    Kept only in the session, the language would be lost at the next reload.
    """
    state = st.session_state
    link = state.get("language.link")
    asked = st.query_params.get("lang", link if link == state["language"] else None)
    wanted = dict(query) if asked is None else {**query, "lang": asked}
    if wanted != st.query_params.to_dict():
        st.query_params.from_dict(wanted)


def show_languages() -> None:
    """Draw the choice of a language."""
    state = st.session_state
    st.segmented_control(
        "Language / 언어",
        list(LANGUAGES),
        default=state["language"],
        required=True,
        format_func=LANGUAGES.__getitem__,
        key=f"language.widget.{state['language']}",
        on_change=_take_choice,
        label_visibility="collapsed",
    )


def _take_choice() -> None:
    state = st.session_state
    chosen = state[f"language.widget.{state['language']}"]
    if chosen in LANGUAGES:
        state["language"] = state["language.choice"] = chosen
