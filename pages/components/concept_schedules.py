"""The lecture's three schedulers side by side."""

import streamlit as st
from components.words import _


def show_schedules() -> None:
    """Draw it."""
    st.caption(_("Nothing to show yet."))
