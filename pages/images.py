"""The Images page: a data set's classes and images, and what a run trains on."""

import streamlit as st

from mlpcore.data.catalog import data_home, known_datasets
from mlpcore.recipes.points import POINT_NAMES
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.url import drop_unknown_datasets, from_query, to_query
from pages.components.images.views import show_images
from pages.components.lessons.banner import IMAGES, show_lesson, take_lesson
from pages.components.lessons.dialog import offer_page_lesson, write_terms
from pages.components.recipe_form import forms
from pages.components.recipe_form.form_state import begin, first_recipe, put_recipe, read_form
from pages.components.shared.address import find_repeated, put_query, take_query
from pages.components.shared.download_panel import show_downloads
from pages.components.shared.flash import flash, get_flashed, show_warning
from pages.components.shared.words import say

NAMES = (
    "dataset",
    *POINT_NAMES,
    "train_size",
    "label_noise",
    "validation_size",
    "batch_size",
    "seed",
)  # in its address


def take_address(first: Recipe, datasets: list[str]) -> None:
    """Set the knobs of this page, and its lesson, from a new address; the playground's other knobs stay as they are."""
    if (query := take_query("images")) is None:
        return
    known, missing = drop_unknown_datasets(query, datasets)
    said = find_repeated() + [sentence for _name, sentence in missing] + take_lesson(IMAGES, query)
    if any(name in query for name in NAMES):
        kept = {name: text for name, text in to_query(read_form()[0] or first).items() if name not in NAMES}
        recipe, refused = from_query(kept | {name: text for name, text in known.items() if name in NAMES}, first)
        put_recipe(recipe)
        said += refused
    flash("images.said", said)


datasets = known_datasets(data_home())
first = first_recipe(datasets)
begin(first)
take_address(first, datasets)
show_lesson(IMAGES)
left, right = st.columns([3, 8], gap="medium")
with left:
    forms.data_form(datasets)
    forms.batch_form()
    show_downloads(place="images")
    recipe, problems = read_form()
    own = {name: text for name, text in to_query(recipe).items() if name in NAMES} if recipe else {}
    offer_page_lesson(IMAGES, own)
with right:
    for sentence in get_flashed("images.said"):
        show_warning(say(sentence))
    for sentence in problems:
        show_warning(say(sentence))
    if recipe is not None:
        put_query("images", own | write_terms(IMAGES), is_ticking=False)
        show_images(recipe)
