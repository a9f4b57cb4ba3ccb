"""Sentences with something in them that a person typed or a file brought: shown as they are, never as markdown."""

import streamlit as st


def warn(sentence: str) -> None:
    """Show what is wrong."""
    with st.container(border=True):
        st.text(f"⚠ {sentence}")
