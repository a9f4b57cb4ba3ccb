"""One run: the knobs, the schedule they make, Start, and the live curves."""

from collections.abc import Callable
from contextlib import suppress

import streamlit as st

from mlpcore.analysis.comparison import find_differences
from mlpcore.charts.schedule import schedule_chart
from mlpcore.data.catalog import data_home, known_datasets
from mlpcore.messages import SentenceError
from mlpcore.recipes.lessons import GROUPS
from mlpcore.recipes.recipe import Recipe, current_hyperparameters
from mlpcore.recipes.validation import find_misfit, find_problems
from mlpcore.runs.records import Run, RunStatus
from mlpcore.runs.store import StoreError
from mlpcore.numbers import exact_number
from pages.components.recipe_form import forms
from pages.components.recipe_form.form_state import find_lesson, first_recipe, put_knob, put_recipe, read_form
from pages.components.recipe_form.widgets import is_shown
from pages.components.run import run_view
from pages.components.run.insight import show_insight
from pages.components.run.lesson_builder import build_lesson, is_building, offer_lesson, show_lesson
from pages.components.shared.download_panel import show_downloads
from pages.components.shared.flash import flash, get_flashed, show_warning
from pages.components.shared.live_plot import live_plot
from pages.components.shared.recipe_summary import describe_data, describe_training
from pages.components.shared.reproducibility import describe_reproducibility
from pages.components.shared.state import (
    count_images,
    count_training_images,
    find_run,
    get_manager,
    preview,
    read_owner,
)
from pages.components.shared.url import adopt_run, take_link, write_link
from pages.components.shared.words import _, as_markdown, say

owner = read_owner()
datasets = known_datasets(data_home())
adopt_run(owner)
take_link(default=first_recipe(datasets), datasets=datasets)


def send_to_run(knob: str) -> None:
    """Let the run that is shown go on with a knob's new value, if it is the visitor's and takes it."""
    run_id = st.session_state.get("run")
    recipe, _refused = read_form()
    if run_id is None or recipe is None or knob not in forms.LIVE_KNOBS or find_lesson().holds(knob):
        return
    try:
        run = get_manager().get(run_id)
        if run.owner != owner or run.status.is_over or run.recipe.optimizer.name != recipe.optimizer.name:
            return
        get_manager().change(run_id, owner=owner, **{knob: getattr(recipe.optimizer, knob)})
    except ValueError as error:  # no toast: it would lie on Start and Stop
        flash("trouble", [find_problems(error)[0][1]])
    except StoreError as error:
        flash("trouble", [error.sentence])


def start(recipe: Recipe) -> None:
    """Submit the recipe and show its run."""
    name = f"{recipe.optimizer.name} {recipe.optimizer.lr:g}"
    try:
        (st.session_state["run"],) = get_manager().submit(
            [recipe], owner=owner, names=[name], stop_when_disconnected=st.session_state.get("stop_when_disconnected", False)
        )
    except (SentenceError, StoreError) as error:
        flash("trouble", [error.sentence])


def go_on(run_id: str) -> None:
    """Train a run that ended early to its end, and show the run that does."""
    try:
        (st.session_state["run"],) = get_manager().continue_runs([run_id], owner=owner)
    except (SentenceError, StoreError) as error:
        flash("trouble", [error.sentence])


def show_preview(recipe: Recipe) -> None:
    """Draw the rate of every iteration, and offer to mend what looks wrong with it."""
    from mlpcore.training.schedules import find_drops, find_warnings  # torch: behind the first paint

    rates = preview(recipe)
    figure = schedule_chart(
        rates,
        batch_size=recipe.batch_size,
        train_size=count_training_images(recipe),
        drops=find_drops(rates),
        log_lr=st.session_state.get("log_lr", False),
        translate=_,
    )
    live_plot(figure, key="preview", height=170, alt=_("The learning rate of every iteration, before training."))
    for warning in find_warnings(recipe):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(f":orange[⚠] {say(warning.sentence)}")
            if not any(find_lesson().holds(name) for name in find_differences([recipe, warning.fixed_recipe])):
                st.button(say(warning.fix_label), on_click=put_recipe, args=(warning.fixed_recipe,), key="mend")


