"""Lessons: the lines at the top of a page that say a lesson is on and what it asks, and the button that makes one."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import streamlit as st

from mlpcore.messages import Sentence
from mlpcore.recipes.lessons import DIAGNOSES, ROWS, terms_from_query
from pages.components.recipe_form.form_state import LESSON, NO_LESSON, find_lesson
from pages.components.shared.words import _


@dataclass(frozen=True)
class Place:
    """A page that has lessons.

    Attributes:
        key: Of the lesson in the session, and the beginning of the panel's widgets.
        path: Of the page.
        names: The hyperparameters that can be locked or hidden there, in the form's order; None for all of a recipe's.
        lock: What else a lesson can lock there.
        hide: What else it can hide.
        has_runs: Whether the runs that students start there belong to the lesson.
    """

    key: str
    path: str
    names: tuple[str, ...] | None = None
    lock: str = ""
    hide: str = DIAGNOSES
    has_runs: bool = True


PLAYGROUND = Place(LESSON, "")
COMPARE = Place("compare.lesson", "compare", (), lock=ROWS)
SWEEP = Place("sweep.lesson", "sweep", (), hide="", has_runs=False)
CONCEPTS = Place("concepts.lesson", "concepts", (), hide="", has_runs=False)
IMAGES = Place("images.lesson", "images", (), hide="", has_runs=False)


def is_building(place: Place = PLAYGROUND) -> bool:
    """Return whether the visitor is making a lesson."""
    return st.session_state.get(f"{place.key}.building", False)


def build(place: Place, is_on: bool) -> None:
    """Begin or end the making of a lesson."""
    st.session_state[f"{place.key}.building"] = is_on


def take_lesson(place: Place, query: Mapping[str, str], values: Mapping[str, str] | None = None) -> list[Sentence]:
    """Take the lesson of a new address, or none; return what is wrong with it.

    values: what a lesson that locks keeps.
    """
    lesson, refused = terms_from_query(query, lock=place.lock, hide=place.hide, values=values or {})
    st.session_state[place.key] = lesson
    return refused


def show_lesson(place: Place = PLAYGROUND) -> None:
    """Say that a lesson is on and what it asks, and offer to leave it."""
    lesson = find_lesson(place.key)
    if not lesson.is_on:
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key=place.key):
        help_ = _("Whoever made this link has chosen which knobs are there to be turned. The others keep their values.")
        st.text(lesson.title or _("A lesson"), help=help_ if place.names != () else None)
        with st.container(horizontal=True, width="content", gap="small"):
            if place.has_runs and st.button(_("Runs of the class"), key=f"{place.key}.runs", type="tertiary"):
                st.session_state["history.lesson"] = lesson.label
                st.switch_page("history.py")
            st.button(
                _("Leave the lesson"), on_click=leave_lesson, args=(place,), key=f"{place.key}.leave", type="tertiary"
            )
    if lesson.task:
        with st.container(border=True):
            st.text(lesson.task)


def offer_lesson(place: Place = PLAYGROUND) -> None:
    """Offer to make a lesson from the page as it is, or to change one that was made here."""
    is_on = find_lesson(place.key).is_on
    if is_on and f"{place.key}.building" not in st.session_state:
        return
    label = _("Change the lesson") if is_on else _("Make a lesson")
    help_ = _("A link for students that sets these knobs, and locks or hides those that the lesson is not about.")
    if place.names == ():
        help_ = _("A link for students that sets up this page, with your title and your task above it.")
    st.button(label, on_click=build, args=(place, True), key=f"{place.key}.build", type="tertiary", help=help_)


def leave_lesson(place: Place = PLAYGROUND) -> None:
    """Unlock and show everything again; each hyperparameter keeps its value."""
    st.session_state[place.key] = NO_LESSON
    build(place, False)


def show_links(place: Place, query: Mapping[str, str]) -> None:
    """Show the link of students, and that of their teacher where the lesson has runs. query: of the former."""
    page = (st.context.url or "").partition("?")[0].removesuffix("/").removesuffix(f"/{place.path}")
    st.caption(_("The link for students, with all of this in it:"))
    st.code(f"{page}/{place.path}?{urlencode(query, safe=',')}", language=None, wrap_lines=True)
    lesson = find_lesson(place.key)
    if lesson.is_on and place.has_runs:
        st.caption(_("The link for you: what the class does in this lesson, live."))
        st.code(f"{page}/history?{urlencode({'lesson': lesson.label})}", language=None, wrap_lines=True)
