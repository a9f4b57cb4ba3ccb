"""A search of a space: the best so far, the trials in charts and in a table, and what to do with them."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from mlpcore.charts.sweeps.trials import (
    Scale,
    TrialPoint,
    best_chart,
    map_chart,
    parallel_chart,
    slice_chart,
    write_value,
)
from mlpcore.messages import N_
from mlpcore.runs.records import RunStatus
from mlpcore.sweeps.definition import Definition
from mlpcore.sweeps.importance import FEW_TRIALS, expect_best, find_importances
from mlpcore.sweeps.space import Range
from mlpcore.sweeps.trials import Sweep, Trial, best_trial
from pages.components.recipe_form.form_state import put_recipe
from pages.components.shared.choices import choose, persistent
from pages.components.shared.flash import toast_errors
from pages.components.shared.live_plot import live_plot
from pages.components.shared.state import find_run, get_cache, get_manager, get_stored_runs, read_owner
from pages.components.shared.words import _, as_markdown
from pages.components.sweep.extension import show_edges
from pages.components.sweep.setup import CHART_HEIGHT

BEST = 5  # trials that are repeated together
FOUND_BYTES = 2_000  # of importances in memory
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
    show_edges(sweep, own)
    view = choose(_("Chart"), {name: _(title) for name, title in VIEWS.items()}, key="sweep.view", default="map")
    picked = _show_chart(view, sweep, own)
    if picked is not None:
        st.session_state["sweep.trial"] = sweep.id, int(picked)
    _show_table(sweep, own)
    if trial := _find_chosen(sweep):
        _show_trial(trial)


def _show_best(sweep: Sweep, trials: Sequence[Trial]) -> None:
    """Name the best trial, with buttons that open it, and that repeat the best ones."""
    best = best_trial(trials)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if best is None or best.result is None or best.result.val_acc is None:
            st.text(_("The best trial is named here as soon as one has a result."), width="stretch")
            return
        is_over = sweep.status.is_over
        template = (
            _("**Best: {accuracy:.1%}** of {images:,} held-out images")
            if is_over
            else _("**Best so far: {accuracy:.1%}** of {images:,} held-out images")
        )
        said = template.format(accuracy=best.result.val_acc, images=sweep.definition.rows[0].validation_size)
        st.markdown(f"{said} · {as_markdown(_describe(best))}", width="stretch")
        if st.button(_("Open in the playground"), key="sweep.best"):
            put_recipe(sweep.definition.build_recipe(best.point, 0))
            st.session_state.pop("run", None)
            st.switch_page("playground.py")
        help_repeat = _("Train the best five trials with three other seeds each, and compare them.")
        if st.button(_("Repeat the best five"), help=help_repeat, disabled=not is_over, key="sweep.repeat"):
            _repeat(sweep, trials)


def _describe(trial: Trial) -> str:
    return " · ".join(f"{name} {write_value(value)}" for name, value in trial.point.items() if name != "row")


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
    """Return how each hyperparameter of the space lies along an axis."""
    return [
        Scale(name, low=one.low, high=one.high, is_log=one.log)
        if isinstance(one, Range)
        else Scale(name, options=tuple(one))
        for name, one in definition.space.items()
    ]


def _as_points(trials: Sequence[Trial]) -> list[TrialPoint]:
    return [TrialPoint(trial.number, trial.point, trial.result.val_acc) for trial in trials if trial.result is not None]


def _show_chart(view: str, sweep: Sweep, trials: Sequence[Trial]) -> str | None:
    points, scales = _as_points(trials), list_scales(sweep.definition)
    common: dict[str, Any] = {"height": CHART_HEIGHT, "revision": f"{sweep.id}.{view}"}
    if view == "best":
        known = [point.accuracy for point in points if point.accuracy is not None]
        is_random = sweep.definition.sampler == "sobol" and sweep.status.is_over
        expected = expect_best(known, len(known)) if is_random else None
        chart = best_chart(points, sweep.definition.count_trials(), expected=expected, translate=_)
        alt = _("Validation accuracy of each trial, and the best so far.")
        return live_plot(chart, key="sweep.chart.best", alt=alt, **common)
    if view == "parallel":
        alt = _("A line per trial through its hyperparameters, coloured by its accuracy.")
        return live_plot(parallel_chart(points, scales, translate=_), key="sweep.chart.all", alt=alt, **common)
    if view == "importance":
        _show_importances(sweep, trials)
        return None
    names = [scale.name for scale in scales]
    if view == "slice":
        name = st.selectbox(_("Hyperparameter"), names, width=220, **_known("sweep.slice", names))
        chart = slice_chart(points, scales[names.index(name)], translate=_)
        alt = _("Validation accuracy over one hyperparameter.")
        return live_plot(chart, key="sweep.chart.slice", alt=alt, **common)
    ranges = [place for place, scale in enumerate(scales) if not scale.options]
    across, up = _choose_two(names, (ranges + [place for place in range(len(names)) if place not in ranges])[:2])
    chart = map_chart(points, scales[names.index(across)], scales[names.index(up)], translate=_)
    alt = _("The trials over two hyperparameters, coloured by their accuracy.")
    return live_plot(chart, key="sweep.chart.map", alt=alt, **common)


def _known(key: str, names: Sequence[str], default: int = 0) -> Any:
    """Return a choice's arguments; what another sweep's space had is forgotten."""
    if st.session_state.get(key) not in names:
        st.session_state[key] = names[default]
    return persistent(key)


def _choose_two(names: Sequence[str], first: Sequence[int]) -> tuple[str, str]:
    """Offer two hyperparameters; first: the places of those that a visitor sees at first."""
    with st.container(horizontal=True, gap="small"):
        across = st.selectbox(_("Across"), names, width=220, **_known("sweep.across", names, first[0]))
        up = st.selectbox(_("Up"), names, width=220, **_known("sweep.up", names, first[-1]))
    return across, up


def _show_importances(sweep: Sweep, trials: Sequence[Trial]) -> None:
    """Draw how much each hyperparameter decides, with one column per optimizer."""
    found = _find_importances(sweep, trials)
    if not found:
        st.text(_("At least five trials with different results are needed."))
        return
    done = sum(trial.result is not None for trial in trials)
    if done < FEW_TRIALS:
        template = _("Only {count} trials yet: from {least} on, these shares mean something.")
        st.text(f"⚠ {template.format(count=done, least=FEW_TRIALS)}")
    titles = {label: label or _("all trials") for label in found}
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
    over = [trial for trial in trials if trial.result is not None and trial.result.status not in ACTIVE]
    key = "importances", sweep.id, len(over)
    return get_cache().get(key, lambda: find_importances(sweep.definition, over), size=lambda _found: FOUND_BYTES)


def _show_table(sweep: Sweep, trials: Sequence[Trial]) -> None:
    """Draw one row per trial; choosing one shows it below."""
    # once, not for each of a thousand rows, every second
    number, val_acc, test_acc, status = _("trial"), _("validation accuracy"), _("test accuracy"), _("status")
    statuses = {name: _(name) for name in {trial.result.status for trial in trials if trial.result}}
    rows = []
    for trial in trials:
        result = trial.result
        measured: dict[str, Any] = {number: trial.number + 1}
        measured |= {name: write_value(value) for name, value in trial.point.items() if name != "row"}
        measured[val_acc] = result and result.val_acc and 100 * result.val_acc
        measured[test_acc] = result and result.test_acc and 100 * result.test_acc
        rows.append(measured | {status: _("queued") if result is None else statuses[result.status]})
    percent = st.column_config.NumberColumn(format="%.1f%%")
    key = f"sweep.table.{sweep.id}"
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key=key,
        height=300,
        placeholder="—",
        on_select=lambda: _take_row(key, sweep),
        selection_mode="single-row",
        column_config={val_acc: percent, test_acc: percent},
    )


def _take_row(key: str, sweep: Sweep) -> None:
    rows = st.session_state[key].selection.rows
    st.session_state["sweep.trial"] = (sweep.id, rows[0]) if rows else None


def _find_chosen(sweep: Sweep) -> Trial | None:
    of, number = st.session_state.get("sweep.trial") or ("", 0)
    return sweep.trials[number] if of == sweep.id and number < len(sweep.trials) else None


def _show_trial(trial: Trial) -> None:
    """Say what a trial is, with buttons that open its run and star it."""
    run = find_run(trial.run_ids[0]) if trial.run_ids else None
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        title = _("Trial {number}").format(number=trial.number + 1)
        st.markdown(f"**{title}** · {as_markdown(_describe(trial))}", width="stretch")
        if run is None:
            return
        if st.button(_("Open its run"), key="sweep.open"):
            st.session_state["run"] = run.id
            st.switch_page("playground.py", query_params={"run": run.id})
        if run.belongs_to(read_owner()):
            label = _("Remove the star") if run.starred else _("Star")
            st.button(label, on_click=_star, args=(trial.run_ids, not run.starred), key="sweep.star")


def _star(run_ids: Sequence[str], starred: bool) -> None:
    with toast_errors():
        for run_id in run_ids:
            get_stored_runs().annotate(run_id, owner=read_owner(), starred=starred)
