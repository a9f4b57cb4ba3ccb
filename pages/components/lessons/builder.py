"""The panel that makes a lesson about one recipe.

It takes the place of a run's curves, so that the form beside it is what students will see.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from mlpcore.recipes.flat import flatten, write_text
from mlpcore.recipes.lessons import CHOICES, FIELDS, GROUPS, MAX_TASK, MAX_TITLE, Lesson, lesson_to_query, make_lesson
from mlpcore.recipes.recipe import PARTS, Recipe
from pages.components.lessons.banner import PLAYGROUND, Place, build, show_links
from pages.components.recipe_form.form_state import find_lesson
from pages.components.shared.words import _

OPEN, LOCKED, HIDDEN = "open", "locked", "hidden"


def build_lesson(recipe: Recipe | None, place: Place = PLAYGROUND, *, query: Mapping[str, str] | None = None) -> None:
    """Draw the panel: title, task, a choice for each hyperparameter, and the links of students and teacher.

    query: what the students' link says besides.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(gap=None):
            st.markdown(f"##### {_('Make a lesson')}")
            st.caption(_("The knobs beside this are what students will see. What is locked or hidden keeps its value."))
        st.button(_("Done"), type="primary", on_click=build, args=(place, False), key=f"{place.key}.done")
    if recipe is None:
        st.text(_("A lesson needs knobs that can be trained with: correct them first."))
        return
    draw_texts(place)
    _choices(place, recipe)
    show_links(place, lesson_to_query(recipe, find_lesson(place.key)) | dict(query or {}))


def draw_texts(place: Place) -> None:
    """Draw the fields for title and task, and the switch for the diagnoses where there are some."""
    state, lesson = st.session_state, find_lesson(place.key)
    for name, text in (("title", lesson.title), ("task", lesson.task)):
        state[f"{place.key}.{name}"] = text
    empty = _("Shown to students, may stay empty")
    take: dict[str, Any] = {"on_change": _take_texts, "args": (place,)}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.text_input(_("Title"), key=f"{place.key}.title", max_chars=MAX_TITLE, width=260, placeholder=empty, **take)
        st.text_input(_("Task"), key=f"{place.key}.task", max_chars=MAX_TASK, placeholder=empty, **take)
        if place.hide:
            state[f"{place.key}.diagnoses"] = not lesson.hides_diagnoses
            help_ = _("Whether students read what the program makes of their runs, or find out by themselves.")
            st.toggle(_("Diagnoses"), key=f"{place.key}.diagnoses", width="content", help=help_, **take)


def _choices(place: Place, recipe: Recipe) -> None:
    """Draw the choice between open, locked and hidden for each hyperparameter, and for all at once."""
    lesson, values = find_lesson(place.key), _values(place, recipe)
    with st.container(horizontal=True, gap="small"):
        for choice, label in ((OPEN, _("Open all")), (LOCKED, _("Lock all")), (HIDDEN, _("Hide all"))):
            chosen = dict.fromkeys(values, choice)
            st.button(label, on_click=_choose, args=(place, recipe, chosen), key=f"{place.key}.all.{choice}")
    words = {OPEN: _("open"), LOCKED: _("locked"), HIDDEN: _("hidden")}
    with st.grid(3, min_column_width=240, gap=("xsmall", "small")):
        for name, value in values.items():
            st.session_state[f"{place.key}.choice.{name}"] = _choice(lesson, name)
            (line,) = FIELDS[name].list_helps([FIELDS[name].chosen_in(recipe)])  # one owner, one line
            st.segmented_control(
                f"`{name} = {_('all') if value is None else write_text(value)}`",
                [OPEN, LOCKED, HIDDEN],
                required=True,
                format_func=words.__getitem__,
                key=f"{place.key}.choice.{name}",
                on_change=_take_choice,
                args=(place, recipe, name),
                help=_(line),
            )


def _values(place: Place, recipe: Recipe) -> dict[str, object]:
    """Return what can be locked or hidden, in the order of the forms; no start_factor where the warm-up is off."""
    own = flatten(recipe)
    if place.names is not None:
        return {name: own[name] for name in place.names if name in own}  # images have no points
    parts = {part: [name for name in own if name in CHOICES and FIELDS[name].part == part] for part in PARTS}
    names = ["optimizer", "batch_size", *parts["optimizer"], "scheduler", *parts["scheduler"]]
    names += [name for group in ("images", "points", "network", "run") for name in GROUPS[group] if name in own]
    unused = ["start_factor"] if own.get("warmup_iters") == 0 else []  # a LinearLR, which has no warm-up, needs its own
    return {name: own[name] for name in names if name not in unused}


def _choice(lesson: Lesson, name: str) -> str:
    return HIDDEN if name in lesson.hidden else LOCKED if name in lesson.locked else OPEN


def _take_texts(place: Place) -> None:
    """Take title, task and the switch; a text that could not stand in a link is left as it was."""
    state, lesson = st.session_state, find_lesson(place.key)
    title, task = (" ".join(state[f"{place.key}.{name}"].split()) for name in ("title", "task"))
    state[place.key] = replace(
        lesson,
        title=title if title.isprintable() else lesson.title,
        task=task if task.isprintable() else lesson.task,
        hides_diagnoses=bool(place.hide) and not state[f"{place.key}.diagnoses"],
    )


def _take_choice(place: Place, recipe: Recipe, name: str) -> None:
    _choose(place, recipe, {name: st.session_state[f"{place.key}.choice.{name}"]})


def _choose(place: Place, recipe: Recipe, chosen: dict[str, str]) -> None:
    """Make the lesson again; if the whole schedule is chosen alike, so are the other schedulers' hyperparameters."""
    old, shown = find_lesson(place.key), _values(place, recipe)
    choices = {name: _choice(old, name) for name in CHOICES} | chosen
    alike = {choices[name] for name in GROUPS["schedule"] if name in shown}
    if len(alike) == 1:
        choices |= dict.fromkeys(GROUPS["schedule"], alike.pop())
    locked = [name for name, choice in choices.items() if choice == LOCKED]
    hidden = [name for name, choice in choices.items() if choice == HIDDEN]
    others = {name: value for name, value in old.values.items() if name not in shown and choices[name] != OPEN}
    lesson = make_lesson(recipe, locked=locked, hidden=hidden, others=others)
    st.session_state[place.key] = replace(lesson, title=old.title, task=old.task, hides_diagnoses=old.hides_diagnoses)
