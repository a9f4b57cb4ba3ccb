"""A data set to look at: its classes, its images, and what a run is really shown."""

import streamlit as st
from components import forms
from components.download_panel import show_downloads
from components.image_views import show_images
from components.notices import warn
from components.words import say

from mlpcore.catalog import CIFAR10, SHAPES, data_home, known_datasets
from mlpcore.recipe import Recipe

datasets = known_datasets(data_home())
forms.begin(Recipe(dataset=CIFAR10 if CIFAR10 in datasets else SHAPES))

left, right = st.columns([3, 8], gap="medium")
with left:
    forms.data_form(datasets)
    forms.draw_form()
    show_downloads(place="images")
recipe, problems = forms.read_recipe()
with right:
    for sentence in problems:
        warn(say(sentence))
    if recipe is not None:
        show_images(recipe)
