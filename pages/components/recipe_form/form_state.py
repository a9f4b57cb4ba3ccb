"""The state of the form's widgets: set from a recipe, read back as one. What a lesson locks or hides keeps its value.

A widget's path is the field's name for the recipe's own fields ("batch_size"), and begins with the name of the
optimizer, scheduler or data set otherwise ("SGD.lr", "StepLR.gamma", "Spiral.noise"): each optimizer keeps the values
that were chosen for it.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import streamlit as st
from pydantic import ValidationError

from mlpcore.data.catalog import CIFAR10, SHAPES
from mlpcore.messages import Sentence
from mlpcore.numbers import exact_number
from mlpcore.recipes.flat import FlatField, flatten, list_fields, read_numbers, unflatten, write_numbers
from mlpcore.recipes.lessons import Lesson
from mlpcore.recipes.optimizer_base import Optimizer
from mlpcore.recipes.points import POINT_SETS, DataSource
from mlpcore.recipes.recipe import OPTIMIZERS, PARTS, Recipe
from mlpcore.recipes.validation import find_problems
from pages.components.shared.choices import set_widget, widget_key

LOG_SLIDERS = ("lr", "weight_decay", "lr_decay")
FIELDS = list_fields()
NO_LESSON = Lesson()
LESSON = "lesson"  # in the session: the lesson of the playground


def _path(field: FlatField, owner: str) -> str:
    return ".".join((owner, *field.path[1:])) if field.part else field.path[0]


PATHS = {_path(field, owner): (field, kind) for field in FIELDS.values() for owner, kind in field.owners.items()}


def find_lesson(key: str = LESSON) -> Lesson:
    """Return a page's lesson in this session, an empty one where there is none. key: where the session keeps it."""
    return st.session_state.get(key, NO_LESSON)


def put_recipe(recipe: Recipe) -> None:
    """Set every widget to a recipe, but for what a lesson locks or hides; to be called before the widgets are drawn."""
    st.session_state["knob.refused"] = {}
    values = flatten(recipe)
    for name, field in FIELDS.items():
        if name in values:
            put_knob(_path(field, values.get(field.chosen_by, "")), values[name])
    st.session_state["knob.changes"] = recipe.changes


def put_knob(path: str, value: Any) -> None:
    """Set a hyperparameter and its widgets, to the lesson's value where a lesson locks or hides it."""
    state = st.session_state
    state.setdefault("knob.refused", {}).pop(path, None)
    field, kind = PATHS[path]
    if find_lesson().holds(field.name):
        value = find_lesson().value_of(field.name, kind)
    if field.name == "betas":
        set_widget(f"knob.{path}.0", value[0])
        set_widget(f"knob.{path}.1", value[1])
        return
    if field.name in LOG_SLIDERS:  # with two widgets
        state[f"knob.{path}"] = value
        set_widget(f"knob.{path}.text", exact_number(value))
        set_widget(f"knob.{path}.slider", value)
        return
    set_widget(f"knob.{path}", write_numbers(value) if field.type is tuple else value)


def get_knob(path: str) -> Any:
    """Read a hyperparameter: the lesson's value where a lesson keeps it; None where its widget was never shown."""
    state = st.session_state
    field, kind = PATHS[path]
    if find_lesson().holds(field.name):
        return find_lesson().value_of(field.name, kind)
    if field.name == "betas":
        betas = state.get(widget_key(f"knob.{path}.0")), state.get(widget_key(f"knob.{path}.1"))
        return None if None in betas else betas
    value = state.get(widget_key(f"knob.{path}"))
    return read_numbers(value) if field.type is tuple and value is not None else value


def get_chosen(part: str) -> str:
    """Get the name of the chosen optimizer or scheduler; the default's for what only a forged message can hold."""
    name = get_knob(part)
    return name if name in list(PARTS[part]) else Recipe.model_fields[part].default.name


def get_optimizer() -> type[Optimizer]:
    """Return the class of the chosen optimizer."""
    return OPTIMIZERS[get_chosen("optimizer")]


def first_recipe(datasets: Sequence[str]) -> Recipe:
    """Return the recipe a visitor begins with: on CIFAR-10 if it is here, else on Shapes."""
    return Recipe(dataset=CIFAR10 if CIFAR10 in datasets else SHAPES)


def read_source() -> DataSource:
    """Return which data the widgets ask for; with the default points where theirs are out of range."""
    name = get_knob("dataset")
    if name not in POINT_SETS:
        return DataSource(name)
    values = {key: get_knob(f"{name}.{key}") for key in POINT_SETS[name].model_fields if key != "name"}
    with suppress(ValidationError):
        return DataSource(name, POINT_SETS[name](**{key: value for key, value in values.items() if value is not None}))
    return DataSource(name)


def begin(recipe: Recipe) -> None:
    """Set every widget at the session's beginning; later they keep what the visitor chose."""
    if get_knob("optimizer") is None:
        put_recipe(recipe)


def read_form() -> tuple[Recipe | None, list[Sentence]]:
    """Make a recipe from the widgets; where they make none, the sentences say why.

    An exact entry that was refused has its sentence at the widget already. Whatever a browser sent, a lesson's values
    hold.
    """
    chosen = {name: get_knob(name) for name in (*PARTS, "dataset")}
    shown = [field for field in FIELDS.values() if not field.part or chosen[field.chosen_by] in field.owners]
    values = {field.name: get_knob(_path(field, chosen.get(field.chosen_by, ""))) for field in shown}
    try:
        values["changes"] = find_lesson().without_held(st.session_state.get("knob.changes", ()))
        recipe = unflatten(values)
    except ValueError as error:
        return None, [sentence for _field, sentence in find_problems(error)]
    is_refused = any(path.startswith(f"{recipe.optimizer.name}.") for path in st.session_state.get("knob.refused", ()))
    return (None if is_refused else recipe), []
