"""The update rules, one step computed, and a race on a surface."""

import streamlit as st
from components.words import _


def show_updates() -> None:
    """Draw it."""
    st.caption(_("Nothing to show yet."))
