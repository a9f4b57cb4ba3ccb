"""Widgets that keep their value when the visitor changes page."""

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
