"""The list of runs: a page of rows at a time, sorted and filtered by the database."""

from datetime import UTC, datetime

import pandas as pd
import streamlit as st
from components.state import get_store, read_owner
from components.summary import describe_training
from components.words import _, show_duration, status_word

from mlpcore.catalog import data_home, known_datasets
from mlpcore.recipe import OPTIMIZERS
from mlpcore.runs import RunStatus
from mlpcore.store import SORTS, ListedRun

ROWS = 50  # on one page


def show_list() -> list[str]:
    """Draw the filters and a page of runs; return the ids of the rows that are chosen."""
    filters, sort, descending = _filters()
    number = st.session_state.get("history.page", 1)
    listed, total = get_store().search(
        sort=sort, descending=descending, limit=ROWS, offset=(number - 1) * ROWS, **filters
    )
    if not total:
        if get_store().count():
            st.text(_("No run fits these filters: take one of them back."))
        else:
            st.text(_("No run is kept yet: start one on the playground, and it will stand here."))
        return []
    rows = st.dataframe(
        pd.DataFrame([_row(one) for one in listed]),
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"history.table.{number}.{sort}.{descending}",
        height="content" if len(listed) <= 12 else 430,
        column_config={
            _("best"): st.column_config.NumberColumn(format="%.1f %%"),
            _("final"): st.column_config.NumberColumn(format="%.1f %%"),
            _("started"): st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            _("recipe"): st.column_config.TextColumn(width="large"),
        },
    ).selection.rows
    pages = -(-total // ROWS)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(_("{total:,} runs. Choose rows to look at, compare, pass on or delete.").format(total=total))
        if pages > 1:
            st.number_input(
                _("Page of {pages}").format(pages=pages),
                1,
                pages,
                key="history.page",
                width=140,
                persist_state="session",
            )
    return [listed[row].run.id for row in rows if row < len(listed)]


def _filters() -> tuple[dict[str, object], str, bool]:
    titles = {
        "created": _("newest"),
        "best_acc": _("best accuracy"),
        "last_acc": _("final accuracy"),
        "seconds": _("longest"),
        "name": _("name"),
    }
    every = _("all")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        words = st.text_input(
            _("Search name and note"), key="history.words", max_chars=60, on_change=_first_page, width=200
        )
        datasets = [every, *known_datasets(data_home())]
        dataset = st.selectbox(_("Data set"), datasets, key="history.dataset", on_change=_first_page, width=150)
        optimizers = [every, *OPTIMIZERS]
        optimizer = st.selectbox(_("Optimizer"), optimizers, key="history.optimizer", on_change=_first_page, width=130)
        statuses = [None, *RunStatus]
        status = st.selectbox(
            _("State"),
            statuses,
            format_func=lambda one: every if one is None else status_word(one),
            key="history.status",
            on_change=_first_page,
            width=130,
        )
        least = st.number_input(_("Best, at least %"), 0, 100, 0, key="history.least", on_change=_first_page, width=130)
        sort = st.selectbox(
            _("Sort by"), list(SORTS), format_func=titles.get, key="history.sort", on_change=_first_page, width=150
        )
        starred = st.toggle(_("Starred"), key="history.starred", on_change=_first_page, width="content")
    filters = {
        "words": words.strip(),
        "dataset": None if dataset == every else dataset,
        "optimizer": None if optimizer == every else optimizer,
        "statuses": None if status is None else [status],
        "least_best_acc": least / 100 or None,
        "starred": starred,
    }
    return filters, sort, sort != "name"


def _first_page() -> None:
    st.session_state["history.page"] = 1


def _row(one: ListedRun) -> dict[str, object]:
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
        _("mine"): run.owner == read_owner(),
        _("note"): run.note,
    }
