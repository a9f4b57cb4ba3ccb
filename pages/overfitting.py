"""The overfitting lab: why a small training loss does not mean a good test result."""

import streamlit as st
from components.words import _

st.caption(_("Nothing to show yet."))
