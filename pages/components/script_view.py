"""A run as a script of its own: shown, copied, downloaded."""

import streamlit as st

from mlpcore.runs import Run


def show_script(run: Run) -> None:
    """Show it."""
    st.text(run.name)
