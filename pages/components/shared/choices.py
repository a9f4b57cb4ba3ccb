"""A choice of one among a few."""

from collections.abc import Mapping
from typing import TypeVar

import streamlit as st

T = TypeVar("T")


def choose(label: str, titles: Mapping[T, str], *, key: str, default: T) -> T:
    """Draw the choice, under a label for screen readers alone; return the default where a browser sends none."""
    chosen = st.segmented_control(
        label,
        list(titles),
        default=default,
        required=True,
        format_func=titles.get,
        key=key,
        label_visibility="collapsed",
        persist_state="session",
    )
    return default if chosen is None else chosen
