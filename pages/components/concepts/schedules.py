"""The lecture's three schedulers side by side."""

from collections.abc import Callable

import streamlit as st

from mlpcore.charts.concepts import small_schedule_chart
from mlpcore.data.catalog import data_home, known_datasets
from mlpcore.recipes.recipe import SGD, AnyScheduler, CosineAnnealingLR, MultiStepLR, Recipe, StepLR
from pages.components.recipe_form.form_state import begin, first_recipe, put_recipe, read_recipe
from pages.components.shared.live_plot import live_plot
from pages.components.shared.state import preview
from pages.components.shared.words import _, say, show_rate

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
LENGTH = 200  # iterations at most: every one of them is a point of the curve
POINTS = 10  # evaluations of a run that is opened from here
DEFAULTS = {"lr": 0.01, "train_iter": 100, "step_size": 40, "step_gamma": 0.1, "milestones": (30, 80)}
DEFAULTS |= {"multi_gamma": 0.1, "T_max": 20}


def show_schedules() -> None:
    """Draw it."""
    for name, value in DEFAULTS.items():
        st.session_state.setdefault(f"schedules.{name}", value)
    st.caption(
        _(
            "A scheduler moves the learning rate while training goes on. These are the notes' three, with the notes' "
            "numbers; each curve is torch's own scheduler, stepped."
        )
    )
    first, second, _third = st.columns(3, gap="small")
    lr = first.select_slider(_("Learning rate"), RATES, format_func=show_rate, **_keep("lr"))
    train_iter = second.slider(_("Iterations"), 20, LENGTH, step=10, **_keep("train_iter"))
    first, second, third = st.columns(3, gap="small")
    with first, st.container(border=True, height="stretch"):
        _panel("StepLR", _("Times gamma, every step_size iterations."), _step, lr, train_iter)
    with second, st.container(border=True, height="stretch"):
        _panel("MultiStepLR", _("Times gamma, at each milestone."), _multi_step, lr, train_iter)
    with third, st.container(border=True, height="stretch"):
        _panel("CosineAnnealingLR", _("Half a cosine from lr to 0 takes T_max iterations."), _cosine, lr, train_iter)


def _keep(name: str) -> dict[str, str]:
    return {"key": f"schedules.{name}", "persist_state": "session"}


def _panel(name: str, sentence: str, read_knobs: Callable[[], AnyScheduler], lr: float, train_iter: int) -> None:
    """Show one schedule: its curve above its knobs, and what is odd about it."""
    from mlpcore.training.schedules import find_warnings  # torch: not before it is needed

    st.markdown(f"###### {name}")
    st.caption(sentence)
    above = st.container()  # the curve stands over the knobs that make it
    scheduler = read_knobs()
    recipe = Recipe(optimizer=SGD(lr=lr), scheduler=scheduler, train_iter=train_iter)
    with above:
        figure = small_schedule_chart(preview(recipe.model_dump_json()), top=lr, translate=_)
        alt = _("The learning rate of every iteration.")
        live_plot(figure, key=f"schedules.{name}", height=190, alt=alt)
    if st.button(_("Open in the playground"), key=f"schedules.open.{name}"):
        _open(scheduler, lr, train_iter)
    for warning in find_warnings(recipe):
        st.caption(f":orange[⚠] {say(warning.sentence)}")


def _step() -> StepLR:
    size = st.slider("step_size", 1, LENGTH, **_keep("step_size"))
    return StepLR(step_size=size, gamma=st.slider("gamma", 0.05, 1.0, step=0.05, **_keep("step_gamma")))


def _multi_step() -> MultiStepLR:
    milestones = st.slider("milestones", 1, LENGTH, **_keep("milestones"))
    gamma = st.slider("gamma", 0.05, 1.0, step=0.05, **_keep("multi_gamma"))
    return MultiStepLR(milestones=tuple(sorted(set(milestones))), gamma=gamma)


def _cosine() -> CosineAnnealingLR:
    return CosineAnnealingLR(T_max=st.slider("T_max", 1, LENGTH, **_keep("T_max")))


def _open(scheduler: AnyScheduler, lr: float, train_iter: int) -> None:
    """Go to the playground with this schedule, the rest as its knobs stand there, and no run in front of them."""
    first = first_recipe(known_datasets(data_home()))
    begin(first)
    recipe = read_recipe()[0] or first
    values = recipe.model_dump() | {"scheduler": scheduler.model_dump(), "train_iter": train_iter, "changes": []}
    values["optimizer"] |= {"lr": lr}
    values["eval_every"] = max(train_iter // POINTS, 1)
    put_recipe(Recipe.model_validate(values))
    st.session_state["run"] = None
    st.switch_page("playground.py")
