"""One run: the knobs, the schedule they make, Start, and the live curves."""

import streamlit as st
from components import forms, run_view
from components.links import take_link, write_link
from components.live import live_plot
from components.state import count_training_images, get_manager, preview, read_owner
from components.summary import describe_data, describe_training
from components.words import _, say

from mlpcore.catalog import data_home, known_datasets
from mlpcore.charts import schedule_chart
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipe import Recipe
from mlpcore.runs import Run, RunStatus

owner = read_owner()
datasets = known_datasets(data_home())
refused = take_link(default=Recipe(dataset=datasets[0]))


def send_to_run(knob: str) -> None:
    """Let the run that is shown go on with a knob's new value, if it is the visitor's and takes it."""
    run_id = st.session_state.get("run")
    recipe, _refused = forms.read_recipe()
    if run_id is None or recipe is None or knob not in forms.LIVE_KNOBS:
        return
    try:
        run = get_manager().get(run_id)
        if run.owner != owner or run.status.is_over or run.recipe.optimizer.name != recipe.optimizer.name:
            return
        get_manager().change(run_id, owner=owner, **{knob: getattr(recipe.optimizer, knob)})
        st.toast(_("{knob} changed in the run that goes on.").format(knob=knob))
    except ValueError as error:
        st.toast(say(error.sentence) if isinstance(error, SentenceError) else str(error))


def start(recipe: Recipe) -> None:
    """Submit the recipe and show its run."""
    name = f"{recipe.optimizer.name} {recipe.optimizer.lr:g}"
    try:
        (st.session_state["run"],) = get_manager().submit([recipe], owner=owner, names=[name])
    except (SentenceError, RuntimeError) as error:
        st.session_state["trouble"] = getattr(error, "sentence", Sentence(str(error)))


def show_preview(recipe: Recipe) -> None:
    """Draw the rate of every iteration, and offer to mend what looks wrong with it."""
    from mlpcore.schedules import find_drops, find_warnings  # torch: behind the first paint

    rates = preview(recipe.model_dump_json())
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
            st.button(say(warning.mend), on_click=forms.put_recipe, args=(warning.mended,), key="mend")


def show_knobs() -> Recipe | None:
    """Draw the knobs; return the recipe they make, None where they make none."""
    forms.optimizer_form(send_to_run)
    forms.scheduler_form()
    with st.container(horizontal=True, gap="small"):
        with st.popover(_("Images")):
            forms.data_form(datasets)
        with st.popover(_("Network")):
            forms.network_form()
        with st.popover(_("Run")):
            forms.run_form()
    recipe, problems = forms.read_recipe()
    for sentence in problems:
        st.warning(say(sentence))
    return recipe


def show_header(run: Run | None, recipe: Recipe | None) -> None:
    """Say what is shown, or what will run, beside the buttons."""
    manager = get_manager()
    shown = run.recipe if run else recipe
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(gap=None):
            if shown is not None:
                st.markdown(f"##### {describe_training(shown)}")
                st.caption(describe_data(shown))
        mine = run is not None and not run.status.is_over and run.owner == owner
        if mine and run.status is RunStatus.PAUSED:
            st.button(_("Resume"), on_click=manager.resume, args=(run.id,), kwargs={"owner": owner}, key="resume")
        else:
            can_pause = mine and run.status is RunStatus.RUNNING
            pause = {"on_click": manager.pause, "args": (run.id,), "kwargs": {"owner": owner}} if can_pause else {}
            st.button(_("Pause"), disabled=not can_pause, key="pause", **pause)
        stop = {"on_click": manager.stop, "args": (run.id,), "kwargs": {"owner": owner}} if mine else {}
        st.button(_("Stop"), disabled=not mine, key="stop", **stop)
        st.button(
            _("Start"),
            type="primary",
            key="start",
            shortcut="Ctrl+Enter",
            disabled=recipe is None or mine,
            on_click=start,
            args=(recipe,),
        )


left, right = st.columns([3, 8], gap="medium")
with left:
    for sentence in refused:
        st.warning(say(sentence))
    recipe = show_knobs()
    if recipe is not None:
        show_preview(recipe)
with right:
    run = run_view.find_run(owner)
    show_header(run, recipe)
    if trouble := st.session_state.pop("trouble", None):
        st.error(say(trouble))
    run_view.show_run(run, recipe)
write_link(recipe, run)
