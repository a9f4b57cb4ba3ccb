"""A run, live: its status in a sentence, its curves with what there is to say about them, and its numbers."""

from typing import Literal

import streamlit as st

from mlpcore.analysis.diagnoses.schedule_checks import find_reductions
from mlpcore.charts.measures import AVERAGED, MEASURES, USUAL
from mlpcore.charts.run import Ghost, run_chart
from mlpcore.data.catalog import CIFAR10, SHAPES, data_home, known_datasets
from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run, RunStatus
from pages.components.recipe_form.form_state import find_lesson
from pages.components.run.diagnostics import show_diagnoses
from pages.components.run.fork import after_fork, find_parent_fork, offer_comparison, offer_fork, take_pick
from pages.components.run.plane import show_plane, show_units
from pages.components.run.reference import Reference, find_reference, offer_pin
from pages.components.run.tiles import show_tiles
from pages.components.shared.choices import choose, persistent
from pages.components.shared.download_panel import show_downloads
from pages.components.shared.flash import flash
from pages.components.shared.live_plot import live_plot
from pages.components.shared.refresh import (
    describe_load_error,
    describe_loading,
    is_loading,
    preload_images,
    refresh_interval,
    rerun_page,
    show_fragment,
)
from pages.components.shared.reproducibility import describe_reproducibility
from pages.components.shared.state import (
    count_training_images,
    draw_class_images,
    find_images,
    find_run,
    get_manager,
    preview,
    request_images,
    torch_is_loaded,
)
from pages.components.shared.words import _, _n, say, show_duration, status_word

Drawn = tuple[str, RunStatus, bool, int]  # the run as the page drew it: id, status, any evaluations, changes
SHEET_WIDTH = 208  # pixels: leaves room for a button within the charts' height
CHART_HEIGHT = 400  # pixels; with the header and the tiles it fits a window 800 high
BADGE_COLOURS: dict[RunStatus, Literal["gray", "blue", "green", "orange", "red"]] = {
    RunStatus.RUNNING: "blue",
    RunStatus.FINISHED: "green",
    RunStatus.DIVERGED: "orange",
    RunStatus.FAILED: "red",
    RunStatus.INTERRUPTED: "orange",
}


def find_shown_run() -> Run | None:
    """Return the run to show, if there is one."""
    run_id = st.session_state.get("run")
    run = find_run(run_id)
    if run_id and run is None:
        flash("trouble", [Sentence("The run that this address names is not kept here.")])
        del st.session_state["run"]
    return run


def show_badge(run: Run) -> None:
    """Draw the status of a run as a badge."""
    st.badge(status_word(run.status), color=BADGE_COLOURS.get(run.status, "gray"))


def show_run(run: Run | None, recipe: Recipe | None) -> None:
    """Draw a run, every second while it is active; without a run, images of its data set and empty curves.

    If torch is not there yet, it is imported by the first tick: when the browser has drawn what needs no torch.
    """
    is_early = st.session_state["run.is_early"] = run is None and not torch_is_loaded()
    ticks = is_early or (preload_images(recipe) if run is None else not run.status.is_over)
    shown = (run.id, run.status, bool(run.evaluations), len(run.recipe.changes)) if run else None
    interval = refresh_interval(run) if ticks else None
    show_fragment(_draw, shown, recipe, find_reference(run), ticks, is_early, every=interval)


def _draw(
    drawn: Drawn | None, recipe: Recipe | None, reference: Reference | None, ticks: bool, was_early: bool
) -> None:
    is_early = st.session_state.pop("run.is_early", False)
    if was_early and not is_early:
        get_manager()
        rerun_page()  # with the schedule computed anew
    run_id = drawn[0] if drawn else None
    run = find_run(run_id)
    if drawn is not None and (run is None or _is_outdated(run, drawn)):  # None: deleted meanwhile, on another page
        rerun_page()
    shown = run.recipe if run else recipe
    if shown is None:
        return
    if ticks and run is None and not is_early and not is_loading(shown):
        rerun_page()
    _show_status(run, shown, is_early)
    if shown.points is not None:
        curves, beside = st.columns([5, 4], gap="small")
        with curves:
            _show_curves(run, shown, reference)
        with beside:
            show_plane(run, shown, key="plane", height=CHART_HEIGHT)
    elif run is not None and find_lesson().hides_diagnoses:
        _show_curves(run, shown, reference)
    else:
        curves, beside = st.columns([7, 3], gap="small")
        with curves:
            _show_curves(run, shown, reference)
        with beside, st.container(height=CHART_HEIGHT, border=False, key="beside"):
            if run is not None:
                show_diagnoses(run)
            else:
                _show_class_images(shown)
    with st.container(key="run_progress"):
        st.progress(run.step / shown.train_iter if run else 0.0)
    show_tiles(run, reference)
    _view_options(run, reference)
    if shown.points is not None and run is not None:
        units, words = st.columns(2, gap="medium")
        with units:
            show_units(run, key="units")
        with words:
            if not find_lesson().hides_diagnoses:
                show_diagnoses(run)


def _is_outdated(run: Run, drawn: Drawn) -> bool:
    """Return whether the page must rerun: its buttons are for another status, its headline lacks a change, or its timer
    is faster than needed.

    It does not rerun between Start and the first evaluation, which each rerun would delay by a third of a second.
    """
    _run_id, status, has_evaluations, changes = drawn
    if len(run.recipe.changes) != changes:
        return True
    if not has_evaluations and run.evaluations:
        was_drawn = st.session_state.get("first_evaluation") == run.id
        st.session_state["first_evaluation"] = run.id
        return was_drawn
    has_begun = status is RunStatus.QUEUED and run.status is RunStatus.RUNNING
    return run.status is not status and not has_begun


