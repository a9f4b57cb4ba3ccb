"""Equal budgets: how soon each row reaches a target on each data set, as a performance profile and as a table."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from mlpcore.analysis.sweeps.budgets import MISSED, draw_profile
from mlpcore.charts.sweeps.budgets import profile_chart
from mlpcore.data.download.sources import dataset_title
from mlpcore.sweeps.budgets import find_target, label_rows, score_rows
from mlpcore.sweeps.trials import Sweep
from pages.components.compare.rows import MARK, draw_mark
from pages.components.shared.live_plot import live_plot
from pages.components.shared.words import _
from pages.components.sweep.setup import CHART_HEIGHT


def show_budget(sweeps: Sequence[Sweep]) -> None:
    """Show what the rows reached on each data set with equal budgets."""
    labels = label_rows(sweeps[0].definition)
    scores: dict[str, dict[str, float]] = {label: {} for label in labels}
    for sweep in sweeps:
        dataset = sweep.definition.rows[0].dataset
        target = _choose_target(sweep, labels[0])
        if target is not None and sweep.status.is_over:
            for label, steps in zip(labels, score_rows(sweep.definition, sweep.trials, target), strict=True):
                scores[label][dataset] = steps
    finished = {label: own for label, own in scores.items() if own}
    live_plot(
        profile_chart(draw_profile(finished), translate=_),
        key="sweep.profile",
        height=CHART_HEIGHT,
        alt=_("The share of data sets on which each row was within a factor of the fastest."),
        revision=",".join(sweep.id for sweep in sweeps),
    )
    rows: list[dict[str, Any]] = []
    for place, label in enumerate(labels):
        reached = {dataset_title(name): None if value == MISSED else value for name, value in scores[label].items()}
        rows.append({MARK: draw_mark(place)[0], _("recipe"): label, **reached})
    looks = [draw_mark(place)[1] for place in range(len(labels))]
    columns = [column for column in rows[0] if column not in (MARK, _("recipe"))]
    config: dict[str, Any] = {MARK: st.column_config.TextColumn(width=44)}
    config |= dict.fromkeys(columns, st.column_config.NumberColumn(format="localized"))
    st.dataframe(
        pd.DataFrame(rows).style.apply(lambda _cells: looks, subset=[MARK, _("recipe")]),
        hide_index=True,
        placeholder=_("missed"),
        column_config=config,
    )
    st.caption(_("Steps to the target, in the median study; they are known to the evaluation."))


def _choose_target(sweep: Sweep, reference: str) -> float | None:
    """Offer the target of a data set: a given accuracy, or what the first row reaches with its budget."""
    found = find_target(sweep.definition, sweep.trials)
    title = dataset_title(sweep.definition.rows[0].dataset)
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.text(_("{dataset}: target in %").format(dataset=title), width="content")
        key = f"sweep.target.{sweep.id}"
        look: dict[str, Any] = {"width": 120, "label_visibility": "collapsed", "format": "%.1f"}
        given = st.number_input(title, 1.0, 100.0, None, key=key, **look)
        if given is not None:
            return given / 100
        if found is None:
            st.caption(_("Empty: what {reference} reaches.").format(reference=reference))
        else:
            template = _("Empty: what {reference} reaches with its budget, {accuracy:.1%}.")
            st.caption(template.format(reference=reference, accuracy=found))
    return found
