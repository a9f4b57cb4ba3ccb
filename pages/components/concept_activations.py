"""The activations and their derivatives."""

import streamlit as st
from components.words import _


def show_activations() -> None:
    """Draw it."""
    st.caption(_("Nothing to show yet."))
