"""Lessons: the line that says a lesson is on, and the panel that makes one.

The panel takes the place of a run's curves, so that the form beside it is what students will see.
"""

from dataclasses import replace
from urllib.parse import urlencode

import streamlit as st

from mlpcore.recipes.flat import flatten, write_text
from mlpcore.recipes.lessons import CHOICES, FIELDS, GROUPS, MAX_TITLE, Lesson, lesson_to_query, make_lesson
from mlpcore.recipes.recipe import PARTS, Recipe
from pages.components.recipe_form.form_state import NO_LESSON, find_lesson
from pages.components.shared.words import _

OPEN, LOCKED, HIDDEN = "open", "locked", "hidden"


def is_building() -> bool:
    """Return whether the visitor is making a lesson."""
    return st.session_state.get("lesson.building", False)


def show_lesson() -> None:
    """Say that a lesson is on, and offer to leave it."""
    lesson = find_lesson()
    if not lesson.is_on:
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="lesson"):
        st.text(
            lesson.title or _("A lesson"),
            help=_(
                "Whoever made this link has chosen which knobs are there to be turned. The others keep their values."
            ),
        )
        st.button(_("Leave the lesson"), on_click=leave_lesson, key="lesson.leave", type="tertiary")


def offer_lesson() -> None:
    """Offer to make a lesson from the form as it is, or to change one that was made here."""
    if is_building() or (find_lesson().is_on and "lesson.building" not in st.session_state):
        return
    label = _("Change the lesson") if find_lesson().is_on else _("Make a lesson")
    help_ = _("A link for students that sets these knobs, and locks or hides those that the lesson is not about.")
    st.button(label, on_click=_build, args=(True,), key="lesson.build", type="tertiary", help=help_)


def build_lesson(recipe: Recipe | None) -> None:
    """Draw the panel: a title, a choice for each hyperparameter, and the link."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(gap=None):
            st.markdown(f"##### {_('Make a lesson')}")
            st.caption(_("The knobs beside this are what students will see. What is locked or hidden keeps its value."))
        st.button(_("Done"), type="primary", on_click=_build, args=(False,), key="lesson.done")
    if recipe is None:
        st.text(_("A lesson needs knobs that can be trained with: correct them first."))
        return
    lesson, values = find_lesson(), _values(recipe)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.session_state["lesson.title"] = lesson.title
        st.text_input(
            _("Title"),
            key="lesson.title",
            max_chars=MAX_TITLE,
            width=400,
            on_change=_take_title,
            placeholder=_("Shown to students, may stay empty"),
        )
        for choice, label in ((OPEN, _("Open all")), (LOCKED, _("Lock all")), (HIDDEN, _("Hide all"))):
            st.button(label, on_click=_choose, args=(recipe, dict.fromkeys(values, choice)), key=f"lesson.all.{choice}")
    words = {OPEN: _("open"), LOCKED: _("locked"), HIDDEN: _("hidden")}
    with st.grid(3, min_column_width=240, gap=("xsmall", "small")):
        for name, value in values.items():
            st.session_state[f"lesson.choice.{name}"] = _choice(lesson, name)
            st.segmented_control(
                f"`{name} = {_('all') if value is None else write_text(value)}`",
                [OPEN, LOCKED, HIDDEN],
                required=True,
                format_func=words.__getitem__,
                key=f"lesson.choice.{name}",
                on_change=_take_choice,
                args=(recipe, name),
                help=_(FIELDS[name].help),
            )
    st.caption(_("The link, with all of this in it:"))
    page = (st.context.url or "").partition("?")[0].removesuffix("/")
    st.code(f"{page}/?{urlencode(lesson_to_query(recipe, lesson), safe=',')}", language=None, wrap_lines=True)


def leave_lesson() -> None:
    """Unlock and show everything again; each hyperparameter keeps its value."""
    st.session_state["lesson"] = NO_LESSON
    _build(False)


def _build(is_on: bool) -> None:
    st.session_state["lesson.building"] = is_on


def _values(recipe: Recipe) -> dict[str, object]:
    """Return what can be locked or hidden, in the order of the forms; no start_factor where there is no warm-up."""
    own = flatten(recipe)
    parts = {part: [name for name in own if name in CHOICES and FIELDS[name].part == part] for part in PARTS}
    names = ["optimizer", "batch_size", *parts["optimizer"], "scheduler", *parts["scheduler"]]
    names += [name for group in ("images", "network", "run") for name in GROUPS[group]]
    return {name: own[name] for name in names if name != "start_factor" or own["warmup_iters"]}


def _choice(lesson: Lesson, name: str) -> str:
    return HIDDEN if name in lesson.hidden else LOCKED if name in lesson.locked else OPEN


def _take_title() -> None:
    lesson = find_lesson()
    title = " ".join(st.session_state["lesson.title"].split())
    if title.isprintable():
        st.session_state["lesson"] = replace(lesson, title=title)


def _take_choice(recipe: Recipe, name: str) -> None:
    _choose(recipe, {name: st.session_state[f"lesson.choice.{name}"]})


def _choose(recipe: Recipe, chosen: dict[str, str]) -> None:
    """Make the lesson again; if the whole schedule is chosen alike, so are the other schedulers' hyperparameters."""
    old, shown = find_lesson(), _values(recipe)
    choices = {name: _choice(old, name) for name in CHOICES} | chosen
    alike = {choices[name] for name in GROUPS["schedule"] if name in shown}
    if len(alike) == 1:
        choices |= dict.fromkeys(GROUPS["schedule"], alike.pop())
    locked = [name for name, choice in choices.items() if choice == LOCKED]
    hidden = [name for name, choice in choices.items() if choice == HIDDEN]
    others = {name: value for name, value in old.values.items() if name not in shown and choices[name] != OPEN}
    st.session_state["lesson"] = make_lesson(recipe, locked=locked, hidden=hidden, title=old.title, others=others)