def _show_curves(run: Run | None, recipe: Recipe, reference: Reference | None) -> None:
    evaluations = run.evaluations if run else ()
    if run is not None and reference is not None and (fork := find_parent_fork(run)) and fork[0].id == reference.run.id:
        evaluations = after_fork(run, fork[1])  # before, the two curves are one
    figure = run_chart(
        evaluations,
        planned_rates=preview(recipe),
        train_iter=recipe.train_iter,
        steps_per_epoch=count_training_images(recipe) / recipe.batch_size,
        changes=recipe.changes,
        reductions=find_reductions(recipe, run.evaluations) if run else (),
        measures=[*st.session_state.get("measures", USUAL), *([AVERAGED] if recipe.average != "none" else [])],
        ghost=Ghost(reference.run.evaluations, reference.name, reference.title) if reference else None,
        last_losses=run.last_losses if run else (),
        diverged_at=run.step if run else None,
        log_loss=st.session_state.get("log_loss", False),
        log_lr=st.session_state.get("log_lr", False),
        smoothing=st.session_state.get("smoothing") or 0.0,
        is_over=run is not None and run.status.is_over,
        translate=_,
    )
    alt = _("Losses, accuracies and learning rate over the iterations.")
    take_pick(run, live_plot(figure, key="curves", height=CHART_HEIGHT, alt=alt, revision=run.id if run else ""))


def _show_class_images(recipe: Recipe) -> None:
    """Draw a few images of each class, once they are loaded."""
    if not torch_is_loaded() or find_images(recipe) is None:
        return
    with st.container(gap="small"):
        # the container has the width: an image with one is decoded, resized and encoded at every rerun, 38 ms
        with st.container(width=SHEET_WIDTH):
            st.image(draw_class_images(recipe, each=2), width="stretch", alt=_("A few images of each class."))
        show_downloads([CIFAR10], place="sheet")


def _show_status(run: Run | None, recipe: Recipe, is_early: bool) -> None:
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
        if run is None:
            st.text(_waiting_sentence(recipe, is_early), width="stretch")
            return
        show_badge(run)
        if run.continues:
            help_ = _("Trains the recipe of a run that ended early, from the start to its end.")
            original = find_run(run.continues) or run  # itself if the original is deleted
            st.badge(_("continued"), color="gray", help=f"{help_} {describe_reproducibility([original])}")
        trouble = None if run.status.is_over else get_manager().trouble
        if fork := find_parent_fork(run):
            help_ = _("Repeats the grey run up to step {step:,}, and then goes on with what the dashed line says.")
            st.badge(_("forked at {step:,}").format(step=fork[1]), color="gray", help=help_.format(step=fork[1]))
        message = run.message or trouble
        st.text(say(message) if message else _progress_sentence(run), width="stretch")


def _waiting_sentence(recipe: Recipe, is_early: bool) -> str:
    loading = None if is_early else request_images(recipe)
    if loading is None:
        return _("Turn the knobs, look at the schedule, and press Start.")
    if not loading.images.done():
        return describe_loading(loading.progress)
    if error := loading.images.exception():
        return describe_load_error(error)
    if recipe.points is not None:
        return _("Turn the knobs, press Start, and watch the boundary bend.")
    if recipe.dataset == SHAPES and CIFAR10 not in known_datasets(data_home()):
        return _(
            "CIFAR-10 is not on this machine, so these are Shapes, drawn by the program. Turn the knobs, press Start."
        )
    return _("The images are ready. Turn the knobs, look at the schedule, and press Start.")


def describe_wait(run: Run) -> str:
    """Say why a queued run has not started."""
    share = get_manager().loading_progress(run.id)
    if share is not None:
        return describe_loading(share)
    reason = get_manager().waiting_reason(run.id)
    return say(reason) if reason else _("Waiting for its turn.")


def _progress_sentence(run: Run) -> str:
    if run.status is RunStatus.QUEUED:
        return describe_wait(run)
    repeated = find_parent_fork(run) if not run.status.is_over else None
    parts = [
        _("{step:,} of {train_iter:,} iterations").format(step=run.step, train_iter=run.recipe.train_iter),
        _("{duration} of computing on {device}").format(duration=show_duration(run.seconds), device=run.device),
    ]
    if repeated is not None and run.step < repeated[1]:
        parts.append(_("repeats its parent up to step {step:,}").format(step=repeated[1]))
    if nodes := get_manager().count_nodes(run.id):
        parts.append(_n("on {count} node", "on {count} nodes", nodes).format(count=nodes))
    if pace := get_manager().iterations_per_second(run):
        parts.append(_("{pace:,.0f} iterations per second").format(pace=pace))
        if run.status is RunStatus.RUNNING:
            left = show_duration((run.recipe.train_iter - run.step) / pace)
            parts.append(_("{duration} left").format(duration=left))
    return " · ".join(parts)


def _view_options(run: Run | None, reference: Reference | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.session_state.setdefault("measures", list(USUAL))
        st.pills(
            _("Curves"),
            [name for name in MEASURES if name != AVERAGED],
            selection_mode="multi",
            format_func=lambda name: _(MEASURES[name].name),
            label_visibility="collapsed",
            wrap=True,
            **persistent("measures"),
        )
        offer_pin(reference)
        st.toggle(_("Log loss"), width="content", **persistent("log_loss"))
        titles = {share: f"{share:g}" if share else _("no smoothing") for share in (0.0, 0.3, 0.5, 0.7, 0.9)}
        choose(_("Smoothing"), titles, key="smoothing", default=0.0)
        offer_fork(run)
        offer_comparison(run)
