"""The notes' claims, each with the experiment that tests it."""

import streamlit as st
from components.words import _


def show_claims() -> None:
    """Draw it."""
    st.caption(_("Nothing to show yet."))
