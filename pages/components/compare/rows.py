"""The recipes of a comparison, one per row: their names, copies, edits in place."""

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from mlpcore.analysis.differences import find_differences, label_recipes
from mlpcore.charts.traces import find_look
from mlpcore.messages import Sentence
from mlpcore.numbers import exact_number
from mlpcore.recipes import messages
from mlpcore.recipes.flat import FlatField, flatten, list_fields, read_number, read_numbers, unflatten, write_numbers
from mlpcore.recipes.presets import COMPARISONS, SHARED, build_comparison
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.url import MAX_ROWS, NAME
from mlpcore.recipes.validation import find_problems, shorten
from pages.components.shared.choices import persistent
from pages.components.shared.flash import flash
from pages.components.shared.layout import row_colour
from pages.components.shared.words import _, say

FIELDS = list_fields()
CHOSEN = "✓"
MARK = " "  # the column with the look of a row's curves
ROW_NAME = "name"  # the key of the name that a person gave to a row
MARK_WIDTH = 52  # pixels
DASH_MARKS = {"solid": "━━", "dash": "╍╍", "dot": "• •", "dashdot": "━•━", "longdash": "━ ━", "longdashdot": "━━•"}
SYMBOL_MARKS = {"": "", "circle": "●", "square": "■"}
ALWAYS = ("optimizer", "lr", "scheduler")  # columns that are there even where nothing differs
HIDDEN = ("changes", "seed", "device")
LARGEST = 2**53  # a float is exact for whole numbers below this, and a table shows no larger ones

Rows = list[dict[str, Any]]


def get_rows(like: Recipe) -> Rows:
    """Return the visitor's rows, at first those of the lecture's optimizers."""
    if "compare.rows" not in st.session_state:
        put_rows(build_comparison(next(iter(COMPARISONS)), like))
    return st.session_state["compare.rows"]


def put_rows(recipes: Sequence[Recipe], names: Sequence[str] = ()) -> None:
    """Replace the rows by these recipes, without the changes made while a run went on."""
    rows = [flatten(recipe.model_copy(update={"changes": ()})) for recipe in recipes[:MAX_ROWS]]
    set_rows([row | ({ROW_NAME: name} if name else {}) for row, name in zip_longest(rows, names[: len(rows)])])


def read_names(rows: Rows) -> tuple[str, ...]:
    """Return the names that a person gave to the rows, "" for each without one; none at all if no row has one."""
    names = tuple(row.get(ROW_NAME, "") for row in rows)
    return names if any(names) else ()


def draw_mark(place: int) -> tuple[str, str]:
    """Return how a table shows the look of a row's curves: a text and its CSS."""
    look = find_look(place)
    return DASH_MARKS[look.dash] + SYMBOL_MARKS[look.symbol], f"color: {row_colour(look.colour)}"


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


def edit_rows(
    rows: Rows, recipes: Sequence[Recipe], base: Recipe | None, datasets: Sequence[str], *, is_locked: bool
) -> None:
    """Draw the rows as a table that is edited in place, with the columns that matter.

    base: the playground's recipe, which a row can be copied from; None if it has none.
    is_locked: whether the table can only be read.
    """
    differing = find_differences(recipes, besides=HIDDEN)
    every = [name for name in dict.fromkeys(name for row in rows for name in row) if name in FIELDS]
    every = [name for name in every if name not in HIDDEN]
    # what differs only because some optimizers lack it is offered among more columns
    telling = [name for name, values in differing.items() if len({repr(one) for one in values if one is not None}) > 1]
    plain = [name for name in every if name in ALWAYS or name in telling]
    extra = [name for name in st.session_state.get("compare.columns", []) if name in every]
    st.session_state["compare.columns"] = extra
    shown = [name for name in every if name in plain or name in extra]
    chosen = st.session_state["compare.chosen_rows"]
    named = len(recipes) == len(rows)
    labels = label_recipes(recipes, read_names(rows) or [""] * len(rows)) if named else [""] * len(rows)
    marks = [draw_mark(place) for place in range(len(rows))]
    cells = [
        {CHOSEN: number in chosen, MARK: marks[number][0], ROW_NAME: row.get(ROW_NAME) or labels[number]}
        | _as_cells(row, shown)
        for number, row in enumerate(rows)
    ]
    frame = pd.DataFrame(cells, columns=[*([] if is_locked else [CHOSEN]), MARK, ROW_NAME, *shown])
    help_ = _("What the row is called in the chart and in History. Empty: after what sets it apart.")
    own = {
        CHOSEN: st.column_config.CheckboxColumn(width=44, help=_("Rows to copy or to remove.")),
        MARK: st.column_config.TextColumn(width=MARK_WIDTH, disabled=True),
        ROW_NAME: st.column_config.TextColumn(_("name"), width=270, help=help_, max_chars=40),
    }
    st.data_editor(
        frame.style.apply(lambda _cells: [css for _text, css in marks], subset=[MARK]),
        key=f"compare.editor.{st.session_state['compare.version']}",
        num_rows="fixed" if is_locked else "dynamic",
        disabled=is_locked,
        hide_index=True,
        placeholder="—",
        height="content" if len(rows) < 10 else 360,
        column_config=own | {name: _column(name, datasets, rows) for name in shown},
        on_change=_take_edits,
        args=(rows, base or Recipe()),
    )
    if not is_locked:
        _row_buttons(rows, base, [name for name in every if name not in plain or name in extra])


