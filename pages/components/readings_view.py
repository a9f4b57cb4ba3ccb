"""What a run's history says, in sentences."""

import streamlit as st

from mlpcore.runs import Run


def show_readings(run: Run) -> None:
    """Show it."""
    st.text(run.name)
