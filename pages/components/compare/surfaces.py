"""The paths of up to four rows over one loss surface."""

from collections.abc import Sequence

import streamlit as st

from mlpcore.analysis.replay.loss_surface import MAX_RUNS
from mlpcore.charts.compare import Series
from mlpcore.charts.replay.loss_surface import PathOfRun
from mlpcore.runs.records import Run
from pages.components.replay.loss_surface import draw_loss_surface
from pages.components.shared.words import _


def show_surfaces(series: Sequence[Series]) -> None:
    """Draw what asks for the paths of rows over one loss surface, or the surface; nothing if no row can be replayed.

    Each row is its run with the lowest seed. Rows share a plane if they could train in one cohort.
    """
    rows = _find_rows(series)
    if not rows:
        return
    opened = st.expander(_("Loss surface"), key="compare.surface.open", on_change="rerun")
    if not opened.open:
        return
    with opened:
        labels = list(rows)
        key = f"compare.surface.rows.{hash(tuple(run.id for run in rows.values()))}"
        st.session_state.setdefault(key, labels[:MAX_RUNS])
        chosen = st.multiselect(_("Rows in one plane, four at most"), labels, max_selections=MAX_RUNS, key=key)
        if not chosen:
            st.text(_("Choose a row: its path appears here."))
            return
        places = {one.label: one.place for one in series}
        runs = [rows[label] for label in labels if label in chosen]
        paths = [PathOfRun(label, places[label], rows[label].evaluations) for label in labels if label in chosen]
        draw_loss_surface(runs, paths, key="compare.surface")


def _find_rows(series: Sequence[Series]) -> dict[str, Run]:
    """Find the rows whose paths can be in one plane, by label."""
    from mlpcore.training.lockstep import cohort_key
    from mlpcore.training.replay.replay import find_obstacle

    rows: dict[str, Run] = {}
    for one in series:
        run = min(one.runs, key=lambda run: run.recipe.seed)
        if find_obstacle(run) is None and (
            not rows or cohort_key(run.recipe) == cohort_key(next(iter(rows.values())).recipe)
        ):
            rows[one.label] = run
    return rows
