"""The recipes of a comparison, one a row: presets, copies, edits in place."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from mlpcore.analysis.comparison import find_differences
from mlpcore.messages import Sentence
from mlpcore.recipes.flat import flatten, unflatten
from mlpcore.recipes.presets import PRESETS
from mlpcore.recipes.recipe import OPTIMIZERS, SCHEDULERS, Recipe
from mlpcore.recipes.url import KNOBS
from mlpcore.recipes.validation import find_problems, shorten
from pages.components.recipe_form.form_state import list_options
from pages.components.shared.flash import flash, get_flashed, show_warning
from pages.components.shared.recipe_summary import describe_data
from pages.components.shared.words import _, as_markdown, say

MAX_ROWS = 16
CHOSEN = "✓"
ALWAYS = ("optimizer", "lr", "scheduler")  # columns that are there even where nothing differs
CHOICES = ("optimizer", "scheduler", "dataset", "activation")  # cells that cannot be emptied
TYPED = ("hidden_sizes", "betas", "milestones")  # written "128, 64"
HIDDEN = ("changes", "seed", "device")
LARGEST = 2**53  # from here on a float is no exact whole number, and a table can show none

Rows = list[dict[str, Any]]


def get_rows(base: Recipe) -> Rows:
    """The visitor's rows, at first those of the lecture's optimizers."""
    if "compare.rows" not in st.session_state:
        put_rows(next(iter(PRESETS.values()))(base))
    return st.session_state["compare.rows"]


def put_rows(recipes: Sequence[Recipe]) -> None:
    """Replace the rows by these recipes, without the changes made while a run went on."""
    _set([flatten(recipe.model_copy(update={"changes": ()})) for recipe in recipes[:MAX_ROWS]])


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


def edit_rows(rows: Rows, base: Recipe, datasets: Sequence[str]) -> tuple[list[Recipe], list[str]]:
    """Draw the rows as a table that is edited in place, with the columns that matter; return what `read_rows` says."""
    recipes, refused = read_rows(rows)
    differing = find_differences(recipes, besides=HIDDEN)
    every = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in HIDDEN]
    _presets(base)
    extra = st.session_state.get("compare.columns", [])
    shown = [name for name in every if name in ALWAYS or name in differing or name in extra]
    chosen = st.session_state["compare.chosen_rows"]
    cells = [{CHOSEN: number in chosen} | _as_cells(row, shown) for number, row in enumerate(rows)]
    st.data_editor(
        pd.DataFrame(cells, columns=[CHOSEN, *shown]),
        key=f"compare.editor.{st.session_state['compare.version']}",
        num_rows="dynamic",
        hide_index=True,
        placeholder="—",
        height="content" if len(rows) < 10 else 360,
        column_config={CHOSEN: st.column_config.CheckboxColumn(width=44, help=_("Rows to copy or to remove."))}
        | {name: _column(name, datasets) for name in shown},
        on_change=_take_edits,
        args=(rows, base),
    )
    _row_buttons(rows, base, [name for name in every if name not in ALWAYS])
    if recipes and not {"dataset", "train_size", "label_noise", "train_iter", "batch_size"} & differing.keys():
        st.caption(_("Every row: {data}.").format(data=as_markdown(describe_data(recipes[0]))))
    for sentence in get_flashed("compare.said"):
        show_warning(say(sentence))
    for text in refused:
        show_warning(text)
    return recipes, refused


def apply_edits(rows: Rows, edits: Mapping[str, Any], base: Recipe) -> tuple[Rows, set[int], list[Sentence]]:
    """Return the rows after what a visitor did to the table, which of them are chosen, and what could not be done.

    edits: as st.data_editor reports them. A blank row that was added becomes a copy of the last one.
    """
    edited, said = [dict(row) for row in rows], []
    edited_rows = _find_edits(edits, len(rows))
    ticks = {number: cells[CHOSEN] for number, cells in edited_rows.items() if CHOSEN in cells}
    for number, cells in edited_rows.items():
        row, typed = edited[number], _read_cells(cells)
        row |= {name: value for name, value in typed.items() if value is not None or name not in CHOICES}
        for name in sorted(typed.keys() - _knobs_of(row)):
            values = {"number": number + 1} | {part: shorten(row[part]) for part in ("optimizer", "scheduler")}
            template = "Row {number}: neither {optimizer} nor its schedule, {scheduler}, has {knob}."
            said.append(Sentence(template, values | {"knob": name}))
    kept = [number for number in range(len(edited)) if number not in edits["deleted_rows"]]
    after = [edited[number] for number in kept]
    for cells in (row for row in edits["added_rows"] if isinstance(row, dict)):
        given = {name: value for name, value in _read_cells(cells).items() if value is not None}
        after.append((dict(after[-1]) if after else flatten(base)) | given)
    chosen = {place for place, number in enumerate(kept) if ticks.get(number)}
    if len(after) > MAX_ROWS:
        said.append(Sentence("A comparison has at most {most} rows.", {"most": MAX_ROWS}))
    return after[:MAX_ROWS], chosen, said


def copy_rows(rows: Rows, chosen: set[int]) -> Rows:
    """Put a copy of each chosen row under it, as many as there is room for."""
    room = MAX_ROWS - len(rows)
    copied = set(sorted(chosen)[:room])
    return [dict(row) for number, row in enumerate(rows) for _copy in range(2 if number in copied else 1)]


def _presets(base: Recipe) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for title, preset in PRESETS.items():
            st.button(_(title), on_click=lambda preset=preset: put_rows(preset(base)), key=f"preset.{title}")


def _row_buttons(rows: Rows, base: Recipe, columns: list[str]) -> None:
    chosen = st.session_state["compare.chosen_rows"]
    full = len(rows) >= MAX_ROWS

    def offer(label: str, key: str, change: Callable[[], Rows], *, disabled: bool) -> None:
        st.button(label, key=f"compare.{key}", on_click=lambda: _set(change()), disabled=disabled)

    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        offer(_("Copy chosen rows"), "copy", lambda: copy_rows(rows, chosen), disabled=full or not chosen)
        offer(
            _("Remove chosen rows"),
            "remove",
            lambda: [row for number, row in enumerate(rows) if number not in chosen],
            disabled=not chosen,
        )
        offer(_("Copy from the playground"), "add", lambda: [*rows, flatten(base)], disabled=full)
        st.multiselect(
            _("More columns"),
            columns,
            key="compare.columns",
            placeholder=_("More columns"),
            label_visibility="collapsed",
            width=260,
            persist_state="session",
        )


def _column(name: str, datasets: Sequence[str]) -> Any:
    options = {
        "optimizer": list(OPTIMIZERS),
        "scheduler": list(SCHEDULERS),
        "dataset": list(datasets),
        "activation": list_options("activation"),
    }
    if name in options:
        return st.column_config.SelectboxColumn(options=options[name], help=_help(name))
    if name in TYPED:
        return st.column_config.TextColumn(help=_help(name))
    if name == "nesterov":
        return st.column_config.CheckboxColumn(help=_help(name))
    return st.column_config.NumberColumn(format="%g", help=_help(name))


def _help(name: str) -> str | None:
    """The line of help of the first knob of this name."""
    kinds = [Recipe, *OPTIMIZERS.values(), *SCHEDULERS.values()]
    found = [kind.model_fields[name].description for kind in kinds if name in kind.model_fields]
    return _(found[0]) if found and found[0] else None


def _as_cells(row: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """What the table shows of a row: nothing for a knob that its optimizer and scheduler lack."""
    try:
        row = flatten(unflatten(row))
    except ValidationError:
        row = {name: value for name, value in row.items() if name in _knobs_of(row)}
    cells = {name: row.get(name) if _fits_column(name, row.get(name)) else None for name in names}
    return {
        name: ", ".join(map(str, value)) if name in TYPED and isinstance(value, tuple | list) else value
        for name, value in cells.items()
    }


def _find_edits(edits: Mapping[str, Any], count: int) -> dict[int, Mapping[str, Any]]:
    """The cells that were edited, by the number of their row; a browser may send rows that are none."""
    numbered = {int(number): cells for number, cells in edits["edited_rows"].items()}
    return {number: cells for number, cells in numbered.items() if number in range(count) and isinstance(cells, dict)}


def _fits_column(name: str, value: Any) -> bool:
    """Whether a column can show a value: what does not fit is refused beside the table, in a sentence."""
    if name in TYPED:
        return True
    if name in CHOICES:
        return isinstance(value, str)
    if name == "nesterov":
        return isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


def _knobs_of(row: Mapping[str, Any]) -> set[str]:
    kinds = [Recipe, OPTIMIZERS.get(row["optimizer"], Recipe), SCHEDULERS.get(row["scheduler"], Recipe)]
    return {name for kind in kinds for name in kind.model_fields}


def _take_edits(rows: Rows, base: Recipe) -> None:
    edits = st.session_state[f"compare.editor.{st.session_state['compare.version']}"]
    before = st.session_state["compare.chosen_rows"]
    if not edits["deleted_rows"]:  # the marks that stood there before still stand
        marks = {str(number): {CHOSEN: True} for number in before}
        given = {str(number): cells for number, cells in _find_edits(edits, len(rows)).items()}
        merged = {number: marks.get(number, {}) | given.get(number, {}) for number in {**marks, **given}}
        edits = {**edits, "edited_rows": merged}
    after, chosen, said = apply_edits(rows, edits, base)
    flash("compare.said", said)
    _set(after, chosen)


def _read_cells(cells: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs that a visitor typed; other names, as a browser may send, are none."""
    return {name: _from_cell(name, value) for name, value in cells.items() if name in KNOBS and name not in HIDDEN}


def _from_cell(name: str, value: Any) -> Any:
    text = value if isinstance(value, str) else shorten(value)  # lists may be nested deeper than str() goes
    if name in TYPED and value is not None:
        try:
            number = float if name == "betas" else int
            return tuple(number(part) for part in text.split(",") if part.strip())
        except ValueError:
            return text
    if name in CHOICES and value is not None:
        return text
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST:
        return int(value)  # a knob that is a float takes it as well
    return value


def _set(rows: Rows, chosen: set[int] | None = None) -> None:
    """Keep these rows, under a new key of the table: it keeps edits of its own, which are in the rows by now."""
    st.session_state["compare.rows"] = rows
    st.session_state["compare.chosen_rows"] = chosen or set()
    st.session_state["compare.version"] = st.session_state.get("compare.version", 0) + 1
