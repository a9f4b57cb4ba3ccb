"""The first row of every page: its name, one sentence about it, its link, and the choice of a language."""

from pathlib import Path

import streamlit as st

from pages.components.shared.i18n import COOKIE, show_languages
from pages.components.shared.words import _

_mount = st.components.v2.component(
    "pageheader",
    html='<button type="button" class="page-link"></button>',
    css=(Path(__file__).parent / "page_header.css").read_text(encoding="utf-8"),
    js=(Path(__file__).parent / "page_header.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # some rules are for the whole page
)


def show_page_header(title: str, sentence: str, *, has_link: bool) -> None:
    """Draw the first row of a page.

    title: The page's name.
    sentence: What somebody who has never seen the page can do here.
    has_link: Whether the page's address names what it shows, so that it is worth copying.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="page-header"):
        st.markdown(f"# {title}", width="content")
        st.caption(sentence, width="stretch")
        state = st.session_state
        data = {
            "language": state["language"],
            "cookie": COOKIE if "language.choice" in state else "",
            "hasLink": has_link,
            "words": {"menu": _("Menu"), "copy": _("Copy link"), "copied": _("Link copied")},
        }
        _mount(key="page-header.browser", data=data, width="content", height="content")
        show_languages()
