"""Sentences for the visitor: what they typed or a file brought is shown as it is, never as markdown."""

from collections.abc import Sequence

import streamlit as st

from mlpcore.messages import Sentence

NEXT, NOW = "timer.draws", "timer.drew"  # whether a timer has the page drawn: from now on, and the drawing in hand


def show_warning(sentence: str) -> None:
    """Show what is wrong."""
    with st.container(border=True):
        st.text(f"⚠ {sentence}")


def mark_timer_rerun() -> None:
    """Take down that the next drawing of the page is not the visitor's doing."""
    st.session_state[NEXT] = True


def note_rerun_cause() -> None:
    """Settle whether it is a timer that has the page drawn, before anything is."""
    st.session_state[NOW] = st.session_state.pop(NEXT, False)


def is_timer_rerun() -> bool:
    """Whether it was a timer that had the page drawn."""
    return st.session_state.get(NOW, False)


def flash(key: str, sentences: Sequence[Sentence]) -> None:
    """Have sentences told the next time the page is drawn."""
    st.session_state[key] = list(sentences)


def get_flashed(key: str) -> list[Sentence]:
    """The sentences to tell: once, and again where a timer has the page drawn before they can have been read."""
    state = st.session_state
    told = state.pop(key, None)
    if told is None:
        told = state.get(f"{key}.told", []) if is_timer_rerun() else []
    state[f"{key}.told"] = told
    return told
