"""The buttons of a run on a phone: they stay at the bottom with the progress, and Start scrolls to the curves."""

from pathlib import Path

import streamlit as st

_mount = st.components.v2.component(
    "runbar",
    html='<span class="run-bar-theme"></span>',
    css=(Path(__file__).parent / "run_bar.css").read_text(encoding="utf-8"),
    js=(Path(__file__).parent / "run_bar.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # the rules are for the containers run_bar and run_progress
)


def tend_run_bar() -> None:
    """Keep the containers run_bar and run_progress within reach on a narrow screen."""
    _mount(
        key="run_bar.browser", data={"started": st.session_state.get("run.started")}, width="content", height="content"
    )
