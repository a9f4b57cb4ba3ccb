"""Widgets that keep their value when the visitor changes page, and widgets that the page sets."""

from collections.abc import Mapping
from typing import Literal, TypedDict, TypeVar

import streamlit as st

T = TypeVar("T")


class Persistent(TypedDict):
    """The arguments with which a widget keeps its value from page to page."""

    key: str
    persist_state: Literal["session"]


def persistent(key: str, default: object = None) -> Persistent:
    """Return a widget's arguments for keeping its value from page to page; set its first value to `default`."""
    if default is not None:
        st.session_state.setdefault(key, default)
    return {"key": key, "persist_state": "session"}


def choose(label: str, titles: Mapping[T, str], *, key: str, default: T, show_label: bool = False) -> T:
    """Draw a choice of one option among a few; return `default` if a browser sends none.

    show_label: also for the eye; a screen reader always reads the label.
    """
    chosen = st.segmented_control(
        label,
        list(titles),
        required=True,
        format_func=titles.__getitem__,
        label_visibility="visible" if show_label else "collapsed",
        **persistent(key, default),
    )
    return default if chosen is None else chosen


def set_widget(key: str, value: object) -> str:
    """Set a widget's value before it is drawn; return the key to draw it with.

    Where the page changes the value, a new widget takes the old one's place: what a browser still sends of the old one,
    before it has heard of that, changes nothing.
    """
    state = st.session_state
    if state.get(current := widget_key(key), value) != value:
        state[f"{key}.sets"] = state.get(f"{key}.sets", 0) + 1
        current = widget_key(key)
    state[current] = value
    return current


def widget_key(key: str) -> str:
    """Return the key of the widget that `set_widget` has set last, which counts how often the page has changed it."""
    count = st.session_state.get(f"{key}.sets", 0)
    return f"{key}.{count}" if count else key
