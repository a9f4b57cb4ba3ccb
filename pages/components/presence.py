"""Whether the visitor is here, for runs that stop when they are gone."""

import streamlit as st
from components.state import get_manager, manager_is_up, read_owner

SEEN_SECONDS = 60  # between two times that the manager is told; it waits for 10 minutes


def note_presence() -> None:
    """Tell the manager that the visitor is here, and go on telling while a run of theirs would stop if they were not.

    Every page of theirs that is open counts, whatever it shows and however long nothing is clicked.
    """
    if manager_is_up() and get_manager().note_seen(read_owner()):
        st.fragment(_tell, run_every=SEEN_SECONDS)()


def _tell() -> None:
    get_manager().note_seen(read_owner())
