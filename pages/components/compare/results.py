"""Several runs side by side: their curves in common charts, the best of them, a table, and what can be concluded."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from mlpcore.analysis.comparison import group_by_seed
from mlpcore.analysis.differences import find_given_name, label_recipes
from mlpcore.charts.claims import accuracy_by_lr_chart
from mlpcore.charts.compare import Schedule, Series, compare_chart
from mlpcore.charts.downsampling import corners, rounded
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.stages import count_known_rates
from mlpcore.runs.records import Run, RunStatus
from pages.components.compare.foreign import list_foreign_runs, show_foreign_runs
from pages.components.compare.moments import show_moments
from pages.components.compare.planes import SLIDER, show_planes
from pages.components.compare.results_table import describe_choice, show_table
from pages.components.compare.surfaces import show_surfaces
from pages.components.compare.verdicts import choose_baseline, name_best, show_verdicts
from pages.components.replay.time_slider import PLAYED_SECONDS, is_playing
from pages.components.run.run_view import describe_wait
from pages.components.shared.choices import choose, persistent
from pages.components.shared.compared_runs import reload_runs
from pages.components.shared.live_plot import live_plot
from pages.components.shared.refresh import is_loading, preload_images, rerun_page, show_fragment
from pages.components.shared.state import count_training_images, get_cache, get_manager, preview, torch_is_loaded
from pages.components.shared.words import _, _n, say, show_duration, status_word

CHART_HEIGHT = 350  # pixels
PLANE_HEIGHT = 260  # the same above planes, which are then in sight too
POINT_BYTES = 80  # of a step and its rate, as Python's numbers


def build_series(runs: Sequence[Run]) -> list[Series]:
    """Group runs by recipe, each with the name that a person gave it, or with what sets it apart."""
    groups = group_by_seed(runs)
    recipes = [group[0].recipe.model_copy(update={"seed": 0}) for group in groups]
    names = [read_given_name(group) for group in groups]
    labels = label_recipes(recipes, names)
    return [
        _build(label, place, group[0].recipe, group)
        for place, (label, group) in enumerate(zip(labels, groups, strict=True))
    ]


def read_given_name(group: Sequence[Run]) -> str:
    """Return the name that a person gave to all runs of a recipe, "" if there is none."""
    names = {find_given_name(run.name, run.recipe) for run in group}
    return names.pop() if len(names) == 1 else ""


def _build(label: str, place: int, recipe: Recipe, runs: Sequence[Run]) -> Series:
    schedule = Schedule()  # until torch is there: it computes the rates
    follows_losses = count_known_rates(recipe) < recipe.train_iter and any(run.evaluations for run in runs)
    if torch_is_loaded() and not follows_losses:  # what such runs recorded is drawn
        key = ("schedule", recipe.model_copy(update={"seed": 0}))
        schedule = get_cache().get(key, lambda: _plan(recipe), size=lambda one: POINT_BYTES * len(one.steps))
    steps_per_epoch = count_training_images(recipe) / recipe.batch_size
    return Series(label, place, runs, steps_per_epoch, recipe.train_iter, schedule)


def _plan(recipe: Recipe) -> Schedule:
    """Return the schedule of a recipe at its corners."""
    rates = preview(recipe)
    kept = corners(rates)
    return Schedule((kept + 1).tolist(), [rate or 0.0 for rate in rounded([rates[place] for place in kept.tolist()])])


def show_sketch(recipes: Sequence[Recipe], names: Sequence[str], *, is_locked: bool) -> None:
    """Show what is there before training: the schedules, and where the curves will be."""
    if is_locked:
        st.text(_("Press Start to train these rows. The curves appear here, one per recipe."))
    else:
        st.text(_("Choose a preset or edit the rows, and press Start. The curves appear here, one per recipe."))
    labels = label_recipes(recipes, names or [""] * len(recipes))
    every = zip(labels, recipes, strict=True)
    series = [_build(label, place, recipe, []) for place, (label, recipe) in enumerate(every)]
    _draw_curves(series, {}, revision="sketch")


def show_comparison(runs: Sequence[Run], *, fingerprints: bool = False, concludes: bool = True) -> None:
    """Show runs side by side, updated every second while one of them goes on.

    fingerprints: whether to show hashes of initial weights and batches, which need the images to be loaded.
    concludes: whether to name the best row and say which differences are real.
    """
    active = any(not run.status.is_over for run in runs)
    loads = preload_images(runs[0].recipe if runs and fingerprints else None)
    run_ids, plays = [run.id for run in runs], is_playing(SLIDER)
    every = PLAYED_SECONDS if plays else 1.0 if active or loads else None
    show_fragment(_draw, run_ids, active or loads, fingerprints, concludes, plays, every=every)


def _draw(drawn: Sequence[str], ticks: bool, fingerprints: bool, concludes: bool, plays: bool) -> None:
    if is_playing(SLIDER) != plays:
        rerun_page()  # so that the timer begins or ends
    runs = reload_runs(drawn)
    if not runs:
        st.text(_("These runs were deleted."))
        return
    going_on = any(not run.status.is_over for run in runs)
    if ticks and not going_on and not (fingerprints and is_loading(runs[0].recipe)):
        rerun_page()  # the timer and the buttons above belong to runs that go on
    series = build_series(runs)
    picked = _take_click(series, drawn)
    with st.container(gap="xsmall"):
        _show_progress(runs)
        if concludes:
            st.text(name_best(series) or _("The best row is named here as soon as two rows have results."))
    options = _view_options(runs)
    if options["x"] == "lr":
        by_rate = sorted(runs, key=lambda run: run.recipe.optimizer.lr)
        alt = _("Test accuracy over the learning rate.")
        chart = accuracy_by_lr_chart(by_rate, translate=_)
        live_plot(chart, key="compare.rates", height=CHART_HEIGHT, alt=alt)
    else:
        _draw_curves(series, options | {"picked": picked}, revision=",".join(drawn))
    show_planes(series)
    table = st.container(gap="xsmall")
    baseline = choose_baseline(series)
    with table:
        show_table(series, picked, baseline=baseline, fingerprints=fingerprints)
        st.caption(describe_choice(series))
        _show_messages(series)
    if concludes:
        show_verdicts(series, baseline=baseline, going_on=going_on)
    if not going_on:
        show_moments(series)
        show_surfaces(series)
    show_foreign_runs()


def _show_messages(series: Sequence[Series]) -> None:
    """Say of each row why a run of it came to nothing, once for all seeds with the same reason."""
    for one in series:
        for message in {run.message.template: run.message for run in one.runs if run.message}.values():
            st.text(f"{one.label}: {say(message)}")


def _draw_curves(series: Sequence[Series], options: dict[str, Any], *, revision: str) -> None:
    live_plot(
        compare_chart(series, foreign=list_foreign_runs(), translate=_, **options),
        key="compare",
        height=PLANE_HEIGHT if any(run.recipe.points for one in series for run in one.runs) else CHART_HEIGHT,
        alt=_("Mini-batch loss, test accuracy, learning rate and path of every run."),
        revision=revision,
    )


def _show_progress(runs: Sequence[Run]) -> None:
    """Say how many runs are in which state, with a bar of the iterations that are done while runs go on."""
    counts = {status: sum(run.status is status for run in runs) for status in RunStatus}
    states = ", ".join(f"{count} {status_word(status)}" for status, count in counts.items() if count)
    active = [run for run in runs if not run.status.is_over]
    if not active:
        st.text(states)
        return
    manager = get_manager()
    done, whole = sum(run.step for run in runs), sum(run.recipe.train_iter for run in active)
    whole += sum(run.step for run in runs if run.status.is_over)  # one that was stopped or diverged trains no further
    parts = [states, _("{done:,} of {whole:,} iterations").format(done=done, whole=whole)]
    if trouble := manager.trouble:
        parts = [say(trouble)]
    elif counts[RunStatus.QUEUED] == len(active):
        parts[1] = describe_wait(active[0])
    elif paces := [(run, pace) for run in active if (pace := manager.iterations_per_second(run))]:
        left = max((run.recipe.train_iter - run.step) / pace for run, pace in paces)
        parts.append(_("{duration} left").format(duration=show_duration(left)))
    if nodes := manager.count_nodes(active[0].id):
        parts.append(_n("on {count} node", "on {count} nodes", nodes).format(count=nodes))
    st.progress(min(done / whole, 1.0), " · ".join(parts))


def _take_click(series: Sequence[Series], drawn: Sequence[str]) -> frozenset[str]:
    """Return the labels that stand out: the chosen rows, with a curve that was just clicked added or removed."""
    state = st.session_state
    shown = hash(tuple(drawn))
    if state.get("compare.shown") != shown:  # another comparison
        state["compare.shown"], state["compare.picked"] = shown, frozenset()
    clicked = getattr(state.get("compare"), "picked", None)
    if clicked in [one.label for one in series]:
        state["compare.picked"] ^= {clicked}
        state["compare.clicks"] = state.get("compare.clicks", 0) + 1
    return state["compare.picked"]


def _view_options(runs: Sequence[Run]) -> dict[str, Any]:
    titles = {"step": _("by iteration"), "epoch": _("by epoch")}
    if not _share_time(runs):
        titles["seconds"] = _("by seconds")
    if _differ_in_rate(runs):
        titles["lr"] = _("by learning rate")
    if st.session_state.get("compare.x", "step") not in titles:
        st.session_state["compare.x"] = "step"
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        x = choose(_("Horizontal axis"), titles, key="compare.x", default="step")
        is_off = x == "lr"
        log_loss = st.toggle(_("Log loss"), width="content", disabled=is_off, **persistent("compare.log_loss"))
        log_lr = st.toggle(_("Log lr"), width="content", disabled=is_off, **persistent("compare.log_lr"))
        log_x = st.toggle(_("Log axis"), width="content", disabled=is_off, **persistent("compare.log_x"))
        with st.container(horizontal=True, width="content", vertical_alignment="center", gap="xsmall"):
            label = _("Steps to a test accuracy of, %")
            st.caption(label, width="content")
            key = persistent("compare.target", 45)
            st.number_input(label, 1, 100, width=110, label_visibility="collapsed", **key)
    return {"x": x, "log_loss": log_loss, "log_lr": log_lr, "log_x": log_x}


def _share_time(runs: Sequence[Run]) -> bool:
    """Return whether some of these runs trained in lockstep: the seconds of each are then those of all of them."""
    from mlpcore.training.lockstep import cohort_key

    return len({(run.submission, cohort_key(run.recipe)) for run in runs}) < len(runs)


def _differ_in_rate(runs: Sequence[Run]) -> bool:
    """Return whether runs of one optimizer have several learning rates."""
    pairs = {(run.recipe.optimizer.name, run.recipe.optimizer.lr) for run in runs}
    return len(pairs) > len({name for name, _lr in pairs})
