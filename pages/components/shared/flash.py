"""Messages for the visitor. What they typed or a file held is shown as plain text, never as markdown."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import streamlit as st

from mlpcore.messages import Sentence, SentenceError
from mlpcore.runs.messages import StoreError
from pages.components.shared.words import say

NEXT_BY_TIMER, BY_TIMER = "timer.next_rerun", "timer.this_rerun"  # whether a timer causes the page's rerun
STALE = "page.stale"  # whether a fragment's callback changed more than its fragment


def show_warning(sentence: str) -> None:
    """Show what is wrong."""
    with st.container(border=True):
        st.text(f"⚠ {sentence}")


def mark_timer_rerun() -> None:
    """Note that a timer, not the visitor, causes the next rerun of the page."""
    st.session_state[NEXT_BY_TIMER] = True


def mark_page_stale() -> None:
    """Note in a callback that the page changes: if a fragment's widget was used, the fragment then reruns the page."""
    st.session_state[STALE] = True


def page_is_stale() -> bool:
    """Return whether the page must rerun, not just the fragment whose widget was used."""
    return st.session_state.get(STALE, False)


def note_rerun_cause() -> None:
    """Settle at the start of a rerun of the page whether a timer caused it."""
    st.session_state[BY_TIMER] = st.session_state.pop(NEXT_BY_TIMER, False)
    st.session_state[STALE] = False


def is_timer_rerun() -> bool:
    """Return whether a timer caused this rerun of the page."""
    return st.session_state.get(BY_TIMER, False)


def flash(key: str, sentences: Sequence[Sentence]) -> None:
    """Keep messages for the next rerun of the page."""
    st.session_state[key] = list(sentences)


@contextmanager
def flash_errors(key: str) -> Iterator[None]:
    """Keep the message of a refusal, or of a store that fails, for the next rerun of the page."""
    try:
        yield
    except (SentenceError, StoreError) as error:
        flash(key, [error.sentence])


@contextmanager
def toast_errors() -> Iterator[None]:
    """Say a refusal, or that the store fails, in a toast."""
    try:
        yield
    except (SentenceError, StoreError) as error:
        st.toast(say(error.sentence))


def get_flashed(key: str) -> list[Sentence]:
    """Return the kept messages: once, and again if a timer reruns the page before anyone can have read them."""
    state = st.session_state
    sentences = state.pop(key, None)
    if sentences is None:
        sentences = state.get(f"{key}.shown", []) if is_timer_rerun() else []
    state[f"{key}.shown"] = sentences
    return sentences
