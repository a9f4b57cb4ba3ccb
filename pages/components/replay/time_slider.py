"""A slider over moments of training, with play and pause."""

from collections.abc import Callable, Collection, Sequence
from time import monotonic

import streamlit as st

from mlpcore.recipes.recipe import Recipe
from pages.components.replay.waiting import is_computing
from pages.components.shared.words import _

PLAYING, FRESH = "moment.playing", "moment.fresh"  # in the session: the name of what is played; whether it just began
PLAYED_SECONDS = 0.6  # between two moments that are played
LATE_SECONDS = 3.0  # within which a busy browser hears that the slider has moved by itself


def is_playing(name: str) -> bool:
    """Return whether a slider moves by itself: the fragment around it is then to be rerun each PLAYED_SECONDS."""
    state = st.session_state
    return state.get(PLAYING) == name and f"moment.step.{name}" in state  # which goes when the slider is not drawn


def show_time_slider(
    name: str, steps: Sequence[int], *, describe: Callable[[int], str], replays: Collection[Recipe] = ()
) -> int:
    """Draw the slider; return the step at which it stands.

    While the newest is chosen, it follows what goes on. While it plays, it moves on at each rerun, but waits for what
    is being computed of the recipes that it replays.

    Args:
        name: What it is about, such as the id of a run: each has its own place.
        steps: The moments, ascending.
        replays: Recipes of the runs that it shows at moments which may not be stored.
        describe: Says beside the slider what is known of a step.
    """
    state, key, newest_key = st.session_state, f"moment.step.{name}", f"moment.newest.{name}"
    chosen = state.get(key)
    if chosen is None or chosen == state.get(newest_key):
        chosen = steps[-1]
    place = min(range(len(steps)), key=lambda place: abs(steps[place] - chosen))  # the nearest, if it was thinned out
    if is_playing(name) and not state.pop(FRESH, False) and not is_computing(replays):
        place = min(place + 1, len(steps) - 1)
        if place == len(steps) - 1:
            _stop()
    left = _list_left(name)
    if state.get(f"moment.shown.{name}") not in (None, steps[place]):
        left.append((monotonic(), state[f"moment.shown.{name}"]))
    state[f"moment.left.{name}"], state[f"moment.shown.{name}"] = left, steps[place]
    state[key], state[newest_key] = steps[place], steps[-1]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        label = _("Pause") if is_playing(name) else _("Play")
        st.button(label, key=f"moment.play.{name}", on_click=_toggle, args=(name, key, steps[0], steps[-1]), width=88)
        step = st.select_slider(
            _("Step"), steps, format_func="{:,}".format, key=key, width=560, on_change=_take, args=(name,)
        )
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


def _take(name: str) -> None:
    """Stop playing, unless the browser only sent where the slider stood before it heard of its last moves."""
    state, key = st.session_state, f"moment.step.{name}"
    if any(state[key] == step for _at, step in _list_left(name)):
        state[key] = state[f"moment.shown.{name}"]
        return
    _stop()
    state[f"moment.left.{name}"], state[f"moment.shown.{name}"] = [], state[key]


def _list_left(name: str) -> list[tuple[float, int]]:
    """List the steps that the slider has left by itself lately, with the time of each."""
    begin = monotonic() - LATE_SECONDS
    return [(at, step) for at, step in st.session_state.get(f"moment.left.{name}", ()) if at > begin]


def _stop() -> None:
    st.session_state.pop(PLAYING, None)
