"""One widget a kind of knob, with its bounds and its help from the recipe's own fields.

What a lesson hides is not drawn, what it locks is drawn and cannot be moved.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st
from pydantic import BaseModel

from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.validation import find_limits
from pages.components.recipe_form.form_state import KINDS, find_lesson, get_knob, put_knob
from pages.components.shared.flash import show_warning
from pages.components.shared.words import _, say, show_rate

Edited = Callable[[str], None]
Cell = tuple[str, Callable[[], None]]


def is_shown(*names: str) -> bool:
    """Whether any of these knobs is not hidden by a lesson."""
    return any(name not in find_lesson().hidden for name in names)


def draw_row(*cells: Cell, vertical_alignment: str = "top") -> None:
    """Draw knobs side by side: the name and the widget of each; no row where a lesson hides them all."""
    shown = [draw for name, draw in cells if is_shown(name)]
    if not shown:
        return
    with st.container(horizontal=True, wrap=False, gap="small", vertical_alignment=vertical_alignment):
        for draw in shown:
            draw()


def draw_choice(path: str, label: str, options: list[str]) -> None:
    """Draw a choice of one among several."""
    if common := _prepare(path):
        st.selectbox(label, options, filter_mode=None, **common)


def draw_number(path: str, label: str, **settings: Any) -> None:
    """Draw a field for a number within the knob's bounds."""
    if common := _prepare(path):
        low, high = _limits(path)
        st.number_input(label, min_value=low, max_value=high, **({"step": 1} | settings), **common)


def draw_optional_number(path: str, label: str, placeholder: str) -> None:
    """Draw a field that may be left empty."""
    if common := _prepare(path):
        low, high = _limits(path)
        value = None if get_knob(path) is None else "min"
        st.number_input(label, low, high, value, step=1000, placeholder=placeholder, **common)


def draw_list(path: str, label: str) -> None:
    """Draw a field for numbers with commas between them."""
    if common := _prepare(path):
        st.text_input(label, max_chars=200, **common)


def draw_toggle(path: str, label: str) -> None:
    """Draw a switch."""
    if common := _prepare(path):
        st.toggle(label, width="content", **common)


def draw_slider(
    path: str,
    label: str,
    *,
    step: float,
    edited: Edited | None = None,
    bottom: float | None = None,
    top: float | None = None,
) -> None:
    """Draw a linear slider from `bottom` to `top`, the field's own bounds where a value lies beyond them."""
    if not (common := _prepare(path)):
        return
    low, high = _limits(path)
    value = st.session_state[f"knob.{path}"]
    bottom = low if bottom is None or value < bottom else bottom
    top = high if top is None or value > top else top
    name = path.rpartition(".")[2]
    st.slider(label, float(bottom), float(top), step=step, on_change=edited, args=(name,), **common)


def draw_betas(path: str) -> None:
    """Draw Adam's two betas."""
    if not (common := _prepare(path)):
        return
    with st.container(horizontal=True, wrap=False, gap="small"):
        for index, (label, step) in enumerate(((_("Beta 1"), 0.01), (_("Beta 2"), 0.001))):
            key = f"knob.{path}.{index}"
            top = 0.999 if st.session_state[key] <= 0.999 else 0.9999
            st.slider(label, 0.0, top, step=step, format="%g", **(common | {"key": key}))


def draw_log_slider(path: str, label: str, edited: Edited) -> None:
    """Draw a slider over 1-2-3-5-7 × 10^k, with a field beside it for exact values."""
    if not (common := _prepare(path)):
        return
    value = st.session_state[f"knob.{path}"]
    options = sorted({*build_ladder(*_limits(path)), value})
    st.session_state[f"knob.{path}.slider"] = value
    with st.container(horizontal=True, wrap=False, gap="small", vertical_alignment="bottom"):
        st.select_slider(
            label,
            options,
            format_func=show_rate,
            on_change=_take_slider,
            args=(path, edited),
            **(common | {"key": f"knob.{path}.slider"}),
        )
        st.text_input(
            _("{label}, exact").format(label=label),
            on_change=_take_text,
            args=(path, edited),
            max_chars=24,
            label_visibility="collapsed",
            width=84,
            **(common | {"key": f"knob.{path}.text", "help": None}),
        )
    if refused := st.session_state["knob.refused"].get(path):
        show_warning(say(refused))


def build_ladder(low: float, high: float, digits: Sequence[int] = (1, 2, 3, 5, 7)) -> list[float]:
    """The numbers digit × 10^k from low to high, from 1e-6 on and 0 below it where low is 0."""
    rungs = [float(f"{digit}e{power}") for power in range(-12, 2) for digit in digits]
    return ([0.0] if low == 0 else []) + [rung for rung in rungs if (low or 1e-6) <= rung <= high]


def describe_field(kind: type[BaseModel], name: str) -> str:
    """The help of a knob: its name as torch spells it, and its own line."""
    return f"`{name}` · {_(kind.model_fields[name].description or '')}"


def _prepare(path: str) -> dict[str, Any]:
    """Give a knob that was never shown its default; what every widget of it is called with, nothing where it is hidden.

    A knob that a lesson holds gets the lesson's value back, whatever a browser made of it.
    """
    prefix, _dot, name = path.rpartition(".")
    lesson = find_lesson()
    if name in lesson.hidden:
        return {}
    kind = KINDS.get(prefix, Recipe)
    default = kind.model_fields[name].default
    if lesson.holds(name) or (get_knob(path) is None and default is not None):
        put_knob(path, default)
    return {
        "key": f"knob.{path}",
        "help": describe_field(kind, name),
        "disabled": lesson.holds(name),
        "persist_state": "session",
    }


def _limits(path: str) -> tuple[float, float]:
    prefix, _dot, name = path.rpartition(".")
    return find_limits(KINDS.get(prefix, Recipe), name)


def _take_slider(path: str, edited: Edited) -> None:
    put_knob(path, st.session_state[f"knob.{path}.slider"])
    edited(path.rpartition(".")[2])


def _take_text(path: str, edited: Edited) -> None:
    """Take an exact value; one that is none is named in a sentence, and the knob stays where it was."""
    name = path.rpartition(".")[2]
    low, high = _limits(path)
    text = st.session_state[f"knob.{path}.text"].strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if low <= value <= high:
        put_knob(path, value)
        edited(name)
        return
    template = "{field} is {value}: it must be a number from {low} to {high}."
    values = {"field": name, "value": text or "—", "low": show_rate(low), "high": show_rate(high)}
    st.session_state["knob.refused"][path] = Sentence(template, values)
