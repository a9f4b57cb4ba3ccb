"""The playground's left column: the form of the recipe, with its schedule where it is edited."""

import streamlit as st

from mlpcore.analysis.diagnoses.schedule_checks import find_drops, find_warnings
from mlpcore.analysis.differences import find_differences
from mlpcore.charts.schedule import schedule_chart
from mlpcore.recipes.lessons import GROUPS
from mlpcore.recipes.points import POINT_SETS
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.validation import find_misfit, find_problems
from mlpcore.runs.messages import StoreError
from mlpcore.runs.records import Run, RunStatus
from pages.components.lr_test.dialog import offer_lr_test, show_lr_test
from pages.components.recipe_form import forms
from pages.components.recipe_form.form_state import find_lesson, get_knob, put_recipe, read_form
from pages.components.recipe_form.widgets import is_shown
from pages.components.shared.choices import persistent
from pages.components.shared.download_panel import show_downloads
from pages.components.shared.flash import flash, show_warning
from pages.components.shared.live_plot import live_plot
from pages.components.shared.state import (
    count_images,
    count_training_images,
    get_manager,
    get_store,
    preview,
    read_ended_run,
    read_owner,
)
from pages.components.shared.words import _, say

MAX_SEARCHED = 100  # of the visitor's newest runs, for one of the recipe in the form


def recipe_form(datasets: list[str]) -> tuple[Recipe | None, bool]:
    """Draw the form with the schedule.

    Returns:
        Its recipe, None if it makes no valid one, and whether it can be trained here.
    """
    forms.optimizer_form(change_run, beside_lr=offer_lr_test)
    forms.scheduler_form()
    forms.changes_form()
    schedule = st.container()  # drawn where it is edited, once the whole recipe is known
    with st.container(horizontal=True, gap="xxsmall", vertical_alignment="center"):
        is_plane = get_knob("dataset") in POINT_SETS
        if is_shown(*GROUPS["images"], *(GROUPS["points"] if is_plane else ())):
            with st.popover(_("Points") if is_plane else _("Images")):
                forms.data_form(datasets)
                show_downloads(place="popover")
        if is_shown(*GROUPS["network"]):
            with st.popover(_("Network")):
                forms.network_form()
        if is_shown(*GROUPS["run"]) or forms.list_rare():
            with st.popover(_("Run")):
                forms.run_form()
                help_ = _(
                    "Stops the run when no page of yours has been open for 10 minutes; what was measured is kept. "
                    "Applies to runs that you start from now on."
                )
                st.toggle(_("Stop the run when I am gone"), help=help_, **persistent("stop_when_disconnected"))
        st.toggle(_("Log lr"), width="content", **persistent("log_lr"))
    recipe, problems = read_form()
    misfit = None if recipe is None else find_misfit(recipe, datasets, count_images(recipe.data))
    for sentence in [*problems, misfit] if misfit else problems:
        show_warning(say(sentence))
    forms.full_batch_form()
    if recipe is not None:
        with schedule:
            _show_preview(recipe)
    show_lr_test(recipe, misfit)
    return recipe, recipe is not None and misfit is None


def _show_preview(recipe: Recipe) -> None:
    """Draw the learning rate of every iteration, with a button to fix each warning about it."""
    rates = preview(recipe)
    last_run = _find_last_run(recipe, len(rates)) if len(rates) < recipe.train_iter else None
    figure = schedule_chart(
        rates,
        batch_size=recipe.batch_size,
        train_size=count_training_images(recipe),
        train_iter=recipe.train_iter,
        last_run=last_run,
        drops=find_drops(rates),
        log_lr=st.session_state.get("log_lr", False),
        translate=_,
    )
    live_plot(figure, key="preview", height=170, alt=_("The learning rate of every iteration, before training."))
    if len(rates) < recipe.train_iter:
        st.caption(_explain_unknown(recipe, len(rates), last_run))
    for warning in find_warnings(recipe):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(f":orange[⚠] {say(warning.sentence)}")
            fixed = warning.fixed_recipe
            if not any(find_lesson().holds(name) for name in find_differences([recipe, fixed])):
                st.button(say(warning.fix_label), on_click=put_recipe, args=(fixed,), key="apply_fix")


def _find_last_run(recipe: Recipe, known: int) -> Run | None:
    """Find the visitor's newest run of exactly this recipe that is over and came beyond the rates that are known."""
    listed, _total = get_store().search(
        owner=read_owner(),
        dataset=recipe.dataset,
        optimizer=recipe.optimizer.name,
        statuses=[status for status in RunStatus if status.is_over],
        limit=MAX_SEARCHED,
    )
    same = (one.run.id for one in listed if one.run.recipe == recipe and one.run.step > known)
    found = next(same, None)
    return read_ended_run(found) if found else None


def _explain_unknown(recipe: Recipe, known: int, last_run: Run | None) -> str:
    """Say why the rest of a schedule cannot be drawn, and what stands in its place."""
    loss = _("validation loss") if recipe.validation_size else _("train loss in eval mode")
    text = _(
        "This schedule follows the {loss}. Before training, the rate is known only up to step {step:,}; from then on "
        "it drops wherever the loss has stopped falling."
    ).format(loss=loss, step=known)
    return f"{text} {_('Dashed: the last run of this recipe.')}" if last_run else text


def change_run(knob: str) -> None:
    """Send a hyperparameter's new value to the run that is shown, if it is the visitor's and still active."""
    run_id = st.session_state.get("run")
    recipe, _refused = read_form()
    if run_id is None or recipe is None or knob not in recipe.optimizer.list_changeable() or find_lesson().holds(knob):
        return
    try:
        run = get_manager().get(run_id)
        if not run.belongs_to(read_owner()) or run.status.is_over or run.recipe.optimizer.name != recipe.optimizer.name:
            return
        get_manager().change(run_id, owner=read_owner(), **{knob: getattr(recipe.optimizer, knob)})
    except ValueError as error:  # not a toast, which would cover Start and Stop
        flash("trouble", [find_problems(error)[0][1]])
    except StoreError as error:
        flash("trouble", [error.sentence])
