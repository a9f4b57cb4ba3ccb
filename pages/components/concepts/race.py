"""The race of optimizers, played in the browser: their paths grow step by step."""

from pathlib import Path

import streamlit as st

from pages.components.shared.words import _

_mount = st.components.v2.component(
    "race",
    html="<span></span>",
    js=(Path(__file__).parent / "race.js").read_text(encoding="utf-8"),
)


def offer_race(chart: str) -> None:
    """Draw the button that plays the paths of a live chart.

    chart: The key of the chart as its CSS class has it, without the prefix.
    """
    state = st.session_state
    st.button(_("Play the race"), type="primary", on_click=_count_play, key="updates.play")
    _mount(key="updates.race.browser", data={"chart": chart, "played": state.get("updates.played", 0)})


def _count_play() -> None:
    st.session_state["updates.played"] = st.session_state.get("updates.played", 0) + 1
