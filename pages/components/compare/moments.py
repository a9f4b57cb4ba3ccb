"""Two networks of a comparison at the same moment, side by side: one slider moves both."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from mlpcore.charts.compare import Series
from mlpcore.runs.records import Run
from pages.components.compare.planes import SLIDER
from pages.components.compare.rows import draw_mark
from pages.components.replay.time_slider import show_time_slider
from pages.components.run.moments import find_evaluation, list_moments
from pages.components.run.predictions import show_confusion, show_first_layer
from pages.components.shared.choices import choose
from pages.components.shared.words import _

WIDTH = 544  # pixels, of half a page


def show_moments(series: Sequence[Series]) -> None:
    """Draw the networks of two rows on images, by their first seeds, once that is asked for.

    The planes of rows on points have the slider already.
    """
    rows = [one for one in series if one.runs and one.runs[0].evaluations]
    if len(series) != 2 or len(rows) != 2 or rows[0].runs[0].recipe.points is not None:
        return
    runs = [one.runs[0] for one in rows]
    steps = sorted(set(list_moments(runs[0])) & set(list_moments(runs[1])))
    if len(steps) < 2:  # nothing but what was before training
        return
    opened = st.expander(_("Both networks through time"), key="compare.moments.open", on_change="rerun")
    if opened.open:
        with opened:
            _draw(rows, runs, steps)


def _draw(rows: Sequence[Series], runs: Sequence[Run], steps: Sequence[int]) -> None:
    views: dict[str, tuple[str, Callable[..., None]]] = {
        "weights": (_("Weights"), partial(show_first_layer, width=WIDTH)),
        "classes": (_("Classes"), show_confusion),
    }
    titles = {name: title for name, (title, _show) in views.items()}
    view = choose(_("What is shown of both networks"), titles, key="compare.moments.view", default="weights")
    told, recipes = _("Both networks move together."), [run.recipe for run in runs]
    step = show_time_slider(SLIDER, steps, describe=lambda _step: told, replays=recipes)
    for one, run, column in zip(rows, runs, st.columns(2, gap="medium"), strict=True):
        with column:
            st.text(f"{draw_mark(one.place)[0]} {one.label} · {_describe(run, step)}")
            views[view][1](run, step, beside=f".{one.place}")


def _describe(run: Run, step: int) -> str:
    measured = find_evaluation(run, step)
    return f"{measured.test_acc:.1%}" if measured else _("before training")