def apply_edits(rows: Rows, edits: Mapping[str, Any], base: Recipe) -> tuple[Rows, set[int], list[Sentence]]:
    """Return the rows after what a visitor did to the table, which of them are chosen, and what could not be done.

    edits: as st.data_editor reports them. A blank row that was added becomes a copy of the last one.
    """
    edited, said = [dict(row) for row in rows], []
    edited_rows = _find_edits(edits, len(rows))
    ticks = {number: cells[CHOSEN] for number, cells in edited_rows.items() if CHOSEN in cells}
    for number, cells in edited_rows.items():
        row, typed = edited[number], _read_cells(cells)
        if ROW_NAME in cells:
            said += _take_name(row, number, cells[ROW_NAME])
        row |= {name: value for name, value in typed.items() if value is not None or FIELDS[name].type is not str}
        for name in sorted(name for name in typed if not _has(row, FIELDS[name])):
            part = FIELDS[name].chosen_by
            values = {"number": number + 1, "field": name, "part": part, "name": shorten(row[part])}
            said.append(Sentence("Row {number}: {part} is {name}, which has no {field}.", values))
    kept = [number for number in range(len(edited)) if number not in edits["deleted_rows"]]
    after = [edited[number] for number in kept]
    for cells in (row for row in edits["added_rows"] if isinstance(row, dict)):
        given = {name: value for name, value in _read_cells(cells).items() if value is not None}
        after.append((_copy(after[-1]) if after else flatten(base)) | given)
    chosen = {place for place, number in enumerate(kept) if ticks.get(number)}
    if len(after) > MAX_ROWS:
        said.append(Sentence("A comparison has at most {most} rows.", {"most": MAX_ROWS}))
    return after[:MAX_ROWS], chosen, said


def copy_rows(rows: Rows, chosen: set[int]) -> Rows:
    """Put a copy of each chosen row under it, as many as there is room for."""
    room = MAX_ROWS - len(rows)
    copied = set(sorted(chosen)[:room])
    return [one for number, row in enumerate(rows) for one in ([row, _copy(row)] if number in copied else [row])]


