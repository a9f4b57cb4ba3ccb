"""One widget for each type of hyperparameter, with its bounds and its help from the recipe's own fields.

What a lesson hides is not drawn; what it locks is drawn, but cannot be moved.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import streamlit as st
from pydantic import BaseModel

from mlpcore.data.download.sources import dataset_title
from mlpcore.messages import Sentence, SentenceError
from mlpcore.numbers import exact_number
from mlpcore.recipes.flat import read_number
from mlpcore.recipes.optimizer_base import Group
from mlpcore.recipes.parts import OPTIMIZERS
from mlpcore.recipes.validation import check_value, find_limits
from pages.components.recipe_form.form_state import PATHS, find_lesson, get_knob, put_knob
from pages.components.shared.choices import set_widget, widget_key
from pages.components.shared.flash import show_warning
from pages.components.shared.words import _, say

Edited = Callable[[str], None]


def is_shown(*names: str) -> bool:
    """Return whether a lesson leaves any of these hyperparameters visible."""
    return any(name not in find_lesson().hidden for name in names)


def draw_choice(path: str, label: str, options: list[str] | None = None) -> None:
    """Draw a choice of one among several: the field's own names without `options`."""
    if common := _prepare(path):
        titles = {"dataset": dataset_title, "optimizer": _title_optimizer}.get(path, str)
        st.selectbox(label, options or PATHS[path][0].options, filter_mode=None, format_func=titles, **common)


def _title_optimizer(name: str) -> str:
    """Write an optimizer's name; of those that the lecture does not have, with the group that it belongs to."""
    group = OPTIMIZERS[name].group
    return name if group is Group.LECTURE else f"{name} · {_(group)}"


def draw_number(path: str, label: str, **settings: Any) -> None:
    """Draw a field for a number within the field's bounds; it may be left empty if the field's default is None."""
    if common := _prepare(path):
        value: Literal["min"] | None = None if get_knob(path) is None else "min"
        low, high = _limits(path)
        st.number_input(label, low, high, value, **({"step": 1} | settings), **common)


def draw_share(path: str, label: str, *, everything: int) -> None:
    """Draw a field for a number of images, which counts down from all of them; the recipe's word for all is None."""
    if common := _prepare(path):
        chosen = get_knob(path)
        key = set_widget(f"knob.{path}.count", everything if chosen is None else chosen)
        most = max(everything, chosen or 1)  # a link may ask for more than there are, which the page says
        args = (path, everything)
        st.number_input(label, 1, most, step=1000, on_change=_take_share, args=args, **(common | {"key": key}))


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
    value = get_knob(path)
    bottom = low if bottom is None or value < bottom else bottom
    top = high if top is None or value > top else top
    args = (PATHS[path][0].name,)
    st.slider(label, float(bottom), float(top), step=step, on_change=edited, args=args, **common)


def draw_betas(path: str, _label: str) -> None:
    """Draw Adam's two betas."""
    if not (common := _prepare(path)):
        return
    with st.container(horizontal=True, wrap=False, gap="small"):
        for index, (label, step) in enumerate(((_("Beta 1"), 0.01), (_("Beta 2"), 0.001))):
            key = widget_key(f"knob.{path}.{index}")
            top = 0.999 if st.session_state[key] <= 0.999 else 0.9999
            st.slider(label, 0.0, top, step=step, format="%g", **(common | {"key": key}))


def draw_log_slider(path: str, label: str, edited: Edited, beside: Callable[[], None] | None = None) -> None:
    """Draw a slider over 1-2-3-5-7 × 10^k, beside it a field for exact values, and then what `beside` draws."""
    if not (common := _prepare(path)):
        return
    value = get_knob(path)
    options = sorted({*build_ladder(*_limits(path)), value})
    slider, text = set_widget(f"knob.{path}.slider", value), widget_key(f"knob.{path}.text")
    with st.container(horizontal=True, wrap=False, gap="small", vertical_alignment="bottom"):
        st.select_slider(
            label,
            options,
            format_func=exact_number,
            on_change=_take_slider,
            args=(path, edited),
            **(common | {"key": slider}),
        )
        st.text_input(
            _("{label}, exact").format(label=label),
            on_change=_take_text,
            args=(path, edited),
            max_chars=24,
            label_visibility="collapsed",
            width=84,
            **(common | {"key": text, "help": None}),
        )
        if beside is not None:
            beside()
    if refused := st.session_state["knob.refused"].get(path):
        show_warning(say(refused))


def build_ladder(low: float, high: float, digits: Sequence[int] = (1, 2, 3, 5, 7)) -> list[float]:
    """List the numbers digit × 10^k from low to high; where low is 0, 0 and then those from 1e-6 on."""
    rungs = [float(f"{digit}e{power}") for power in range(-12, 2) for digit in digits]
    return ([0.0] if low == 0 else []) + [rung for rung in rungs if (low or 1e-6) <= rung <= high]


def describe_field(kind: type[BaseModel], name: str) -> str:
    """Write the help of a hyperparameter: its name as torch spells it, and its own line."""
    return f"`{name}` · {_(kind.model_fields[name].description or '')}"


def _prepare(path: str) -> dict[str, Any]:
    """Give a hyperparameter that was never shown its default; return the arguments of every widget, {} to draw none.

    Where a lesson keeps a value, it is set again, whatever a browser made of it.
    """
    field, kind = PATHS[path]
    key = field.path[-1]
    lesson = find_lesson()
    if field.name in lesson.hidden:
        return {}
    default = kind.model_fields[key].default
    if lesson.holds(field.name) or (get_knob(path) is None and default is not None):
        put_knob(path, default)
    return {
        "key": widget_key(f"knob.{path}"),
        "help": describe_field(kind, key),
        "disabled": lesson.holds(field.name),
        "persist_state": "session",
    }


def _limits(path: str) -> tuple[float, float]:
    field, kind = PATHS[path]
    return find_limits(kind, field.path[-1])


def _take_share(path: str, everything: int) -> None:
    count = st.session_state[widget_key(f"knob.{path}.count")]
    put_knob(path, None if count is None or count == everything else count)


def _take_slider(path: str, edited: Edited) -> None:
    _put_edited(path, st.session_state[widget_key(f"knob.{path}.slider")], edited)


def _take_text(path: str, edited: Edited) -> None:
    """Take an exact value; a wrong one is named in a sentence, and the hyperparameter keeps its value."""
    field, kind = PATHS[path]
    text = st.session_state[key := widget_key(f"knob.{path}.text")].strip()
    try:
        value = check_value(kind, field.path[-1], read_number(text or "—"))
        st.session_state[key] = exact_number(value)  # in place: the visitor may go on typing
        _put_edited(path, value, edited)
    except SentenceError as error:
        said = Sentence(error.sentence.template, {**error.sentence.values, "value": text or "—"})
        st.session_state["knob.refused"][path] = said


def _put_edited(path: str, value: float, edited: Edited) -> None:
    """Set what one of two widgets says; a browser that has not heard of a new one may send the old one once more."""
    is_new = value != get_knob(path)
    put_knob(path, value)
    if is_new:
        edited(PATHS[path][0].name)
