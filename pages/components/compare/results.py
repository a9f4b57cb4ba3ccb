"""Several runs side by side: their curves in common charts, a table, and each recipe compared with the first."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from mlpcore.analysis.comparison import (
    ComparisonVerdict,
    compare_recipes,
    find_steps_to,
    group_by_seed,
    is_validated,
    weight_norm,
)
from mlpcore.analysis.comparison_wording import describe_comparison
from mlpcore.analysis.differences import name_differences
from mlpcore.charts.compare import Series, compare_chart
from mlpcore.messages import N_
from mlpcore.runs.records import Run, RunStatus
from pages.components.shared.choices import choose, persistent
from pages.components.shared.layout import row_colour
from pages.components.shared.live_plot import live_plot
from pages.components.shared.refresh import is_loading, preload_images, rerun_page, show_fragment
from pages.components.shared.state import count_training_images, find_run, get_manager, hash_recipe
from pages.components.shared.words import _, say, show_duration, status_word

CHART_HEIGHT = 500  # pixels
NOISY_VALIDATION = N_("The labels of the held-out images are noisy too, so val_acc is lower than on clean labels.")
LABEL_WIDTH = 270  # pixels: the longest of the lecture's, SGD lr=0.01 momentum=0.9 nesterov=on


def reload_runs(runs: Sequence[Run]) -> list[Run]:
    """Return these runs as they are now, without those deleted meanwhile; one that is over is not read again."""
    return [now for run in runs if (now := run if run.status.is_over else find_run(run.id)) is not None]


def build_series(runs: Sequence[Run]) -> list[Series]:
    """Group runs by recipe, each with the label that sets it apart."""
    groups = group_by_seed(runs)
    labels = name_differences([group[0].recipe.model_copy(update={"seed": 0}) for group in groups])
    return [
        Series(label, place, group, count_training_images(group[0].recipe) / group[0].recipe.batch_size)
        for place, (label, group) in enumerate(zip(labels, groups, strict=True))
    ]


def show_comparison(runs: Sequence[Run], *, fingerprints: bool = False) -> None:
    """Show runs side by side, updated every second while one of them goes on.

    fingerprints: whether to show hashes of initial weights and batches, which need the images to be loaded.
    """
    active = any(not run.status.is_over for run in runs)
    loads = preload_images(runs[0].recipe if runs and fingerprints else None)
    show_fragment(_draw, runs, active or loads, fingerprints, every=1.0 if active or loads else None)


def _draw(drawn: Sequence[Run], ticks: bool, fingerprints: bool) -> None:
    runs = reload_runs(drawn)
    if not runs:
        st.text(_("Choose a preset or edit the rows, and press Start. The curves appear here, one colour per recipe."))
        return
    going_on = any(not run.status.is_over for run in runs)
    if ticks and not going_on and not (fingerprints and is_loading(runs[0].recipe)):
        rerun_page()  # the timer and the buttons above belong to runs that go on
    series = build_series(runs)
    trouble = get_manager().trouble if going_on else None
    st.text(say(trouble) if trouble else _progress(runs))
    for one in series:
        for message in dict.fromkeys(say(run.message) for run in one.runs if run.message):
            st.text(f"{one.label}: {message}")
    picked = _take_click(series)
    curves, figures = st.columns([7, 5], gap="small")
    with curves:
        options = _view_options()
        live_plot(
            compare_chart(series, picked=picked, translate=_, **options),
            key="compare",
            height=CHART_HEIGHT,
            alt=_("Train loss, test accuracy, learning rate and path of every run."),
            revision=",".join(run.id for run in drawn),
        )
    with figures:
        _table(series, picked, fingerprints=fingerprints)
        _verdicts(series, going_on=going_on)


def _progress(runs: Sequence[Run]) -> str:
    """Say how many runs are in which state, and how many iterations are done."""
    counts = {status: sum(run.status is status for run in runs) for status in RunStatus}
    states = ", ".join(f"{count} {status_word(status)}" for status, count in counts.items() if count)
    done, whole = sum(run.step for run in runs), sum(run.recipe.train_iter for run in runs)
    if all(run.status.is_over for run in runs):
        return states
    return _("{states} · {done:,} of {whole:,} iterations").format(states=states, done=done, whole=whole)


def _take_click(series: Sequence[Series]) -> frozenset[str]:
    """Return the labels that stand out: the chosen rows, with a curve that was just clicked added or removed."""
    state = st.session_state
    shown = tuple(one.label for one in series)
    if state.get("compare.labels") != shown:  # another comparison
        state["compare.labels"], state["compare.picked"] = shown, frozenset()
    clicked = getattr(state.get("compare"), "picked", None)
    if clicked in shown:
        state["compare.picked"] ^= {clicked}
        state["compare.clicks"] = state.get("compare.clicks", 0) + 1
    return state["compare.picked"]


def _view_options() -> dict[str, Any]:
    titles = {"step": _("by iteration"), "epoch": _("by epoch"), "seconds": _("by seconds")}
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        x = choose(_("Horizontal axis"), titles, key="compare.x", default="step")
        log_loss = st.toggle(_("Log loss"), width="content", **persistent("compare.log_loss"))
        log_lr = st.toggle(_("Log lr"), width="content", **persistent("compare.log_lr"))
        log_x = st.toggle(_("Log axis"), width="content", **persistent("compare.log_x"))
    return {"x": x, "log_loss": log_loss, "log_lr": log_lr, "log_x": log_x}


def _table(series: Sequence[Series], picked: frozenset[str], *, fingerprints: bool) -> None:
    """Draw one row per recipe in the colour of its curve; choosing a row picks its curve."""
    target = st.number_input(_("Steps to a test accuracy of, %"), 1, 100, width=220, **persistent("compare.target", 45))
    validated = _are_validated(series)
    rows = [_row(one, target / 100, validated=validated, fingerprints=fingerprints) for one in series]
    frame = pd.DataFrame(rows)
    always = (_("best"), _("chosen by validation"), _("steps to target"))
    frame = frame.loc[:, [name in always or not frame[name].isna().all() for name in frame]]
    colours = [f"color: {row_colour(one.colour)}" for one in series]
    percent = st.column_config.NumberColumn(format="%.1f %%")
    of_seeds = _("With several seeds: the mean of each seed's own best, which is not the best of the mean curve.")
    key = f"compare.table.{st.session_state.get('compare.clicks', 0)}"
    st.dataframe(
        frame.style.apply(lambda _cells: colours, subset=[_("recipe")]),
        hide_index=True,
        key=key,
        on_select=lambda: _take_rows(key, series),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [n for n, one in enumerate(series) if one.label in picked]}},
        height="content" if len(series) < 9 else 340,
        placeholder="—",
        column_config={
            _("recipe"): st.column_config.TextColumn(width=LABEL_WIDTH),
            _("best"): st.column_config.NumberColumn(format="%.1f %%", help=of_seeds),
            _("final"): percent,
            _("chosen by validation"): percent,
            _("best step"): st.column_config.NumberColumn(format="%d", help=of_seeds),
            _("chosen step"): st.column_config.NumberColumn(format="%d"),
            _("steps to target"): st.column_config.NumberColumn(format="%d"),
            _("weights' size"): st.column_config.NumberColumn(
                format="%.1f", help=_("The Euclidean norm of all weight matrices together at the latest evaluation.")
            ),
            _("computing"): st.column_config.TextColumn(
                help=_("Time spent training and evaluating. Runs that train in lockstep share it.")
            ),
            _("initial weights"): st.column_config.TextColumn(help=_("Equal hashes: the same initial weights.")),
            _("batches"): st.column_config.TextColumn(help=_("Equal hashes: the same images in the same order.")),
        },
    )
    st.caption(_optimism(series))


def _take_rows(key: str, series: Sequence[Series]) -> None:
    rows = st.session_state[key].selection.rows
    st.session_state["compare.picked"] = frozenset(series[row].label for row in rows if row < len(series))


def _optimism(series: Sequence[Series]) -> str:
    if _are_validated(series):
        chosen = _(
            "Chosen by validation is the test accuracy at the step that was best on the held-out images: the test "
            "images had no part in the choice. Final is the test accuracy at the last step."
        )
        is_noisy = any(run.recipe.label_noise > 0 for one in series for run in one.runs)
        return f"{chosen} {_(NOISY_VALIDATION)}" if is_noisy else chosen
    return _(
        "Best is the highest test accuracy of all evaluations. The test images chose it, so it is optimistic: hold out "
        "500 images or more to choose the step without them."
    )


def _row(one: Series, target: float, *, validated: bool, fingerprints: bool) -> dict[str, object]:
    """Return the figures of a recipe, averaged over its seeds."""
    best = [found for run in one.runs if (found := run.chosen if validated else run.best) is not None]
    latest = [run.latest for run in one.runs if run.latest is not None]
    reached = [find_steps_to(run.evaluations, target) for run in one.runs if run.evaluations]
    steps_to_target = [step for step in reached if step is not None]
    states = {run.status for run in one.runs}
    row: dict[str, object] = {
        _("recipe"): one.label,
        _("chosen by validation") if validated else _("best"): _mean(100 * evaluation.test_acc for evaluation in best),
        _("final"): _mean(100 * evaluation.test_acc for evaluation in latest),
        _("chosen step") if validated else _("best step"): _round(_mean(evaluation.step for evaluation in best)),
        _("steps to target"): _round(_mean(steps_to_target)) if len(steps_to_target) == len(reached) else None,
        _("computing"): show_duration(sum(run.seconds for run in one.runs) / len(one.runs)),
        _("weights' size"): _mean(norm for evaluation in latest if (norm := weight_norm(evaluation)) is not None),
        _("state"): ", ".join(status_word(status) for status in RunStatus if status in states),
    }
    if fingerprints:
        weights, batches = hash_recipe(one.runs[0].recipe) or (None, None)
        row |= {_("initial weights"): weights, _("batches"): batches}
    return row


def _are_validated(series: Sequence[Series]) -> bool:
    """Return whether held-out images choose the step of every run: all rows are ranked in the same way."""
    return all(is_validated(run) for one in series for run in one.runs)


def _mean(values: Iterable[float]) -> float | None:
    values = list(values)
    return statistics.fmean(values) if values else None


def _round(value: float | None) -> int | None:
    return None if value is None else round(value)


def _verdicts(series: Sequence[Series], *, going_on: bool) -> None:
    """Compare every recipe with the first by test accuracy."""
    if len(series) < 2:
        return
    validated = _are_validated(series)
    ends = [
        {
            run.recipe.seed: evaluation.test_acc
            for run in one.runs
            if run.status is RunStatus.FINISHED and (evaluation := run.chosen if validated else run.latest)
        }
        for one in series
    ]
    compared = compare_recipes(ends[0], ends[1:])
    if all(one.verdict is ComparisonVerdict.NO_PAIRS for one in compared):
        if not going_on:
            st.caption(_("Nothing to compare yet: the first recipe and another must finish with the same seed."))
        return
    measure = _("test accuracy at the step chosen by validation") if validated else _("final test accuracy")
    st.caption(_("By {measure}, compared with the first row:").format(measure=measure))
    for one, result in zip(series[1:], compared, strict=True):
        if result.verdict is not ComparisonVerdict.NO_PAIRS:
            st.text(say(describe_comparison(result, reference=series[0].label, other=one.label)))
    if any(result.p is not None for result in compared):
        st.caption(
            _("± is one standard deviation of the differences over the seeds. Significance: paired t-test at 5 %.")
        )
