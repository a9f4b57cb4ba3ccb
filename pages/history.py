"""History: every stored run, to find, look at, compare, export and delete."""

import streamlit as st

from pages.components.history.actions import show_actions, show_delete_all, show_import
from pages.components.history.run_list import show_list

with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
    show_import()
    show_delete_all()
chosen = show_list()
if chosen:
    show_actions(chosen)
