"""A slider over moments of training, with play and pause."""

from collections.abc import Callable, Sequence

import streamlit as st

from pages.components.shared.words import _

PLAYING, FRESH = "moment.playing", "moment.fresh"  # in the session: the name of what is played; whether it just began
PLAYED_SECONDS = 0.6  # between two moments that are played


def is_playing(name: str) -> bool:
    """Return whether a slider moves by itself: the fragment around it is then to be rerun each PLAYED_SECONDS."""
    return st.session_state.get(PLAYING) == name


def show_time_slider(
    name: str, steps: Sequence[int], *, describe: Callable[[int], str], ready: Callable[[int], bool]
) -> int:
    """Draw the slider; return the step at which it stands.

    While the newest is chosen, it follows what goes on. While it plays, it moves on at each rerun.

    Args:
        name: What it is about, such as the id of a run: each has its own place.
        steps: The moments, ascending.
        describe: Says beside the slider what is known of a step.
        ready: Whether what is shown of a step is known: playing waits until it is.
    """
    state, key, newest_key = st.session_state, f"moment.step.{name}", f"moment.newest.{name}"
    chosen = state.get(key)
    if chosen is None or chosen == state.get(newest_key):
        chosen = steps[-1]
    place = min(range(len(steps)), key=lambda place: abs(steps[place] - chosen))  # the nearest, if it was thinned out
    if is_playing(name) and not state.pop(FRESH, False) and ready(steps[place]):
        place = min(place + 1, len(steps) - 1)
        if place == len(steps) - 1:
            _stop()
    state[key], state[newest_key] = steps[place], steps[-1]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        label = _("Pause") if is_playing(name) else _("Play")
        st.button(label, key=f"moment.play.{name}", on_click=_toggle, args=(name, key, steps[0], steps[-1]), width=88)
        label = _("After so many iterations")
        step = st.select_slider(label, steps, format_func="{:,}".format, key=key, width=560, on_change=_stop)
        st.caption(describe(step), width="stretch")
    return step


def _toggle(name: str, key: str, first: int, last: int) -> None:
    """Play or pause; from the beginning if the last moment is shown."""
    state = st.session_state
    if is_playing(name):
        _stop()
        return
    state[PLAYING], state[FRESH] = name, True
    if state.get(key) == last:
        state[key] = first


def _stop() -> None:
    st.session_state.pop(PLAYING, None)
