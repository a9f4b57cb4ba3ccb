"""The recipes of a comparison, one a row: presets, copies, edits in place."""

from typing import Any

import pandas as pd
import streamlit as st
from components.words import _, say
from pydantic import ValidationError

from mlpcore.comparison import find_differences, flatten, unflatten
from mlpcore.presets import PRESETS
from mlpcore.problems import find_problems
from mlpcore.recipe import OPTIMIZERS, SCHEDULERS, Recipe

MAX_ROWS = 16
ALWAYS = ("optimizer", "lr", "scheduler")  # columns that are there even where nothing differs
TYPED = ("hidden_sizes", "betas", "milestones")  # written "128, 64"
HIDDEN = ("changes", "seed", "device")

Rows = list[dict[str, Any]]


def get_rows(base: Recipe) -> Rows:
    """The visitor's rows, at first those of the lecture's optimizers."""
    if "compare.rows" not in st.session_state:
        put_rows(next(iter(PRESETS.values()))(base))
    return st.session_state["compare.rows"]


def put_rows(recipes: list[Recipe]) -> None:
    """Replace the rows by these recipes."""
    st.session_state["compare.rows"] = [flatten(recipe) for recipe in recipes[:MAX_ROWS]]
    _renew()


def read_rows(rows: Rows) -> tuple[list[Recipe], list[str]]:
    """Make a recipe of each row; where that is none, a sentence says in which row and why."""
    recipes, refused = [], []
    for number, row in enumerate(rows, start=1):
        try:
            recipes.append(unflatten(row))
        except ValidationError as error:
            template = _("Row {number}: {problem}")
            refused += [template.format(number=number, problem=say(s)) for _field, s in find_problems(error)]
    return recipes, refused


def edit_rows(rows: Rows, base: Recipe) -> None:
    """Draw the rows as a table that is edited in place, with the columns that matter."""
    recipes, _refused = read_rows(rows)
    differing = find_differences(recipes) if recipes else {}
    every = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in HIDDEN]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        for title, preset in PRESETS.items():
            st.button(_(title), on_click=lambda preset=preset: put_rows(preset(base)), key=f"preset.{title}")
        st.button(_("Add the playground's"), on_click=_add, args=(rows, flatten(base)), disabled=len(rows) >= MAX_ROWS)
        extra = st.multiselect(
            _("More columns"), [name for name in every if name not in differing], key="compare.columns", width=260
        )
    shown = [name for name in every if name in ALWAYS or name in differing or name in extra]
    frame = pd.DataFrame([{name: _as_cell(name, row.get(name)) for name in shown} for row in rows], columns=shown)
    st.data_editor(
        frame,
        key=f"compare.editor.{st.session_state['compare.version']}",
        num_rows="dynamic",
        hide_index=True,
        height="content" if len(rows) < 10 else 360,
        column_config={name: _column(name) for name in shown},
        on_change=_take_edits,
        args=(rows, base),
    )


def _column(name: str) -> Any:
    if name == "optimizer":
        return st.column_config.SelectboxColumn(options=list(OPTIMIZERS), required=True)
    if name == "scheduler":
        return st.column_config.SelectboxColumn(options=list(SCHEDULERS), required=True)
    if name in TYPED or name in ("dataset", "activation"):
        return st.column_config.TextColumn()
    if name == "nesterov":
        return st.column_config.CheckboxColumn()
    return st.column_config.NumberColumn(format="%g")


def _as_cell(name: str, value: Any) -> Any:
    return ", ".join(map(str, value)) if name in TYPED and value is not None else value


def _take_edits(rows: Rows, base: Recipe) -> None:
    edits = st.session_state[f"compare.editor.{st.session_state['compare.version']}"]
    edited = [dict(row) for row in rows]
    for number, cells in edits["edited_rows"].items():
        edited[int(number)] |= {name: _from_cell(name, value) for name, value in cells.items()}
    kept = [row for number, row in enumerate(edited) if number not in edits["deleted_rows"]]
    for cells in edits["added_rows"]:
        given = {name: _from_cell(name, value) for name, value in cells.items() if value is not None}
        kept.append((dict(kept[-1]) if kept else flatten(base)) | given)
    st.session_state["compare.rows"] = kept[:MAX_ROWS]
    _renew()


def _from_cell(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in TYPED:
        try:
            number = float if name == "betas" else int
            return tuple(number(part) for part in str(value).split(",") if part.strip())
        except ValueError:
            return str(value)
    if name in ("batch_size", "train_iter", "eval_every", "step_size", "T_max", "warmup_iters", "train_size", "seed"):
        return int(value) if float(value).is_integer() else value
    return value


def _add(rows: Rows, row: dict[str, Any]) -> None:
    st.session_state["compare.rows"] = [*rows, row]
    _renew()


def _renew() -> None:
    """Give the table a new key: it keeps edits of its own, which are in the rows by now."""
    st.session_state["compare.version"] = st.session_state.get("compare.version", 0) + 1
