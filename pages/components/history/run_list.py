"""The list of runs: one page of rows at a time, sorted and filtered by the database."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import pandas as pd
import streamlit as st

from mlpcore.recipes.recipe import OPTIMIZERS
from mlpcore.runs.records import RunStatus
from mlpcore.runs.search import ListedRun, RunFilters
from pages.components.shared.choices import persistent
from pages.components.shared.recipe_summary import describe_training
from pages.components.shared.state import get_store, read_owner
from pages.components.shared.words import _, _n, show_duration, status_word

T = TypeVar("T")
ROWS = 50  # on one page
MAX_CHOSEN = 50  # runs whose curves are drawn together


def show_list() -> list[str]:
    """Draw the filters and a page of runs; return the ids of the chosen runs, of all pages."""
    state = st.session_state
    listed, total = _search(*_filters_form())
    if not total:
        if get_store().count():
            st.text(_("No run fits these filters: take one of them back."))
        else:
            st.text(_("No run is stored yet. Start one on the playground, and it will appear here."))
        return []
    ids, owner = [one.run.id for one in listed], read_owner()
    chosen = state.setdefault("history.chosen", [])
    # Streamlit keeps the numbers of the chosen rows. When the rows change, for example because of a new run on top,
    # another key makes a new table, which starts with the same runs chosen.
    key = f"history.table.{hashlib.sha256(','.join(ids).encode()).hexdigest()[:12]}.{state.get('history.cleared', 0)}"
    st.dataframe(
        pd.DataFrame([_row(one, owner) for one in listed]),
        hide_index=True,
        on_select=lambda: _take_rows(key, ids),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [n for n, run_id in enumerate(ids) if run_id in chosen]}},
        key=key,
        height="content" if len(listed) <= 12 else 430,
        placeholder="—",
        column_config={
            _("best"): st.column_config.NumberColumn(format="%.1f %%"),
            _("final"): st.column_config.NumberColumn(format="%.1f %%"),
            _("started"): st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            # holds most recipes, and leaves room at 1280 pixels for every column but the note
            _("recipe"): st.column_config.TextColumn(width=320),
        },
    )
    _footer(total, chosen)
    return chosen


def _search(filters: RunFilters, sort: str, descending: bool) -> tuple[list[ListedRun], int]:
    """Read the chosen page of runs, or the last one if there are fewer by now."""
    number = st.session_state.setdefault("history.page", 1)
    while True:
        listed, total = get_store().search(
            sort=sort, descending=descending, limit=ROWS, offset=(number - 1) * ROWS, **filters
        )
        last = max(-(-total // ROWS), 1)
        if number <= last:
            st.session_state["history.page"] = number
            return listed, total
        number = last


def _take_rows(key: str, ids: Sequence[str]) -> None:
    """Store which runs are chosen; those of other pages stay chosen."""
    state = st.session_state
    here = [ids[row] for row in state[key].selection.rows if row < len(ids)]
    elsewhere = [run_id for run_id in state["history.chosen"] if run_id not in ids]
    state["history.chosen"] = [*elsewhere, *here][:MAX_CHOSEN]


def _clear() -> None:
    st.session_state["history.chosen"] = []
    st.session_state["history.cleared"] = st.session_state.get("history.cleared", 0) + 1


def _footer(total: int, chosen: Sequence[str]) -> None:
    pages = -(-total // ROWS)
    with st.container(horizontal=True, vertical_alignment="center"):
        template = _n(
            "{total:,} run. Choose it to look at, compare, pass on or delete.",
            "{total:,} runs. Choose rows to look at, compare, pass on or delete.",
            total,
        )
        st.caption(template.format(total=total))
        if chosen:
            st.caption(_n("{count} is chosen.", "{count} are chosen.", len(chosen)).format(count=len(chosen)))
            st.button(_("Choose none"), on_click=_clear, key="history.none", type="tertiary")
        if pages > 1:
            title = _("Page of {pages}").format(pages=pages)
            st.number_input(title, 1, pages, key="history.page", width=140, persist_state="session")


def _filters_form() -> tuple[RunFilters, str, bool]:
    """Draw the filters and the order; return the filters, what to sort by, and whether the largest comes first."""
    titles = {
        "created": _("newest"),
        "name": _("name"),
        "best_acc": _("best accuracy"),
        "last_acc": _("final accuracy"),
        "seconds": _("longest"),
    }
    datasets: dict[str | None, str] = {None: _("all")} | {name: name for name in get_store().list_values("dataset")}
    optimizers: dict[str | None, str] = {None: _("all")} | {name: name for name in OPTIMIZERS}
    statuses: dict[RunStatus | None, str] = {None: _("all")} | {status: status_word(status) for status in RunStatus}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        words = st.text_input(
            _("Search name and note"), max_chars=60, width=180, on_change=_first_page, **persistent("history.words")
        )
        dataset = _select(_("Data set"), "history.dataset", datasets, width=140)
        optimizer = _select(_("Optimizer"), "history.optimizer", optimizers, width=120)
        status = _select(_("State"), "history.status", statuses, width=130)
        least = st.number_input(
            _("Best, at least %"), 0, 100, 0, width=130, on_change=_first_page, **persistent("history.least")
        )
        sort = _select(_("Sort by"), "history.sort", titles, width=140)
        backwards = _toggle(_("Backwards"), "history.backwards")
        starred = _toggle(_("Starred"), "history.starred")
    filters = RunFilters(
        words=words.strip(),
        dataset=dataset,
        optimizer=optimizer,
        statuses=None if status is None else [status],
        least_best_acc=least / 100 or None,
        starred=starred,
    )
    return filters, sort, (sort != "name") != backwards


def _select(label: str, key: str, titles: Mapping[T, str], *, width: int) -> T:
    return st.selectbox(
        label,
        list(titles),
        format_func=titles.__getitem__,
        on_change=_first_page,
        filter_mode=None,
        width=width,
        **persistent(key),
    )


def _toggle(label: str, key: str) -> bool:
    return st.toggle(label, width="content", on_change=_first_page, **persistent(key))


def _first_page() -> None:
    st.session_state["history.page"] = 1


def _row(one: ListedRun, owner: str) -> dict[str, object]:
    run = one.run
    return {
        "★": "★" if run.starred else "",
        _("name"): run.name,
        _("state"): status_word(run.status),
        _("data set"): run.recipe.dataset,
        _("recipe"): describe_training(run.recipe),
        _("iterations"): run.step,
        _("best"): None if one.best_acc is None else 100 * one.best_acc,
        _("final"): None if one.last_acc is None else 100 * one.last_acc,
        _("computing"): show_duration(run.seconds),
        _("started"): datetime.fromtimestamp(run.created, tz=UTC),
        _("mine"): run.belongs_to(owner),
        _("note"): run.note,
    }
