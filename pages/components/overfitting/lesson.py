"""Lessons of the overfitting lab: its address as a link that sets it up, and the values that a lesson keeps."""

from collections.abc import Mapping, Sequence

import streamlit as st

from mlpcore.messages import Sentence
from mlpcore.recipes.lessons import Lesson, lesson_from_query, lesson_to_query
from mlpcore.recipes.points import POINT_NAMES
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.url import drop_unknown_datasets, to_query
from pages.components.lessons.banner import Place
from pages.components.overfitting import form as lab_form
from pages.components.recipe_form.form_state import find_lesson
from pages.components.shared.address import find_repeated

LAB = Place(
    lab_form.LESSON,
    "overfitting",
    (
        *("dataset", *POINT_NAMES, "train_size", "label_noise", "dropout", "weight_decay"),
        *("hidden_sizes", "train_iter", "seed", "validation_size"),
    ),
)
PREDICT = "predict"  # in the address: whether a lesson begins with a prediction


def find_lab_lesson() -> Lesson:
    """Return the lab's lesson in this session; an empty one where there is none."""
    return find_lesson(LAB.key)


def sets_up(query: Mapping[str, str]) -> bool:
    """Return whether an address sets a hyperparameter of the lab."""
    return any(name in query for name in LAB.names or ())


def take_set_up(query: Mapping[str, str], first: Recipe, datasets: Sequence[str]) -> list[Sentence]:
    """Set the lesson, and the knobs if the address names any; return what is wrong with it.

    first: the recipe with which the lab begins, for what the address leaves out.
    """
    known, missing = drop_unknown_datasets(query, datasets)
    begun = {} if "optimizer" in known else to_query(first)  # a link that the lab wrote is complete
    recipe, lesson, refused = lesson_from_query(begun | known, first)
    st.session_state[LAB.key] = lesson
    if sets_up(query):
        lab_form.put_recipe(recipe)
    if PREDICT in query:
        st.session_state["lab.predict"] = query[PREDICT] == "true"
    return find_repeated() + [sentence for _name, sentence in missing] + refused


def write_set_up(recipe: Recipe) -> dict[str, str]:
    """Write the knobs and the lesson as the query of a link."""
    return lesson_to_query(recipe, find_lab_lesson()) | write_asked()


def write_asked() -> dict[str, str]:
    """Write whether a prediction comes first."""
    return {PREDICT: "true"} if st.session_state.get("lab.predict") else {}
