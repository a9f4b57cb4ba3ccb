"""A search of a space: the best so far, the trials in charts and in a table, and what to do with them."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from mlpcore.analysis.sweeps.contour import Contour, interpolate
from mlpcore.charts.sweeps.maps import heat_chart, map_chart
from mlpcore.charts.sweeps.parallel import parallel_chart
from mlpcore.charts.sweeps.points import Scale, TrialPoint
from mlpcore.charts.sweeps.trials import best_chart, slice_chart
from mlpcore.messages import N_
from mlpcore.runs.records import RunStatus
from mlpcore.sweeps.definition import Definition
from mlpcore.sweeps.importance import FEW_TRIALS, expect_best, find_importances
from mlpcore.sweeps.space import Range, list_values
from mlpcore.sweeps.trials import Sweep, Trial, best_trial
from pages.components.recipe_form.form_state import put_recipe
from pages.components.shared.choices import choose, persistent
from pages.components.shared.flash import toast_errors
from pages.components.shared.live_plot import live_plot
from pages.components.shared.state import find_run, get_cache, get_manager, read_owner
from pages.components.shared.words import _, as_markdown, say
from pages.components.sweep.extension import show_edges
from pages.components.sweep.setup import CHART_HEIGHT
from pages.components.sweep.trials_table import describe_point, filter_trials, find_chosen, show_table, show_trial

BEST = 5  # trials that are repeated together
FOUND_BYTES, CONTOUR_BYTES = 2_000, 100_000  # of importances and of a contour in memory
ACTIVE = [status.value for status in RunStatus if not status.is_over]
REPEATS = 3  # seeds of each
VIEWS = {
    "map": N_("Two hyperparameters"),
    "best": N_("Best so far"),
    "parallel": N_("All at once"),
    "slice": N_("One by one"),
    "importance": N_("What matters"),
}


def show_search(sweep: Sweep) -> None:
    """Show the trials of a sweep: the best one, a chart of the visitor's choice, and a table."""
    own = [trial for trial in sweep.trials if not trial.is_fresh]
    _show_best(sweep, own)
    view = _choose_view(sweep)
    above = st.container()  # the chart shows what the filter below it leaves
    shown = filter_trials(sweep, own)
    chosen = find_chosen(sweep, f"sweep.chart.{view}")
    with above:
        _show_chart(view, sweep, shown, chosen)
        show_trial(chosen)
        show_edges(sweep, own)
    show_table(sweep, shown, chosen)


def _show_best(sweep: Sweep, trials: Sequence[Trial]) -> None:
    """Name the best trial, with buttons that open it, and that repeat the best ones."""
    best = best_trial(trials)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if best is None or best.result is None or best.result.val_acc is None:
            st.text(_explain_nothing(sweep, trials), width="stretch")
            return
        is_over = sweep.status.is_over
        template = (
            _("**Best: {accuracy:.1%}** of {images:,} held-out images")
            if is_over
            else _("**Best so far: {accuracy:.1%}** of {images:,} held-out images")
        )
        said = template.format(accuracy=best.result.val_acc, images=sweep.definition.rows[0].validation_size)
        st.markdown(f"{said} · {as_markdown(describe_point(best))}", width="stretch")
        if st.button(_("Open in the playground"), key="sweep.best"):
            put_recipe(sweep.definition.build_recipe(best.point, 0))
            st.session_state.pop("run", None)
            st.switch_page("playground.py")
        help_repeat = _("Train the best five trials with three other seeds each, and compare them.")
        label = _("Repeat the best five with three seeds")
        if st.button(label, help=help_repeat, disabled=not is_over, key="sweep.repeat"):
            _repeat(sweep, trials)


def _explain_nothing(sweep: Sweep, trials: Sequence[Trial]) -> str:
    """Say why no trial is the best."""
    if not sweep.status.is_over:
        return _("The best trial is named here as soon as one has a result.")
    if not trials:
        return _("The sweep ended before its first trial.")
    if all(trial.result is not None and trial.result.is_diverged for trial in trials):
        return _("Every trial diverged. Search lower learning rates.")
    messages = (run.message for trial in trials for run_id in trial.run_ids if (run := find_run(run_id)))
    message = next((one for one in messages if one is not None), None)
    said = _("No trial came to anything.")
    return said if message is None else f"{said} {say(message)}"


def _repeat(sweep: Sweep, trials: Sequence[Trial]) -> None:
    """Train the best trials with seeds that the sweep did not use, and open them in Compare."""
    scored = sorted((one for one in trials if one.score), key=lambda one: one.score, reverse=True)[:BEST]
    seeds = range(sweep.definition.seeds, sweep.definition.seeds + REPEATS)
    recipes = [sweep.definition.build_recipe(trial.point, seed) for trial in scored for seed in seeds]
    names = [f"trial {trial.number + 1} seed {seed}" for trial in scored for seed in seeds]
    with toast_errors():
        st.session_state["compare.handed_over"] = get_manager().submit(recipes, owner=read_owner(), names=names)
        st.switch_page("compare.py")


def list_scales(definition: Definition) -> list[Scale]:
    """Return how each hyperparameter of the space lies along an axis; a grid has cells."""
    return [
        Scale(name, low=one.low, high=one.high, is_log=one.log)
        if isinstance(one, Range) and definition.sampler != "grid"
        else Scale(name, options=tuple(list_values(one)))
        for name, one in definition.space.items()
    ]


def _as_points(trials: Sequence[Trial]) -> list[TrialPoint]:
    return [TrialPoint(trial.number, trial.point, trial.result.val_acc) for trial in trials if trial.result is not None]


