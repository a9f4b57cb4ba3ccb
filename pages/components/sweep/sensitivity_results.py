"""Rows at many learning rates: the curves over the rate, the best rate of each row, and who wins at their best."""

import statistics
from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from mlpcore.analysis.sweeps.sensitivity import find_winner
from mlpcore.analysis.sweeps.wording import describe_edge, describe_range, describe_winner
from mlpcore.charts.sweeps.sensitivity import RateCurve, sensitivity_chart
from mlpcore.sweeps.definition import Definition
from mlpcore.sweeps.extension import widen
from mlpcore.sweeps.sensitivity import build_curves, find_edges, fresh_accuracies, rates_of
from mlpcore.sweeps.trials import Sweep
from pages.components.compare.rows import MARK, draw_mark
from pages.components.shared.choices import persistent
from pages.components.shared.flash import flash_errors, mark_page_stale
from pages.components.shared.live_plot import live_plot
from pages.components.shared.state import find_run, get_sweeps, read_owner
from pages.components.shared.words import _, as_markdown, say
from pages.components.sweep.setup import CHART_HEIGHT

TARGET = 40  # percent of validation accuracy


def show_sensitivity(sweep: Sweep) -> None:
    """Show the curves of a sweep over the learning rate, and what they say."""
    fresh = fresh_accuracies(sweep.definition, sweep.trials)
    if sweep.status.is_over and (winner := find_winner(fresh)):
        st.markdown(f"**{as_markdown(say(describe_winner(winner)))}**")
    target = st.session_state.get("sweep.target", TARGET) / 100
    curves = build_curves(sweep.definition, sweep.trials, target=target)
    _show_charts(sweep, curves)
    _show_edges(sweep, curves)
    _show_table(curves, fresh)
    for curve in curves:
        if curve.good is not None:
            st.text(say(describe_range(curve.good, label=curve.label)))


def _show_charts(sweep: Sweep, curves: Sequence[RateCurve]) -> None:
    rates = rates_of(sweep.definition)
    accuracy, steps = st.columns([3, 2])
    with accuracy:
        chart = sensitivity_chart(curves, rates, translate=_)
        alt = _("Validation accuracy over the learning rate.")
        picked = live_plot(chart, key="sweep.rates", height=CHART_HEIGHT, alt=alt, revision=sweep.id)
    with steps:
        chart = sensitivity_chart(curves, rates, by_steps=True, translate=_)
        alt = _("Steps to a validation accuracy, over the learning rate.")
        also = live_plot(chart, key="sweep.steps", height=CHART_HEIGHT - 50, alt=alt, revision=sweep.id)
        label = _("Steps to a validation accuracy of, %")
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.caption(label, width="content")
            st.number_input(
                label, 1, 100, width=110, label_visibility="collapsed", **persistent("sweep.target", TARGET)
            )
    if (number := picked or also) is not None:
        _open_trial(sweep, int(number))


def _open_trial(sweep: Sweep, number: int) -> None:
    """Open a trial's first run in the playground."""
    run_ids = sweep.trials[number].run_ids if number < len(sweep.trials) else ()
    if run_ids and find_run(run_ids[0]) is not None:
        st.session_state["run"] = run_ids[0]
        st.switch_page("playground.py", query_params={"run": run_ids[0]})


def _show_edges(sweep: Sweep, curves: Sequence[RateCurve]) -> None:
    """Say which best rates lie at the edge of the grid, with a button that widens it."""
    edges = find_edges(curves)
    if not edges or not sweep.status.is_over:
        return
    for curve in curves:
        if curve.good is not None and (sentence := describe_edge(curve.good, label=curve.label)):
            st.text(f"⚠ {say(sentence)}")
    wider = widen(sweep.definition, {"lr": edges})
    if wider != sweep.definition and sweep.belongs_to(read_owner()):
        st.button(_("Widen the grid"), on_click=_widen, args=(sweep.id, wider), key="sweep.widen")


def _widen(sweep_id: str, wider: Definition) -> None:
    mark_page_stale()
    with flash_errors("sweep.said"):
        get_sweeps().extend(sweep_id, wider, owner=read_owner())


def _show_table(curves: Sequence[RateCurve], fresh: Mapping[str, Mapping[int, float]]) -> None:
    """Draw one row per curve: the best rate, what it reached, and the range of good rates."""
    if not curves:
        return
    rows = []
    for place, curve in enumerate(curves):
        good, tested = curve.good, [*fresh.get(curve.label, {}).values()]
        rows.append(
            {
                MARK: draw_mark(place)[0],
                _("recipe"): curve.label,
                _("best lr"): good and good.best.lr,
                _("validation accuracy"): good and good.best.mean and 100 * good.best.mean,
                _("test accuracy"): 100 * statistics.fmean(tested) if tested else None,
                _("± pp"): 100 * statistics.stdev(tested) if len(tested) > 1 else None,
                _("good from"): good and good.low,
                _("good to"): good and good.high,
                _("decades"): good and good.decades,
            }
        )
    percent = st.column_config.NumberColumn(format="%.1f%%")
    rate = st.column_config.NumberColumn(format="%.3g")
    looks = [draw_mark(place)[1] for place in range(len(curves))]
    st.dataframe(
        pd.DataFrame(rows).style.apply(lambda _cells: looks, subset=[MARK, _("recipe")]),
        hide_index=True,
        placeholder="—",
        column_config={
            MARK: st.column_config.TextColumn(width=44),
            _("validation accuracy"): percent,
            _("test accuracy"): st.column_config.NumberColumn(
                format="%.1f%%", help=_("At the best rate, with five fresh seeds: mean, and one standard deviation.")
            ),
            _("± pp"): st.column_config.NumberColumn(format="%.1f"),
            _("best lr"): rate,
            _("good from"): rate,
            _("good to"): rate,
            _("decades"): st.column_config.NumberColumn(
                format="%.1f", help=_("The width of the range of good rates: 1 means a factor of ten.")
            ),
        },
    )
