"""The state of the form's widgets: set from a recipe, read back as one. What a lesson holds keeps the lesson's values.

A knob's path is "lr" for the recipe's own, "SGD.lr" for an optimizer's or a schedule's.
"""

from collections.abc import Sequence
from typing import Any, get_args

import streamlit as st

from mlpcore.data.catalog import CIFAR10, SHAPES
from mlpcore.messages import Sentence
from mlpcore.recipes.lessons import Lesson
from mlpcore.recipes.recipe import PARTS, Change, Recipe
from mlpcore.recipes.validation import find_problems
from pages.components.shared.words import show_rate

LOG_KNOBS = ("lr", "weight_decay", "lr_decay")
LISTS = ("hidden_sizes", "milestones")
KINDS = {name: kind for kinds in PARTS.values() for name, kind in kinds.items()}
OWN = [name for name in Recipe.model_fields if name not in (*PARTS, "changes")]
NO_LESSON = Lesson()


def find_lesson() -> Lesson:
    """The lesson of this session; one that holds nothing where there is none."""
    return st.session_state.get("lesson", NO_LESSON)


def put_recipe(recipe: Recipe) -> None:
    """Set every widget to what a recipe says, but for what a lesson holds; before the widgets are drawn."""
    state = st.session_state
    state["knob.refused"] = {}
    for part in PARTS:
        knobs = getattr(recipe, part)
        put_knob(part, knobs.name)
        for name in type(knobs).model_fields:
            if name != "name":
                put_knob(f"{knobs.name}.{name}", getattr(knobs, name))
    for name in OWN:
        put_knob(name, getattr(recipe, name))
    state["knob.changes"] = [change.model_dump(exclude_none=True) for change in recipe.changes]


def put_knob(path: str, value: Any) -> None:
    """Set a knob, "lr" of the recipe itself or "SGD.lr" of an optimizer, and its widgets with it.

    What a lesson holds is set to the lesson's value.
    """
    state = st.session_state
    state.setdefault("knob.refused", {}).pop(path, None)
    name = path.rpartition(".")[2]
    if find_lesson().holds(name):
        value = _held_value(path)
    if name == "betas":
        state[f"knob.{path}.0"], state[f"knob.{path}.1"] = value
    elif name in LISTS:
        state[f"knob.{path}"] = ", ".join(map(str, value))
    else:
        state[f"knob.{path}"] = value
    if name in LOG_KNOBS:
        state[f"knob.{path}.text"], state[f"knob.{path}.slider"] = show_rate(value), value


def get_knob(path: str) -> Any:
    """Read a knob: a lesson's value where it holds one; None where its widget was never shown."""
    state = st.session_state
    name = path.rpartition(".")[2]
    if find_lesson().holds(name):
        return _held_value(path)
    if name == "betas":
        betas = state.get(f"knob.{path}.0"), state.get(f"knob.{path}.1")
        return None if None in betas else betas
    value = state.get(f"knob.{path}")
    if name in LISTS and value is not None:
        return [_as_int(part) for part in value.split(",") if part.strip()]
    return value


def first_recipe(datasets: Sequence[str]) -> Recipe:
    """What a visitor begins with, of the data sets that are here."""
    return Recipe(dataset=CIFAR10 if CIFAR10 in datasets else SHAPES)


def list_options(name: str) -> list[str]:
    """The values that a knob of few values may have."""
    return list(get_args(Recipe.model_fields[name].annotation))


def begin(recipe: Recipe) -> None:
    """Set every widget at the session's beginning; later they keep what the visitor chose."""
    if "knob.optimizer" not in st.session_state:
        put_recipe(recipe)


def read_recipe() -> tuple[Recipe | None, list[Sentence]]:
    """Make a recipe of what the widgets say; where that is none, the sentences say why.

    An exact entry that was refused has its sentence at the field already. Whatever a browser sent, the knobs that a
    lesson holds have its values.
    """
    state = st.session_state
    values = {name: get_knob(name) for name in OWN}
    for part in PARTS:
        prefix = get_knob(part)
        knobs = {name: get_knob(f"{prefix}.{name}") for name in KINDS[prefix].model_fields if name != "name"}
        values[part] = {"name": prefix} | {name: value for name, value in knobs.items() if value is not None}
    try:
        edits = find_lesson().without_held([Change.model_validate(edit) for edit in state.get("knob.changes", [])])
        recipe = Recipe.model_validate(values | {"changes": edits})
    except ValueError as error:
        return None, [sentence for _field, sentence in find_problems(error)]
    is_refused = any(path.startswith(f"{recipe.optimizer.name}.") for path in state.get("knob.refused", ()))
    return (None if is_refused else recipe), []


def _held_value(path: str) -> Any:
    prefix, _dot, name = path.rpartition(".")
    return find_lesson().value_of(name, KINDS.get(prefix, Recipe))


def _as_int(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        return text.strip()  # the recipe refuses it, by name
