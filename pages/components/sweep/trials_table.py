"""The trials of a search as a table that is linked with the charts: filter, sort, open and star."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from mlpcore.charts.sweeps.points import write_value
from mlpcore.runs.records import RunStatus
from mlpcore.sweeps.definition import ROW
from mlpcore.sweeps.space import Range, Value
from mlpcore.sweeps.trials import PRUNED, Sweep, Trial
from pages.components.shared.flash import toast_errors
from pages.components.shared.state import find_run, get_store, get_stored_runs, read_owner
from pages.components.shared.words import _, as_markdown

STAR = "★"
ENDS = (RunStatus.FINISHED.value, PRUNED, RunStatus.DIVERGED.value)  # by which trials are filtered
TABLE_HEIGHT, ROW_HEIGHT = 300, 44  # pixels
MOST_STARRED = 1000
CHOSEN = "sweep.trial"  # in the session: the sweep and the number of the chosen trial


def filter_trials(sweep: Sweep, trials: Sequence[Trial]) -> list[Trial]:
    """Offer to show only certain trials; return them. Nothing chosen of a kind means all of it."""
    names = {
        name: [value for value in one if isinstance(value, str)]
        for name, one in sweep.definition.space.items()
        if not isinstance(one, Range)
    }
    ends = [end for end in ENDS if end != PRUNED or sweep.definition.prune]
    labels = {(name, value): value for name, values in names.items() for value in values}
    labels |= {("status", end): _(end) for end in ends} | {("star", STAR): STAR}
    chosen = st.pills(
        _("Only"),
        list(labels),
        selection_mode="multi",
        format_func=labels.__getitem__,
        label_visibility="collapsed",
        key=f"sweep.filter.{sweep.id}",
    )
    wanted: dict[str, set[str]] = {}
    for kind, value in chosen or ():
        wanted.setdefault(kind, set()).add(value)
    starred = find_starred(sweep) if "star" in wanted else set()
    return [trial for trial in trials if _meets(trial, wanted, starred)]


def _meets(trial: Trial, wanted: Mapping[str, set[str]], starred: set[str]) -> bool:
    for kind, values in wanted.items():
        if kind == "star":
            is_met = not starred.isdisjoint(trial.run_ids)
        elif kind == "status":
            is_met = trial.result is not None and trial.result.status in values
        else:
            is_met = trial.point.get(kind) in values
        if not is_met:
            return False
    return True


def find_starred(sweep: Sweep) -> set[str]:
    """Return the ids of its owner's starred runs."""
    found, _count = get_store().search(owner=sweep.owner, starred=True, limit=MOST_STARRED)
    return {one.run.id for one in found}


def find_chosen(sweep: Sweep, chart: str) -> Trial | None:
    """Return the trial that the visitor has chosen in the table, or by a click in a chart that is drawn next."""
    state = st.session_state
    clicked = getattr(state.get(chart), "picked", None)
    if clicked is not None:
        state[CHOSEN] = sweep.id, int(clicked)
    of, number = state.get(CHOSEN) or ("", 0)
    return sweep.trials[number] if of == sweep.id and number < len(sweep.trials) else None


def show_table(sweep: Sweep, trials: Sequence[Trial], chosen: Trial | None) -> None:
    """Draw one row per trial; a row that is chosen is shown above, and stands out in the charts."""
    # once, not for each of a thousand rows, every second
    number, val_acc, test_acc, status = _("trial"), _("validation accuracy"), _("test accuracy"), _("status")
    statuses = {name: _(name) for name in {trial.result.status for trial in trials if trial.result}}
    queued, starred = _("queued"), find_starred(sweep)
    rows = []
    for trial in trials:
        result = trial.result
        row: dict[str, Any] = {number: trial.number + 1}
        row |= {name: as_cell(trial.point[name]) if name in trial.point else None for name in sweep.definition.space}
        row[val_acc] = result and result.val_acc and 100 * result.val_acc
        row[test_acc] = result and result.test_acc and 100 * result.test_acc
        row[status] = queued if result is None else statuses[result.status]
        rows.append(row | {STAR: "" if starred.isdisjoint(trial.run_ids) else STAR})
    percent = st.column_config.NumberColumn(format="%.1f%%")
    number_of = st.column_config.NumberColumn(format="%.3g")
    config = {name: number_of for name, one in sweep.definition.space.items() if isinstance(one, Range)}
    key = f"sweep.table.{sweep.id}"
    places = [place for place, trial in enumerate(trials) if trial == chosen]
    if list(getattr(st.session_state.get(key), "selection", {"rows": []})["rows"]) != places:
        st.session_state[key] = {"selection": {"rows": places, "columns": [], "cells": []}}
    st.dataframe(
        pd.DataFrame(rows, columns=[number, *sweep.definition.space, val_acc, test_acc, status, STAR]),
        hide_index=True,
        key=key,
        height=TABLE_HEIGHT,
        placeholder="—",
        on_select=lambda: _take_row(key, sweep, trials),
        selection_mode="single-row",
        column_config={**config, val_acc: percent, test_acc: percent, STAR: st.column_config.TextColumn(width=44)},
    )


def as_cell(value: Value) -> bool | int | float | str:
    """Return a value as a table sorts it: numbers as numbers."""
    return value if isinstance(value, int | float) else write_value(value)


def _take_row(key: str, sweep: Sweep, trials: Sequence[Trial]) -> None:
    rows = st.session_state[key].selection.rows
    st.session_state[CHOSEN] = (sweep.id, trials[rows[0]].number) if rows and rows[0] < len(trials) else None


def show_trial(trial: Trial | None) -> None:
    """Say what the chosen trial is, with buttons that open its run and star it."""
    run = find_run(trial.run_ids[0]) if trial and trial.run_ids else None
    with st.container(horizontal=True, vertical_alignment="center", gap="small", height=ROW_HEIGHT, border=False):
        if trial is None:
            st.caption(_("Click a trial in the chart, or tick its row, to see it here."))
            return
        title = _("Trial {number}").format(number=trial.number + 1)
        st.markdown(f"**{title}** · {as_markdown(describe_point(trial))}", width="stretch")
        if run is None:
            return
        if st.button(_("Open its run"), key="sweep.open"):
            st.session_state["run"] = run.id
            st.switch_page("playground.py", query_params={"run": run.id})
        if run.belongs_to(read_owner()):
            label = _("Remove the star") if run.starred else _("Star")
            st.button(label, on_click=_star, args=(trial.run_ids, not run.starred), key="sweep.star")


def describe_point(trial: Trial) -> str:
    """Write the values of a trial's point."""
    return " · ".join(f"{name} {write_value(value)}" for name, value in trial.point.items() if name != ROW)


def _star(run_ids: Sequence[str], starred: bool) -> None:
    with toast_errors():
        for run_id in run_ids:
            get_stored_runs().annotate(run_id, owner=read_owner(), starred=starred)
