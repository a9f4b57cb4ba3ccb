"""The making of a lesson on a page without a form of one recipe: the page as it is, with a title and a task."""

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from mlpcore.recipes.lessons import terms_to_query
from pages.components.lessons.banner import Place, build, is_building, offer_lesson, show_links
from pages.components.lessons.builder import draw_texts
from pages.components.recipe_form.form_state import find_lesson
from pages.components.shared.words import _


def offer_page_lesson(place: Place, query: Mapping[str, str]) -> None:
    """Draw the button that makes a lesson, and its dialog if it is open. query: what sets the page up as it is."""
    offer_lesson(place)
    if is_building(place):
        st.dialog(_("Make a lesson"), width="large", on_dismiss=lambda: build(place, False))(_draw)(place, query)


def write_terms(place: Place) -> dict[str, str]:
    """Write the lesson that is on for the page's address; nothing where there is none."""
    return terms_to_query(find_lesson(place.key))


def _draw(place: Place, query: Mapping[str, str]) -> None:
    st.caption(_("Students find this page as you have set it up, with your title and your task above it."))
    draw_texts(place)
    if place.lock:
        key = f"{place.key}.lock"
        st.session_state[key] = find_lesson(place.key).holds(place.lock)
        help_ = _("Students see the rows, and how they are trained, but cannot change them.")
        st.toggle(_("Lock the rows"), key=key, width="content", on_change=_take_lock, args=(place, query), help=help_)
    show_links(place, {**query, **write_terms(place)})
    if st.button(_("Done"), type="primary", key=f"{place.key}.done"):
        build(place, False)
        st.rerun()


def _take_lock(place: Place, query: Mapping[str, str]) -> None:
    """Lock the rows as they are, or unlock them."""
    is_on = st.session_state[f"{place.key}.lock"]
    locked = frozenset({place.lock} if is_on else ())
    st.session_state[place.key] = replace(find_lesson(place.key), locked=locked, values=query if is_on else {})
