"""Softmax and cross-entropy, with sliders for the logits."""

import streamlit as st
from components.words import _


def show_losses() -> None:
    """Draw it."""
    st.caption(_("Nothing to show yet."))
