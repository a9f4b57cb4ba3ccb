"""Remedies against overfitting side by side: their test curves, a table, and which ones helped."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from mlpcore.analysis.comparison import select_evaluation
from mlpcore.analysis.comparison_wording import describe_comparison, describe_remedies, describe_remedy
from mlpcore.analysis.remedies import (
    BASE,
    EARLY_STOP,
    REMEDIES,
    build_remedies,
    compare_repeats,
    judge_remedies,
    percentage_points,
    repeat_recipes,
    stop_early,
)
from mlpcore.charts.overfitting import RemedyCurve, remedies_chart
from mlpcore.charts.traces import find_look
from mlpcore.runs.records import Evaluation, Run
from pages.components.compare.rows import MARK, MARK_WIDTH, draw_mark
from pages.components.overfitting.form import LESSON
from pages.components.overfitting.run import tell_progress
from pages.components.recipe_form.form_state import find_lesson
from pages.components.run.run_view import show_badge
from pages.components.shared.compared_runs import reload_runs
from pages.components.shared.live_plot import live_plot
from pages.components.shared.refresh import rerun_page, show_fragment
from pages.components.shared.state import count_images, count_test_images, find_run
from pages.components.shared.words import _, say

CHART_HEIGHT = 300  # pixels
BASE_PLACE = 0  # of the look: the colour of accuracy, as its curve above has
PLACES = dict(zip(REMEDIES, (2, 3, 4, 5), strict=True))


def remedy_names() -> dict[str, str]:
    """Name the remedies."""
    return {
        "more_data": _("More data"),
        "dropout": _("Dropout"),
        "weight_decay": _("Weight decay"),
        "smaller_network": _("Smaller network"),
        EARLY_STOP: _("Early stop"),
    }


def _names_within() -> dict[str, str]:
    """Name the remedies as within a sentence."""
    return {
        "more_data": _("more data"),
        "dropout": _("dropout"),
        "weight_decay": _("weight decay"),
        "smaller_network": _("the smaller network"),
    }


def match_repeats(base: Run, runs: Sequence[Run]) -> dict[str, dict[int, Run]]:
    """Return the base and those runs that repeat it or try its remedies, with any of the seeds, by name and seed."""
    repeats = repeat_recipes(base.recipe, REMEDIES, images=count_images(base.recipe.data))
    by_recipe = {recipe: key for key, recipe in repeats.items()}
    matched: dict[str, dict[int, Run]] = {name: {} for name in (BASE, *REMEDIES)}
    for run in [*runs, base]:
        if run.recipe in by_recipe:
            name, seed = by_recipe[run.recipe]
            matched[name][seed] = run
    return {name: by_seed for name, by_seed in matched.items() if by_seed}


def select_tried(base: Run, repeats: Mapping[str, Mapping[int, Run]]) -> dict[str, Run]:
    """Return the remedies that were tried with the base's own seed, by name."""
    seed = base.recipe.seed
    return {name: runs[seed] for name, runs in repeats.items() if name != BASE and seed in runs}


def show_remedies(base: Run, repeats: Mapping[str, Mapping[int, Run]], *, hidden: bool) -> None:
    """Show the remedies of a run that were tried, updated every second while one of them goes on.

    hidden: whether the visitor still has to predict the test curve; until then only the progress is shown.
    """
    runs = [run for by_seed in repeats.values() for run in by_seed.values()]
    active = any(not run.status.is_over for run in runs)
    show_fragment(_draw, base.id, [run.id for run in runs], active, hidden, every=1.0 if active else None)


