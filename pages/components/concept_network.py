"""Forward and backward through the lecture's first network, one step at a time."""

import streamlit as st
from components.words import _


def show_network() -> None:
    """Draw it."""
    st.caption(_("Nothing to show yet."))