def show_knobs() -> tuple[Recipe | None, bool]:
    """Draw the knobs; return the recipe they make, None where they make none, and whether it can be trained here."""
    forms.optimizer_form(send_to_run)
    forms.scheduler_form()
    forms.changes_form()
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        if is_shown(*GROUPS["images"]):
            with st.popover(_("Images")):
                forms.data_form(datasets)
                show_downloads(place="popover")
        if is_shown(*GROUPS["network"]):
            with st.popover(_("Network")):
                forms.network_form()
        if is_shown(*GROUPS["run"], "eps"):
            with st.popover(_("Run")):
                forms.run_form()
                st.toggle(
                    _("Stop the run when I am gone"),
                    key="stop_when_disconnected",
                    persist_state="session",
                    help=_(
                        "Holds from the next Start on. Gone is who has had no page of this app open for 10 minutes; "
                        "the run then stops, and keeps what it has measured."
                    ),
                )
        st.toggle(_("Log lr"), key="log_lr", persist_state="session", width="content")
    recipe, problems = read_form()
    misfit = recipe and find_misfit(recipe, datasets, count_images(recipe.dataset))
    for sentence in [*problems, misfit] if misfit else problems:
        show_warning(say(sentence))
    return recipe, recipe is not None and misfit is None


def show_others(run: Run | None) -> None:
    """List the runs that go on on this server, everybody's, to look at."""
    others = [other for other in get_manager().list_active() if run is None or other.id != run.id]
    if not others:
        return
    with st.popover(_("{n} more running").format(n=len(others))):
        for other in others:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.text(f"{describe_training(other.recipe)}\n{describe_data(other.recipe)}")
                st.button(_("Watch"), key=f"watch.{other.id}", on_click=watch, args=(other.id,))


def watch(run_id: str) -> None:
    """Show another run, and its knobs."""
    st.session_state["run"] = run_id
    with suppress(StoreError):  # the page says it as it is drawn
        if run := find_run(run_id):
            put_recipe(current_hyperparameters(run.recipe))


def show_header(run: Run | None, recipe: Recipe | None, *, can_start: bool) -> None:
    """Say what is shown, or what will run, beside the buttons."""
    shown = run.recipe if run else recipe
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(gap=None):
            if shown is not None:
                st.markdown(f"##### {describe_training(shown)}")
                st.caption(as_markdown(describe_data(shown)))
        show_others(run)
        show_buttons(run, recipe, can_start=can_start)


def show_buttons(run: Run | None, recipe: Recipe | None, *, can_start: bool) -> None:
    """Start, and what can be done to a run that goes on: by the one who started it."""
    manager = get_manager()
    mine = run is not None and not run.status.is_over and run.owner == owner
    with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
        offer_lesson()
        diverged = run is not None and run.status is RunStatus.DIVERGED
        if diverged and recipe is not None and not find_lesson().holds("lr"):
            lower = max(float(f"{run.recipe.optimizer.lr / 10:.6g}"), 1e-6)  # 0.007, not 0.007000000000000001
            label = _("Set lr to {lr}").format(lr=exact_number(lower))
            st.button(label, on_click=put_knob, args=(f"{run.recipe.optimizer.name}.lr", lower), key="lower_lr")
        if mine and run.status is RunStatus.PAUSED:
            st.button(_("Resume"), on_click=obey, args=(manager.resume, run.id), key="resume")
        elif run is not None and run.ended_early:
            told = (
                f"{_('Trains this recipe to its end, as a new run; this one is kept.')} {describe_reproducibility([run])}"
            )
            st.button(_("Continue"), on_click=go_on, args=(run.id,), key="continue", help=told)
        else:
            can_pause = mine and run.status is RunStatus.RUNNING
            st.button(
                _("Pause"), on_click=obey, args=(manager.pause, run and run.id), disabled=not can_pause, key="pause"
            )
        st.button(_("Stop"), on_click=obey, args=(manager.stop, run and run.id), disabled=not mine, key="stop")
        st.button(
            _("Start"),
            type="primary",
            key="start",
            shortcut="Ctrl+Enter",
            disabled=mine or not can_start,
            on_click=start,
            args=(recipe,),
        )


def obey(ask: Callable[..., None], run_id: str) -> None:
    """Ask the manager for something; a refusal is said in a sentence."""
    try:
        ask(run_id, owner=owner)
    except (SentenceError, StoreError) as error:
        st.toast(say(error.sentence))


left, right = st.columns([3, 8], gap="medium")
with left:
    for sentence in get_flashed("link.refused"):
        show_warning(say(sentence))
    show_lesson()
    recipe, can_start = show_knobs()
    if recipe is not None:
        show_preview(recipe)
run = run_view.find_shown_run()
with right:
    if is_building():
        build_lesson(recipe)
    else:
        show_header(run, recipe, can_start=can_start)
        for trouble in get_flashed("trouble"):
            st.error(say(trouble))
        run_view.show_run(run, recipe)
if run is not None and not is_building():
    show_insight(run)
write_link(recipe, run)
