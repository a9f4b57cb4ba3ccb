"""A data set to look at: its classes, its images, and what a run is really shown."""

import streamlit as st
from components import forms
from components.download_panel import show_downloads
from components.image_views import show_images
from components.knobs import begin, first_recipe, read_recipe
from components.notices import warn
from components.words import say

from mlpcore.catalog import data_home, known_datasets

datasets = known_datasets(data_home())
begin(first_recipe(datasets))

left, right = st.columns([3, 8], gap="medium")
with left:
    forms.data_form(datasets)
    forms.batch_form()
    show_downloads(place="images")
recipe, problems = read_recipe()
with right:
    for sentence in problems:
        warn(say(sentence))
    if recipe is not None:
        show_images(recipe)
