"""What there is to learn from a run: its readings, what its network sees, and a script that reproduces it."""

import streamlit as st
from components.readings_view import show_readings
from components.script_view import show_script
from components.sight_view import show_filters, show_images_seen, show_per_class
from components.state import get_manager
from components.words import _

from mlpcore.runs import Run

SECONDS = 2.0  # between two looks while a run goes on: an evaluation seldom comes sooner


def show_insight(run: Run) -> None:
    """Show one view of a run at a time, the one that was chosen; anew while the run goes on."""
    st.fragment(_draw, run_every=None if run.status.is_over else SECONDS)(run.id)


def _draw(run_id: str) -> None:
    views = {
        "readings": (_("Readings"), show_readings),
        "images": (_("What it sees"), show_images_seen),
        "classes": (_("Per class"), show_per_class),
        "weights": (_("First layer"), show_filters),
        "script": (_("Script"), show_script),
    }
    try:
        run = get_manager().get(run_id)
    except ValueError:  # deleted meanwhile, on another page
        return
    chosen = st.segmented_control(
        _("About this run"),
        list(views),
        default="readings",
        required=True,
        format_func=lambda name: views[name][0],
        key="insight",
        label_visibility="collapsed",
        persist_state="session",
    )
    views[chosen or "readings"][1](run)  # a browser may send none all the same
