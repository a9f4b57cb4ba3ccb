"""The recipes of a comparison, one per row: comparisons to choose from, copies, edits in place."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from mlpcore.analysis.differences import find_differences
from mlpcore.messages import Sentence
from mlpcore.recipes.flat import FlatField, flatten, list_fields, read_numbers, unflatten
from mlpcore.recipes.presets import COMPARISONS
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.url import MAX_ROWS
from mlpcore.recipes.validation import find_problems, shorten
from pages.components.shared.choices import persistent
from pages.components.shared.flash import flash, get_flashed, show_warning
from pages.components.shared.recipe_summary import describe_data
from pages.components.shared.words import _, as_markdown, say

FIELDS = list_fields()
CHOSEN = "✓"
ALWAYS = ("optimizer", "lr", "scheduler")  # columns that are there even where nothing differs
HIDDEN = ("changes", "seed", "device")
LARGEST = 2**53  # a float is exact for whole numbers below this, and a table shows no larger ones

Rows = list[dict[str, Any]]


def get_rows(base: Recipe) -> Rows:
    """Return the visitor's rows, at first those of the lecture's optimizers."""
    if "compare.rows" not in st.session_state:
        put_rows(next(iter(COMPARISONS.values()))(base))
    return st.session_state["compare.rows"]


def put_rows(recipes: Sequence[Recipe]) -> None:
    """Replace the rows by these recipes, without the changes made while a run went on."""
    _set([flatten(recipe.model_copy(update={"changes": ()})) for recipe in recipes[:MAX_ROWS]])


def read_rows(rows: Rows) -> tuple[list[Recipe], list[str]]:
    """Make a recipe of each row; where one is refused, a sentence names the row and the reason."""
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
        row |= {name: value for name, value in typed.items() if value is not None or FIELDS[name].type is not str}
        for name in sorted(name for name in typed if not _has(row, FIELDS[name])):
            part = FIELDS[name].part
            values = {"number": number + 1, "field": name, "part": part, "name": shorten(row[part])}
            said.append(Sentence("Row {number}: {part} is {name}, which has no {field}.", values))
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
        for title, preset in COMPARISONS.items():
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
            placeholder=_("More columns"),
            label_visibility="collapsed",
            width=260,
            **persistent("compare.columns"),
        )


def _column(name: str, datasets: Sequence[str]) -> Any:
    field = FIELDS[name]
    help_ = _(field.help)
    if field.type is str:
        return st.column_config.SelectboxColumn(options=field.options or list(datasets), help=help_)
    if field.type is tuple:
        return st.column_config.TextColumn(help=help_)
    if field.type is bool:
        return st.column_config.CheckboxColumn(help=help_)
    return st.column_config.NumberColumn(format="%g", help=help_)


def _as_cells(row: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return what the table shows of a row: nothing for what its optimizer and scheduler lack."""
    try:
        row = flatten(unflatten(row))
    except ValidationError:
        row = {name: value for name, value in row.items() if name in FIELDS and _has(row, FIELDS[name])}
    return {name: _to_cell(FIELDS[name].type, row.get(name)) for name in names}


def _to_cell(kind: type[Any], value: Any) -> Any:
    """Return a value as its column can show it; None for any other, which is refused in a sentence beside the table."""
    if kind is tuple:
        return ", ".join(map(str, value)) if isinstance(value, tuple | list) else value
    if kind in (str, bool):
        return value if isinstance(value, kind) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
    return value if is_number else None


def _find_edits(edits: Mapping[str, Any], count: int) -> dict[int, Mapping[str, Any]]:
    """Return the cells that were edited, by row number; a browser may send rows that do not exist."""
    numbered = {int(number): cells for number, cells in edits["edited_rows"].items()}
    return {number: cells for number, cells in numbered.items() if number in range(count) and isinstance(cells, dict)}


def _has(row: Mapping[str, Any], field: FlatField) -> bool:
    """Return whether a row's optimizer or scheduler, or every recipe, has a hyperparameter."""
    return not field.part or (isinstance(row[field.part], str) and row[field.part] in field.owners)


def _take_edits(rows: Rows, base: Recipe) -> None:
    edits = st.session_state[f"compare.editor.{st.session_state['compare.version']}"]
    before = st.session_state["compare.chosen_rows"]
    if not edits["deleted_rows"]:  # the marks that stood there before still stand
        marks = {str(number): {CHOSEN: True} for number in before}
        given = {str(number): cells for number, cells in _find_edits(edits, len(rows)).items()}
        merged = {number: {**marks.get(number, {}), **given.get(number, {})} for number in {**marks, **given}}
        edits = {**edits, "edited_rows": merged}
    after, chosen, said = apply_edits(rows, edits, base)
    flash("compare.said", said)
    _set(after, chosen)


def _read_cells(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that a visitor typed; a browser may send other names as well."""
    known = {name: value for name, value in cells.items() if name in FIELDS and name not in HIDDEN}
    return {name: _from_cell(FIELDS[name].type, value) for name, value in known.items()}


def _from_cell(kind: type[Any], value: Any) -> Any:
    if kind in (str, tuple) and value is not None:
        text = value if isinstance(value, str) else shorten(value)  # lists may be nested deeper than str() goes
        return tuple(read_numbers(text)) if kind is tuple else text
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST:
        return int(value)  # a field of type float accepts it as well
    return value


def _set(rows: Rows, chosen: set[int] | None = None) -> None:
    """Keep these rows, under a new key of the table: it keeps edits of its own, which are in the rows by now."""
    st.session_state["compare.rows"] = rows
    st.session_state["compare.chosen_rows"] = chosen or set()
    st.session_state["compare.version"] = st.session_state.get("compare.version", 0) + 1
