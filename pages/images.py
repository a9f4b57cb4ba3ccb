"""The Images page: a data set's classes and images, and what a run trains on."""

import streamlit as st

from mlpcore.data.catalog import data_home, known_datasets
from pages.components.images.views import show_images
from pages.components.recipe_form import forms
from pages.components.recipe_form.form_state import begin, first_recipe, read_form
from pages.components.shared.download_panel import show_downloads
from pages.components.shared.flash import show_warning
from pages.components.shared.words import say

datasets = known_datasets(data_home())
begin(first_recipe(datasets))

left, right = st.columns([3, 8], gap="medium")
with left:
    forms.data_form(datasets)
    forms.batch_form()
    show_downloads(place="images")
recipe, problems = read_form()
with right:
    for sentence in problems:
        show_warning(say(sentence))
    if recipe is not None:
        show_images(recipe)
