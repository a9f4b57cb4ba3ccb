"""Equal budgets: how soon each row reaches a target on each data set, as a performance profile and as a table."""

from collections.abc import Mapping, Sequence
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
from pages.components.shared.words import _, as_markdown
from pages.components.sweep.setup import CHART_HEIGHT


def show_budget(sweeps: Sequence[Sweep]) -> None:
    """Show what the rows reached on each data set with equal budgets."""
    labels = label_rows(sweeps[0].definition)
    scores: dict[str, dict[str, float]] = {label: {} for label in labels}
    with st.container(horizontal=True, gap="small"):
        targets = [_choose_target(sweep) for sweep in sweeps]
    template = _(
        "The target is a validation accuracy; where the field is empty, what {reference} reaches with its budget."
    )
    st.caption(as_markdown(template.format(reference=labels[0])))
    for sweep, target in zip(sweeps, targets, strict=True):
        dataset = sweep.definition.rows[0].dataset
        if target is not None and sweep.status.is_over:
            for label, steps in zip(labels, score_rows(sweep.definition, sweep.trials, target), strict=True):
                scores[label][dataset] = steps
    finished = {label: own for label, own in scores.items() if own}
    show_profile(finished, revision=",".join(sweep.id for sweep in sweeps))
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
    st.caption(_("Steps to the target in the median study, rounded up to the next evaluation."))


def show_profile(scores: Mapping[str, Mapping[str, float]], *, revision: str = "") -> None:
    """Draw the performance profile of the rows, from their steps by data set."""
    alt = _("The share of data sets on which each row was within a factor of the fastest.")
    chart = profile_chart(draw_profile(scores), translate=_)
    live_plot(chart, key="sweep.profile", height=CHART_HEIGHT, alt=alt, revision=revision)


def _choose_target(sweep: Sweep) -> float | None:
    """Offer the target of a data set: a given accuracy (in %), or what the first row reaches with its budget."""
    found = find_target(sweep.definition, sweep.trials)
    given = st.number_input(
        _("{dataset}, %").format(dataset=dataset_title(sweep.definition.rows[0].dataset)),
        1.0,
        100.0,
        None,
        width=170,
        format="%.1f",
        placeholder="" if found is None else f"{100 * found:.1f}",
        key=f"sweep.target.{sweep.id}",
    )
    return found if given is None else given / 100