def _draw(base_id: str, drawn: Sequence[str], ticks: bool, hidden: bool) -> None:
    base = find_run(base_id)
    if base is None:
        rerun_page()
    repeats = match_repeats(base, reload_runs(drawn))
    tried = select_tried(base, repeats)
    runs = [run for by_seed in repeats.values() for run in by_seed.values()]
    going_on = any(not run.status.is_over for run in runs)
    if ticks and not going_on:
        rerun_page()  # the timer and the buttons above belong to runs that go on
    if hidden:
        _progress(tried)
        return
    names = remedy_names()
    curves = [RemedyCurve(_("Base"), find_look(BASE_PLACE), base.evaluations)]
    curves += [RemedyCurve(names[name], find_look(PLACES[name]), run.evaluations) for name, run in tried.items()]
    if not going_on and not find_lesson(LESSON).hides_diagnoses:
        _show_results(base, tried, repeats)
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


def _show_results(base: Run, tried: dict[str, Run], repeats: Mapping[str, Mapping[int, Run]]) -> None:
    """Say which remedies are better than the base over the seeds; with one seed, by how much and no more."""
    names = remedy_names()
    if len(repeats[BASE]) > 1:
        for name, compared in compare_repeats(repeats).items():
            st.text(say(describe_comparison(compared, reference=_("Base"), other=names[name])))
        return
    results = judge_remedies(base, tried, test_images=count_test_images(base.recipe.data))
    if results is not None:
        st.text(" ".join(say(sentence) for sentence in describe_remedies(results, _names_within())))


def _table(base: Run, tried: dict[str, Run]) -> None:
    """Draw a row for the base, each remedy and the early stop; a remedy that was not tried has an empty one."""
    names = remedy_names()
    changes = {
        remedy.name: say(describe_remedy(remedy))
        for remedy in build_remedies(base.recipe, images=count_images(base.recipe.data))
    }
    reference = select_evaluation(base)
    rows = [_row(BASE_PLACE, _("Base"), "", base, None)]
    for name in REMEDIES:
        run = tried.get(name)
        change = changes.get(name, _("has it already"))
        rows.append(_row(PLACES[name], names[name], change, run, reference))
    stop = stop_early(base)
    at = _("step {step:,} instead of the last").format(step=stop.step) if stop else ""
    early = _row(BASE_PLACE, names[EARLY_STOP], at, base, base.latest, shown=stop)
    rows.append(early | {_("test, last step"): None})
    looks = [draw_mark(place)[1] for place in (BASE_PLACE, *PLACES.values(), BASE_PLACE)]
    percent, points = st.column_config.NumberColumn(format="%.1f%%"), st.column_config.NumberColumn(format="%+.1f")
    st.dataframe(
        pd.DataFrame(rows).style.apply(lambda _cells: looks, subset=[MARK, _("run")]),
        hide_index=True,
        height="content",
        key="lab.table",
        placeholder="—",
        column_config={
            MARK: st.column_config.TextColumn(width=MARK_WIDTH),
            _("train"): percent,
            _("test"): percent,
            _("test, last step"): percent,
        }
        | {_("over base"): points, _("gap"): points},
    )
    st.caption(
        _(
            "Accuracies; differences and gaps in percentage points. With 500 held-out images or more, each row shows "
            "the step that they chose, otherwise the last step. An early stop that the test images chose is optimistic."
        )
    )


def _row(
    place: int,
    name: str,
    change: str,
    run: Run | None,
    reference: Evaluation | None,
    *,
    shown: Evaluation | None = None,
) -> dict[str, object]:
    """Return a run's figures at the step it is ranked by, or at the one shown, and its test accuracy at the last."""
    shown = shown or (select_evaluation(run) if run else None)
    latest = run.latest if run else None
    return {
        MARK: draw_mark(place)[0],
        _("run"): name,
        _("what is changed"): change,
        _("train"): percentage_points(shown.train_acc) if shown else None,
        _("test"): percentage_points(shown.test_acc) if shown else None,
        _("over base"): percentage_points(shown.test_acc, reference.test_acc) if shown and reference else None,
        _("gap"): percentage_points(shown.train_acc, shown.test_acc) if shown else None,
        _("test, last step"): percentage_points(latest.test_acc) if latest else None,
    }
