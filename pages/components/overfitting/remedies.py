"""Remedies against overfitting side by side: their test curves, a table, and which ones helped."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from mlpcore.analysis.comparison_wording import describe_remedies, describe_remedy
from mlpcore.analysis.remedies import (
    EARLY_STOP,
    REMEDIES,
    build_remedies,
    judge_remedies,
    percentage_points,
    stop_early,
)
from mlpcore.charts.compare import COLOURS
from mlpcore.charts.overfitting import RemedyCurve, remedies_chart
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run
from pages.components.overfitting.run import tell_progress
from pages.components.run.run_view import show_badge
from pages.components.shared.layout import row_colour
from pages.components.shared.live_plot import live_plot
from pages.components.shared.refresh import rerun_page, show_fragment
from pages.components.shared.state import count_images, count_test_images, find_run
from pages.components.shared.words import _, say

CHART_HEIGHT = 300  # pixels
BASE_COLOUR = COLOURS[0]  # the colour of accuracy: its curve is the one above
REMEDY_COLOURS = dict(zip(REMEDIES, COLOURS[2:], strict=True))


def remedy_names() -> dict[str, str]:
    """Name the remedies."""
    return {
        "more_data": _("More data"),
        "dropout": _("Dropout"),
        "weight_decay": _("Weight decay"),
        "smaller_network": _("Smaller network"),
        EARLY_STOP: _("Early stop"),
    }


def match_remedies(base: Recipe, run_ids: Sequence[str]) -> dict[str, Run]:
    """Return those runs that are remedies of the base, by name."""
    by_recipe = {remedy.recipe: remedy.name for remedy in build_remedies(base, images=count_images(base.dataset))}
    runs = [run for run_id in run_ids if (run := find_run(run_id)) is not None]
    found = {by_recipe[run.recipe]: run for run in runs if run.recipe in by_recipe}
    return {name: found[name] for name in REMEDIES if name in found}


def show_remedies(base: Run, tried: Mapping[str, Run], *, hidden: bool) -> None:
    """Show the remedies of a run that were tried, updated every second while one of them goes on.

    hidden: whether the visitor still has to predict the test curve; until then only the progress is shown.
    """
    run_ids = [run.id for run in tried.values()]
    active = any(not run.status.is_over for run in (base, *tried.values()))
    show_fragment(_draw, base.id, run_ids, active, hidden, every=1.0 if active else None)


def _draw(base_id: str, run_ids: list[str], ticks: bool, hidden: bool) -> None:
    base = find_run(base_id)
    if base is None:
        rerun_page()
    tried = match_remedies(base.recipe, run_ids)
    going_on = any(not run.status.is_over for run in (base, *tried.values()))
    if ticks and not going_on:
        rerun_page()  # the timer and the buttons above belong to runs that go on
    if hidden:
        _progress(tried)
        return
    names = remedy_names()
    curves = [RemedyCurve(_("Base"), BASE_COLOUR, base.evaluations)]
    curves += [RemedyCurve(names[name], REMEDY_COLOURS[name], run.evaluations) for name, run in tried.items()]
    if not going_on:
        _verdict(base, tried)
    chart, table = st.columns([5, 6], gap="medium")
    with chart:
        figure = remedies_chart(curves, train_iter=base.recipe.train_iter, translate=_)
        alt = _("Test accuracy of the base and of each remedy over the iterations.")
        live_plot(figure, key="lab-remedies", height=CHART_HEIGHT, alt=alt, revision=base_id)
    with table:
        _table(base, tried)


def _progress(tried: dict[str, Run]) -> None:
    names = remedy_names()
    for name, run in tried.items():
        with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
            st.text(names[name])
            show_badge(run)
            st.text(tell_progress(run), width="stretch")


def _verdict(base: Run, tried: dict[str, Run]) -> None:
    results = judge_remedies(base, tried, test_images=count_test_images(base.recipe.dataset))
    if results is not None:
        st.text(say(describe_remedies(results, remedy_names())))


def _table(base: Run, tried: dict[str, Run]) -> None:
    """Draw a row for the base, each remedy and the early stop; a remedy that was not tried has an empty one."""
    names = remedy_names()
    changes = {
        remedy.name: say(describe_remedy(remedy))
        for remedy in build_remedies(base.recipe, images=count_images(base.recipe.dataset))
    }
    rows = [_row(_("Base"), "", base.latest, base.best, None)]
    for name in REMEDIES:
        run = tried.get(name)
        change = changes.get(name, _("has it already"))
        rows.append(_row(names[name], change, run.latest if run else None, run.best if run else None, base.latest))
    stop = stop_early(base)
    at = _("at step {step:,}").format(step=stop.step) if stop else ""
    rows.append(_row(names[EARLY_STOP], at, stop, stop, base.latest))
    colours = [row_colour(colour) for colour in (BASE_COLOUR, *REMEDY_COLOURS.values(), BASE_COLOUR)]
    percent, points = st.column_config.NumberColumn(format="%.1f %%"), st.column_config.NumberColumn(format="%+.1f")
    st.dataframe(
        pd.DataFrame(rows).style.apply(lambda _cells: [f"color: {colour}" for colour in colours], subset=[_("run")]),
        hide_index=True,
        height="content",
        key="lab.table",
        placeholder="—",
        column_config={_("train"): percent, _("test"): percent, _("best test"): percent}
        | {_("over base"): points, _("gap"): points},
    )
    st.caption(
        _(
            "Accuracies; differences and gaps in percentage points. With one seed each, a small difference may be "
            "random variation. An early stop that the test images chose is optimistic."
        )
    )


def _row(
    name: str, change: str, latest: Evaluation | None, best: Evaluation | None, base: Evaluation | None
) -> dict[str, object]:
    return {
        _("run"): name,
        _("what is changed"): change,
        _("train"): percentage_points(latest.train_acc) if latest else None,
        _("test"): percentage_points(latest.test_acc) if latest else None,
        _("over base"): percentage_points(latest.test_acc, base.test_acc) if latest and base else None,
        _("gap"): percentage_points(latest.train_acc, latest.test_acc) if latest else None,
        _("best test"): percentage_points(best.test_acc) if best else None,
    }
