"""History: every stored run, to find, look at, compare, export and delete."""

import streamlit as st

from pages.components.history.actions import find_chosen, show_action_row, show_chosen
from pages.components.history.deletion import show_delete_all, show_undo
from pages.components.history.files import show_import
from pages.components.history.filters import show_filters
from pages.components.history.lesson_runs import show_lesson_runs, take_lesson_link
from pages.components.history.run_list import read_chosen, search, show_empty, show_table
from pages.components.shared.state import get_store

take_lesson_link()
with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
    show_import()
    show_delete_all()
show_undo()
if not get_store().count():
    show_empty()
else:
    asked = show_filters()
    if asked.get("lesson"):
        show_lesson_runs(asked["lesson"])
    groups, total = search(asked)
    chosen = find_chosen(read_chosen())
    show_action_row(chosen, total)
    if groups:
        show_table(groups)
    if chosen:
        show_chosen(chosen)