def _choose_view(sweep: Sweep) -> str:
    titles = {name: _(title) for name, title in VIEWS.items() if name != "map" or len(sweep.definition.space) > 1}
    if st.session_state.get("sweep.view") not in titles:
        st.session_state["sweep.view"] = next(iter(titles))
    return choose(_("Chart"), titles, key="sweep.view", default="best")


def _show_chart(view: str, sweep: Sweep, trials: Sequence[Trial], chosen: Trial | None) -> None:
    if view == "importance":
        _show_importances(sweep, [trial for trial in sweep.trials if not trial.is_fresh])
        return
    points, scales = _as_points(trials), list_scales(sweep.definition)
    number = None if chosen is None else chosen.number
    names = [scale.name for scale in scales]
    if view == "best":
        known = [point.accuracy for point in points if point.accuracy is not None]
        is_random = sweep.definition.sampler == "sobol" and sweep.status.is_over
        expected = expect_best(known, len(known)) if is_random else None
        whole = sweep.definition.count_trials()
        chart = best_chart(points, whole, expected=expected, chosen=number, translate=_)
        alt = _("Validation accuracy of each trial, and the best so far.")
    elif view == "parallel":
        chart = parallel_chart(points, scales, best=BEST, chosen=number, translate=_)
        alt = _("A line per trial through its hyperparameters to its accuracy, the best five in colour.")
    elif view == "slice":
        name = st.selectbox(_("Hyperparameter"), names, width=220, **_known("sweep.slice", names))
        chart = slice_chart(points, scales[names.index(name)], chosen=number, translate=_)
        alt = _("Validation accuracy over one hyperparameter.")
    else:
        across, up = (scales[names.index(name)] for name in _choose_two(names, scales))
        if sweep.definition.sampler == "grid":
            chart = heat_chart(points, across, up, chosen=number, translate=_)
        else:
            contour = _find_contour(sweep, trials, across, up)
            chart = map_chart(points, across, up, contour=contour, chosen=number, translate=_)
        alt = _("The trials over two hyperparameters, coloured by their accuracy.")
    live_plot(chart, key=f"sweep.chart.{view}", height=CHART_HEIGHT, alt=alt, revision=f"{sweep.id}.{view}")


def _find_contour(sweep: Sweep, trials: Sequence[Trial], across: Scale, up: Scale) -> Contour | None:
    """Interpolate between the trials that are over: the others move with every evaluation."""
    if across.options or up.options:
        return None
    over = [point for point in _as_points(_list_over(trials)) if point.accuracy is not None]
    both = [point for point in over if across.name in point.values and up.name in point.values]
    key = "contour", sweep.id, across.name, up.name, tuple(point.number for point in both)

    def find() -> Contour | None:
        places = [(across.place(one.values[across.name]), up.place(one.values[up.name])) for one in both]
        return interpolate(places, [one.accuracy or 0.0 for one in both])

    return get_cache().get(key, find, size=lambda _found: CONTOUR_BYTES)


def _list_over(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.result is not None and trial.result.status not in ACTIVE]


def _known(key: str, names: Sequence[str], first: str = "") -> Any:
    """Return a choice's arguments; what another sweep's space had is forgotten."""
    if st.session_state.get(key) not in names:
        st.session_state[key] = first or names[0]
    return persistent(key)


def _choose_two(names: Sequence[str], scales: Sequence[Scale]) -> tuple[str, str]:
    """Offer two hyperparameters, at first such as have a range."""
    first = sorted(names, key=lambda name: bool(scales[names.index(name)].options))
    with st.container(horizontal=True, gap="small"):
        across = st.selectbox(_("Across"), names, width=170, **_known("sweep.across", names, first[0]))
        others = [name for name in names if name != across]
        second = next(name for name in (*first[1:], first[0]) if name in others)
        up = st.selectbox(_("Up"), others, width=170, **_known("sweep.up", others, second))
    return across, up


def _show_importances(sweep: Sweep, trials: Sequence[Trial]) -> None:
    """Draw how much each hyperparameter decides, with one column per optimizer."""
    found = _find_importances(sweep, trials)
    if not found:
        st.text(_("At least five trials with different results are needed."))
        return
    titles = {label: label or _("all trials") for label in found}
    over = _list_over(trials)
    counts = {label: sum(label in ("", trial.point.get("optimizer")) for trial in over) for label in found}
    if few := [f"{titles[label]} ({count})" for label, count in counts.items() if count < FEW_TRIALS]:
        template = _("Few trials: {groups}. From {least} on, these shares mean something.")
        st.text(f"⚠ {template.format(groups=', '.join(few), least=FEW_TRIALS)}")
    rows = [
        {_("hyperparameter"): name}
        | {titles[label]: 100 * shares[name] if name in shares else None for label, shares in found.items()}
        for name in sweep.definition.space
    ]
    bar = st.column_config.ProgressColumn(format="%.0f%%", min_value=0, max_value=100)
    config = dict.fromkeys(titles.values(), bar)
    st.dataframe(pd.DataFrame(rows), hide_index=True, placeholder="—", column_config=config)
    st.caption(_("How much of the difference between good trials and all trials each one explains (PED-ANOVA)."))


def _find_importances(sweep: Sweep, trials: Sequence[Trial]) -> dict[str, dict[str, float]]:
    over = _list_over(trials)
    key = "importances", sweep.id, len(over)
    return get_cache().get(key, lambda: find_importances(sweep.definition, over), size=lambda _found: FOUND_BYTES)