def _copy(row: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a row without its name: two rows of one name would be mistaken for each other."""
    return {name: value for name, value in row.items() if name != ROW_NAME}


def _take_name(row: dict[str, Any], number: int, name: Any) -> list[Sentence]:
    """Name a row; an empty name is forgotten, a wrong one is refused in a sentence."""
    text = name.strip() if isinstance(name, str) else ""
    if not text:
        row.pop(ROW_NAME, None)
    elif NAME.fullmatch(text):
        row[ROW_NAME] = text
    else:
        problem = Sentence(messages.BAD_NAME, {"field": ROW_NAME, "value": shorten(text)})
        return [Sentence("Row {number}: {problem}", {"number": number + 1, "problem": problem})]
    return []


def _row_buttons(rows: Rows, base: Recipe | None, columns: list[str]) -> None:
    chosen = st.session_state["compare.chosen_rows"]
    full = len(rows) >= MAX_ROWS

    def offer(label: str, key: str, change: Callable[[], Rows], *, disabled: bool) -> None:
        st.button(label, key=f"compare.{key}", on_click=lambda: set_rows(change()), disabled=disabled)

    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        offer(_("Copy chosen rows"), "copy", lambda: copy_rows(rows, chosen), disabled=full or not chosen)
        offer(
            _("Remove chosen rows"),
            "remove",
            lambda: [row for number, row in enumerate(rows) if number not in chosen],
            disabled=not chosen,
        )
        offer(_("Copy from the playground"), "add", lambda: [*rows, _join(rows, base)], disabled=full or base is None)
        st.multiselect(
            _("More columns"),
            columns,
            placeholder=_("More columns"),
            label_visibility="collapsed",
            width=260,
            **persistent("compare.columns"),
        )


def _join(rows: Rows, base: Recipe | None) -> dict[str, Any]:
    """Return the playground's recipe as a further row, with what all rows share."""
    first = rows[0] if rows else {}
    shared = {
        name: first[name] for name in SHARED if name in first and all(row.get(name) == first[name] for row in rows)
    }
    return flatten(base or Recipe()) | shared


def _column(name: str, datasets: Sequence[str], rows: Rows) -> Any:
    field = FIELDS[name]
    helps = field.list_helps([row.get(field.chosen_by, "") for row in rows])
    lines = [f"{_(line)} ({', '.join(owners)})" if len(helps) > 1 else _(line) for line, owners in helps.items()]
    help_ = "\n\n".join(lines)
    if field.type is str:
        return st.column_config.SelectboxColumn(options=field.options or list(datasets), help=help_)
    if field.type is tuple:
        return st.column_config.TextColumn(help=help_)
    if field.type is bool:
        return st.column_config.CheckboxColumn(help=help_)
    if field.type is float:
        return st.column_config.TextColumn(help=help_, alignment="right")
    return st.column_config.NumberColumn(format="localized", help=help_)


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
        return write_numbers(value) if isinstance(value, tuple | list) else value
    if kind in (str, bool):
        return value if isinstance(value, kind) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
    if kind is float:
        return exact_number(float(value)) if is_number else shorten(value) if value is not None else None
    return value if is_number else None


def _find_edits(edits: Mapping[str, Any], count: int) -> dict[int, Mapping[str, Any]]:
    """Return the cells that were edited, by row number; a browser may send rows that do not exist."""
    numbered = {int(number): cells for number, cells in edits["edited_rows"].items()}
    return {number: cells for number, cells in numbered.items() if number in range(count) and isinstance(cells, dict)}


def _has(row: Mapping[str, Any], field: FlatField) -> bool:
    """Return whether a row's optimizer, scheduler or data set, or every recipe, has a hyperparameter."""
    return not field.part or (isinstance(row[field.chosen_by], str) and row[field.chosen_by] in field.owners)


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
    set_rows(after, chosen)


def _read_cells(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that a visitor typed; a browser may send other names as well."""
    known = {name: value for name, value in cells.items() if name in FIELDS and name not in HIDDEN}
    return {name: _from_cell(FIELDS[name].type, value) for name, value in known.items()}


def _from_cell(kind: type[Any], value: Any) -> Any:
    if kind in (str, tuple) and value is not None:
        text = value if isinstance(value, str) else shorten(value)  # lists may be nested deeper than str() goes
        return tuple(read_numbers(text)) if kind is tuple else text
    if kind is float and isinstance(value, str):
        return read_number(value) if value.strip() else None
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST:
        return int(value)  # a field of type float accepts it as well
    return value


def set_rows(rows: Rows, chosen: set[int] | None = None) -> None:
    """Keep these rows, under a new key of the table: it keeps edits of its own, which are in the rows by now."""
    st.session_state["compare.rows"] = rows
    st.session_state["compare.chosen_rows"] = chosen or set()
    st.session_state["compare.version"] = st.session_state.get("compare.version", 0) + 1
