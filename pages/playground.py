"""Playground: one run, the form of its recipe, its schedule before training, and its live curves."""

import streamlit as st

from mlpcore.data.catalog import data_home, known_datasets
from pages.components.lessons.banner import is_building, show_lesson
from pages.components.lessons.builder import build_lesson
from pages.components.recipe_form.form_state import first_recipe
from pages.components.run.controls import show_header
from pages.components.run.fork import show_fork
from pages.components.run.insight import show_insight
from pages.components.run.run_view import find_shown_run, show_run
from pages.components.run.settings import recipe_form
from pages.components.shared.address import adopt_run, take_link, write_link
from pages.components.shared.flash import get_flashed, show_warning
from pages.components.shared.state import read_owner
from pages.components.shared.words import say

datasets = known_datasets(data_home())
adopt_run(read_owner())
take_link(default=first_recipe(datasets), datasets=datasets)
left, right = st.columns([3, 8], gap="medium")
with left:
    for sentence in get_flashed("link.refused"):
        show_warning(say(sentence))
    show_lesson()
    recipe, can_start = recipe_form(datasets)
run = find_shown_run()
with right:
    if is_building():
        build_lesson(recipe)
    else:
        show_header(run, recipe, can_start=can_start)
        for trouble in get_flashed("trouble"):
            st.error(say(trouble))
        show_run(run, recipe)
if run is not None and not is_building():
    show_insight(run)
    show_fork(run)
write_link(recipe, run)
