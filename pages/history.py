"""History: every stored run, to find, look at, compare, export and delete."""

import streamlit as st

from mlpcore.runs.search import RunSearch
from pages.components.history.actions import find_chosen, show_action_row, show_chosen
from pages.components.history.deletion import show_undo
from pages.components.history.files import show_import
from pages.components.history.filters import show_filters, show_order
from pages.components.history.lesson_runs import asks_for_lesson, show_lesson_runs, take_lesson_link
from pages.components.history.run_list import read_chosen, search, show_empty, show_table
from pages.components.shared.state import get_store

take_lesson_link()
show_undo()
if get_store().is_empty() and not asks_for_lesson():
    show_empty()
    show_import()
    if not get_store().is_empty():
        st.rerun()
else:
    filters = show_filters()
    order = show_order()
    if lesson := filters.get("lesson"):
        show_lesson_runs(lesson)
    groups, total = search(RunSearch(**filters, **order))
    chosen = find_chosen(read_chosen())
    show_action_row(chosen, total)
    if groups:
        show_table(groups)
    if chosen:
        show_chosen(chosen)
