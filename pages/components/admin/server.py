"""What this server does at the moment, in tiles."""

import streamlit as st

from mlpcore.runs.records import RunStatus
from pages.components.shared.flash import show_warning
from pages.components.shared.refresh import show_fragment
from pages.components.shared.state import get_manager, get_store, manager_is_up
from pages.components.shared.words import _, say, show_duration, status_word

SECONDS = 3.0  # between two looks


def show_server() -> None:
    """Draw the tiles, and look again every few seconds."""
    show_fragment(_draw, every=SECONDS)


def _draw() -> None:
    counts = get_store().count_by_status()
    load = get_manager().measure_load() if manager_is_up() else None
    with st.grid(5, min_column_width=130, gap="small"):
        help_ = _("Of all servers that share this database.")
        for status in (RunStatus.RUNNING, RunStatus.QUEUED):
            st.metric(status_word(status).capitalize(), f"{counts.get(status, 0):,}", help=help_)
        speed = None if load is None else f"{load.steps_per_second:,.0f}"
        st.metric(_("Iterations per second"), speed, help=_("Of all runs that train on this server."))
        help_ = _("The longest that something measured may have waited to be stored.")
        st.metric(_("Storing delay"), None if load is None else show_duration(load.storing_delay), help=help_)
        memory = load.memory.get("cpu") if load else None
        text = f"{memory.used / 1e9:.1f} / {memory.budget / 1e9:.1f} GB" if memory else None
        st.metric(_("Memory"), text, help=_("Taken by runs and images, of what they may take on this server."))
    if manager_is_up() and (trouble := get_manager().trouble):
        show_warning(say(trouble))
