"""Several runs as they go: their curves over each other, and a table of who is how far."""

import pandas as pd
import streamlit as st
from components.live import live_plot
from components.state import count_training_images, get_manager, hash_recipe
from components.words import _, say, show_duration, status_word

from mlpcore.compare_charts import Series, compare_chart
from mlpcore.comparison import find_steps_to, group_by_seed, judge, name_differences
from mlpcore.runs import Run, RunStatus

CHART_HEIGHT = 560  # pixels


def read_runs(run_ids: list[str]) -> list[Run]:
    """The runs of a comparison that are still kept."""
    runs = []
    for run_id in run_ids:
        try:
            runs.append(get_manager().get(run_id))
        except ValueError:
            continue
    return runs


def show_comparison(run_ids: list[str]) -> None:
    """Show runs side by side, every second anew while one of them goes on."""
    runs = read_runs(run_ids)
    active = any(not run.status.is_over for run in runs)
    st.fragment(_draw, run_every=1.0 if active else None)(run_ids, active)


def _draw(run_ids: list[str], was_active: bool) -> None:
    runs = read_runs(run_ids)
    if not runs:
        st.text(_("Choose a preset or edit the rows, and press Start: the curves appear here, one colour a recipe."))
        return
    if was_active and all(run.status.is_over for run in runs):
        st.rerun()
    series = build_series(runs)
    options = _view_options()
    picked = st.session_state.get("compare.picked", frozenset())
    first = runs[0].recipe
    figure = compare_chart(
        series,
        steps_per_epoch=count_training_images(first) / first.batch_size,
        picked=picked & {one.label for one in series},
        translate=_,
        **options,
    )
    alt = _("Train loss, test accuracy, learning rate and path of every run.")
    clicked = live_plot(figure, key="compare", height=CHART_HEIGHT, alt=alt, revision=",".join(run_ids))
    if clicked is not None:
        st.session_state["compare.picked"] = picked ^ {clicked}
        st.rerun(scope="fragment")
    _table(series)
    _verdicts(series)


def build_series(runs: list[Run]) -> list[Series]:
    """Group runs by recipe, each with the label that sets it apart."""
    groups = list(group_by_seed(runs).values())
    labels = name_differences([group[0].recipe.model_copy(update={"seed": 0}) for group in groups])
    return [Series(label, place, group) for place, (label, group) in enumerate(zip(labels, groups, strict=True))]


def _view_options() -> dict[str, object]:
    titles = {"step": _("by iteration"), "epoch": _("by epoch"), "seconds": _("by seconds")}
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        x = st.segmented_control(
            _("Horizontal axis"),
            list(titles),
            default="step",
            required=True,
            format_func=titles.get,
            key="compare.x",
            label_visibility="collapsed",
            width="content",
            persist_state="session",
        )
        log_loss = st.toggle(_("Log loss"), key="compare.log_loss", persist_state="session", width="content")
        log_lr = st.toggle(_("Log lr"), key="compare.log_lr", persist_state="session", width="content")
        log_x = st.toggle(_("Log axis"), key="compare.log_x", persist_state="session", width="content")
    return {"x": x, "log_loss": log_loss, "log_lr": log_lr, "log_x": log_x}


def _table(series: list[Series]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        target = st.number_input(_("Steps to a test accuracy of, %"), 1, 100, 45, key="compare.target", width=220)
        st.caption(
            _("Best is the highest of all points on the test images: it is picked by them, and so a little optimistic.")
        )
    rows = [_row(one, target / 100) for one in series]
    frame = pd.DataFrame(rows)
    chosen = st.dataframe(
        frame,
        hide_index=True,
        key="compare.table",
        on_select="rerun",
        selection_mode="multi-row",
        height="content" if len(rows) < 10 else 380,
        column_config={
            _("best"): st.column_config.NumberColumn(format="%.1f %%"),
            _("final"): st.column_config.NumberColumn(format="%.1f %%"),
        },
    ).selection.rows
    labels = frozenset(series[row].label for row in chosen)
    if labels != st.session_state.get("compare.chosen", frozenset()):
        st.session_state["compare.chosen"] = st.session_state["compare.picked"] = labels
        st.rerun(scope="fragment")


def _row(one: Series, target: float) -> dict[str, object]:
    """A recipe's figures, averaged over its seeds where it has several."""
    measured = [run for run in one.runs if run.evaluations]
    weights, batches = hash_recipe(one.runs[0].recipe.model_dump_json())
    reached = [find_steps_to(run.evaluations, target) for run in measured]
    states = {run.status for run in one.runs}
    return {
        _("recipe"): one.label,
        _("state"): ", ".join(status_word(status) for status in RunStatus if status in states),
        _("best"): _mean([100 * run.best.test_acc for run in measured]),
        _("best step"): _mean([run.best.step for run in measured]),
        _("final"): _mean([100 * run.latest.test_acc for run in measured]),
        _("steps to target"): _mean(reached) if reached and None not in reached else None,
        _("computing"): show_duration(sum(run.seconds for run in one.runs) / len(one.runs)),
        _("weights"): weights,
        _("batches"): batches,
    }


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _verdicts(series: list[Series]) -> None:
    """Compare every recipe with the first, by their final test accuracies."""
    finals = [
        {run.recipe.seed: run.latest.test_acc for run in one.runs if run.status is RunStatus.FINISHED} for one in series
    ]
    if sum(bool(final) for final in finals) < 2:
        return
    for one, final in zip(series[1:], finals[1:], strict=True):
        if final and finals[0]:
            st.text(say(judge(finals[0], final, names=(series[0].label, one.label))))
