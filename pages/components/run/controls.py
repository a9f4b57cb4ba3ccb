"""The playground's header: what is shown, the other active runs, and the buttons of a run."""

from contextlib import suppress
from typing import Literal

import streamlit as st

from mlpcore.numbers import exact_number
from mlpcore.recipes.recipe import Recipe, current_hyperparameters
from mlpcore.runs.messages import StoreError
from mlpcore.runs.records import Run, RunStatus
from pages.components.lessons.banner import offer_lesson
from pages.components.recipe_form.form_state import find_lesson, put_recipe, read_form
from pages.components.run.fork import explain_no_changes
from pages.components.run.reference import note_start
from pages.components.run.run_bar import tend_run_bar
from pages.components.shared.flash import flash_errors, toast_errors
from pages.components.shared.recipe_summary import describe_data, describe_next, describe_training
from pages.components.shared.reproducibility import describe_reproducibility
from pages.components.shared.state import find_run, get_manager, manager_is_up, read_owner
from pages.components.shared.words import _, as_markdown


def show_header(run: Run | None, recipe: Recipe | None, *, can_start: bool) -> None:
    """Draw what is shown, or what Start will train, beside the buttons."""
    shown = run.recipe if run else recipe
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(gap=None):
            tend_run_bar()
            if shown is not None:
                st.markdown(f"##### {describe_training(shown)}")
                st.caption(as_markdown(describe_data(shown)))
            if recipe is not None:
                st.caption(_say_what_start_trains(run, recipe))
        _show_other_runs(run)
        offer_lesson()
        with st.container(
            horizontal=True, width="content", vertical_alignment="center", gap="small", key="run_bar", wrap=False
        ):
            _show_buttons(run, can_start=can_start)


def _show_other_runs(run: Run | None) -> None:
    """List the other active runs, of all visitors, with a button to watch each."""
    if not manager_is_up():  # then no run is active, and the page is drawn before torch is there
        return
    others = [other for other in get_manager().list_everywhere() if run is None or other.id != run.id]
    if not others:
        return
    with st.popover(_("{n} more running").format(n=len(others))):
        for other in others:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.text(f"{describe_training(other.recipe)}\n{describe_data(other.recipe)}")
                st.button(_("Watch"), key=f"watch.{other.id}", on_click=_switch_to_run, args=(other.id,))


def _show_buttons(run: Run | None, *, can_start: bool) -> None:
    """Draw Start, and the actions on an active run for the visitor who started it."""
    is_mine = run is not None and not run.status.is_over and run.belongs_to(read_owner())
    run_id, status = (run.id, run.status) if run else (None, None)
    if is_mine and status is RunStatus.PAUSED:
        st.button(_("Resume"), on_click=_ask_manager, args=("resume", run_id), key="resume")
    elif run is not None and run.ended_early:
        help_ = _("Trains this recipe again, from the start to its end, as a new run. This run stays as a grey curve.")
        help_ = f"{help_} {describe_reproducibility([run])}"
        st.button(_("Continue from the start"), on_click=_continue_run, args=(run_id,), key="continue", help=help_)
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
    )


def _say_what_start_trains(run: Run | None, recipe: Recipe) -> str:
    """Say what Start would train, if the knobs say something else than the recipe of the shown run."""
    if run is None:
        return _("Start trains this, and keeps it to be compared with what you train next.")
    is_mine = not run.status.is_over and run.belongs_to(read_owner())
    if recipe != run.recipe:
        template = _("Start then trains {recipe}") if is_mine else _("Start trains {recipe}")
        return template.format(recipe=as_markdown(describe_next(run.recipe, recipe)))
    if not is_mine:
        return _("The knobs are those of this run. Turn one, and press Start.")
    names = ", ".join(f"`{name}`" for name in recipe.optimizer.list_changeable())
    return (
        _("{names} can be changed while the run goes on.").format(names=names) if names else explain_no_changes(recipe)
    )


def _start_run() -> None:
    """Submit the recipe of the form as it is at the click, perhaps not drawn yet, and show its run."""
    recipe, _problems = read_form()
    if recipe is None:
        return
    name = f"{recipe.optimizer.name} {exact_number(recipe.optimizer.lr)}"
    stop = st.session_state.get("stop_when_disconnected", False)
    shown = st.session_state.get("run")
    with flash_errors("trouble"):
        (run_id,) = get_manager().submit(
            [recipe], owner=read_owner(), names=[name], stop_when_disconnected=stop, lesson=find_lesson().label
        )
        _show_started(run_id, shown)


def _continue_run(run_id: str) -> None:
    """Train a run that ended early to its end, and show the new run."""
    with flash_errors("trouble"):
        (continued,) = get_manager().continue_runs([run_id], owner=read_owner())
        _show_started(continued, run_id)


def _show_started(run_id: str, before: str | None) -> None:
    """Show a run that was just started; the one shown before becomes the grey one."""
    st.session_state["run"] = st.session_state["run.started"] = run_id
    note_start(run_id, before)


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
