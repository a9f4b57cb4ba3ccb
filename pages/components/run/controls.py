"""The playground's header: what is shown, the other active runs, and the buttons of a run."""

from contextlib import suppress
from typing import Literal

import streamlit as st

from mlpcore.analysis.suggestions import scale_rate
from mlpcore.numbers import exact_number
from mlpcore.recipes.recipe import Recipe, current_hyperparameters
from mlpcore.recipes.validation import find_limits
from mlpcore.runs.messages import StoreError
from mlpcore.runs.records import Run, RunStatus
from pages.components.recipe_form.form_state import find_lesson, put_knob, put_recipe
from pages.components.run.lesson_builder import offer_lesson
from pages.components.shared.flash import flash_errors, toast_errors
from pages.components.shared.recipe_summary import describe_data, describe_training
from pages.components.shared.reproducibility import describe_reproducibility
from pages.components.shared.state import find_run, get_manager, manager_is_up, read_owner
from pages.components.shared.words import _, as_markdown


def show_header(run: Run | None, recipe: Recipe | None, *, can_start: bool) -> None:
    """Draw what is shown, or what Start will train, beside the buttons."""
    shown = run.recipe if run else recipe
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(gap=None):
            if shown is not None:
                st.markdown(f"##### {describe_training(shown)}")
                st.caption(as_markdown(describe_data(shown)))
        _show_other_runs(run)
        with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
            offer_lesson()
            _show_buttons(run, recipe, can_start=can_start)


def _show_other_runs(run: Run | None) -> None:
    """List the other active runs on this server, of all visitors, with a button to watch each."""
    if not manager_is_up():  # then no run is active, and the page is drawn before torch is there
        return
    others = [other for other in get_manager().list_active() if run is None or other.id != run.id]
    if not others:
        return
    with st.popover(_("{n} more running").format(n=len(others))):
        for other in others:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.text(f"{describe_training(other.recipe)}\n{describe_data(other.recipe)}")
                st.button(_("Watch"), key=f"watch.{other.id}", on_click=_switch_to_run, args=(other.id,))


def _show_buttons(run: Run | None, recipe: Recipe | None, *, can_start: bool) -> None:
    """Draw Start, and the actions on an active run for the visitor who started it."""
    is_mine = run is not None and not run.status.is_over and run.belongs_to(read_owner())
    run_id, status = (run.id, run.status) if run else (None, None)
    if run is not None and status is RunStatus.DIVERGED and recipe is not None and not find_lesson().holds("lr"):
        optimizer = run.recipe.optimizer
        lower = max(scale_rate(optimizer.lr, 0.1), find_limits(type(optimizer), "lr")[0])
        label = _("Set lr to {lr}").format(lr=exact_number(lower))
        st.button(label, on_click=put_knob, args=(f"{optimizer.name}.lr", lower), key="lower_lr")
    if is_mine and status is RunStatus.PAUSED:
        st.button(_("Resume"), on_click=_ask_manager, args=("resume", run_id), key="resume")
    elif run is not None and run.ended_early:
        help_ = _("Trains this recipe to its end as a new run; this run is kept.")
        help_ = f"{help_} {describe_reproducibility([run])}"
        st.button(_("Continue"), on_click=_continue_run, args=(run_id,), key="continue", help=help_)
    else:
        can_pause = is_mine and status is RunStatus.RUNNING
        st.button(_("Pause"), on_click=_ask_manager, args=("pause", run_id), disabled=not can_pause, key="pause")
    st.button(_("Stop"), on_click=_ask_manager, args=("stop", run_id), disabled=not is_mine, key="stop")
    st.button(
        _("Start"),
        type="primary",
        key="start",
        shortcut="Ctrl+Enter",
        disabled=is_mine or not can_start,
        on_click=_start_run,
        args=(recipe,),
    )


def _start_run(recipe: Recipe) -> None:
    """Submit the recipe and show its run."""
    name = f"{recipe.optimizer.name} {exact_number(recipe.optimizer.lr)}"
    stop = st.session_state.get("stop_when_disconnected", False)
    with flash_errors("trouble"):
        (st.session_state["run"],) = get_manager().submit(
            [recipe], owner=read_owner(), names=[name], stop_when_disconnected=stop
        )


def _continue_run(run_id: str) -> None:
    """Train a run that ended early to its end, and show the new run."""
    with flash_errors("trouble"):
        (st.session_state["run"],) = get_manager().continue_runs([run_id], owner=read_owner())


def _switch_to_run(run_id: str) -> None:
    """Show another run, and its hyperparameters in the form."""
    st.session_state["run"] = run_id
    with suppress(StoreError):  # the page shows the error when it reads the run
        if run := find_run(run_id):
            put_recipe(current_hyperparameters(run.recipe))


def _ask_manager(action: Literal["pause", "resume", "stop"], run_id: str) -> None:
    """Ask the manager to pause, resume or stop a run; a toast says why it refuses."""
    with toast_errors():
        getattr(get_manager(), action)(run_id, owner=read_owner())
