"""The lecture's three learning-rate schedulers side by side, and any other below them."""

from collections.abc import Callable
from typing import Any, get_args

import streamlit as st
from pydantic import ValidationError

from mlpcore.analysis.diagnoses.schedule_checks import find_warnings
from mlpcore.charts.schedule import small_schedule_chart
from mlpcore.charts.traces import Figure
from mlpcore.concepts.formulas import write_lines
from mlpcore.data.catalog import data_home, known_datasets
from mlpcore.numbers import exact_number
from mlpcore.recipes.recipe import (
    SGD,
    AnyScheduler,
    CosineAnnealingLR,
    ExponentialLR,
    MultiStepLR,
    OneCycleLR,
    Recipe,
    StepLR,
)
from mlpcore.recipes.schedulers import (
    ConstantLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    LinearLR,
    PolynomialLR,
    ReduceLROnPlateau,
    WarmupStableDecay,
)
from mlpcore.recipes.validation import find_limits, find_problems
from pages.components.recipe_form.form_state import begin, first_recipe, put_recipe, read_form
from pages.components.shared.choices import persistent
from pages.components.shared.flash import show_warning
from pages.components.shared.live_plot import live_plot
from pages.components.shared.state import preview
from pages.components.shared.words import _, _n, say

LR_OPTIONS = (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
MAX_ITERATIONS = 200  # few enough to draw every one
WARMUP = ("warmup_iters", "start_factor")
LEFT_OUT = ("base_momentum", "max_momentum", "final_div_factor", "eps")  # which do not show in a curve
# other schedulers than the lecture's, with numbers for a hundred iterations
ANOTHER: dict[str, AnyScheduler] = {
    example.name: example
    for example in (
        OneCycleLR(),
        WarmupStableDecay(warmup_iters=10, stable_iters=60, decay_iters=30),
        ExponentialLR(gamma=0.97),
        LinearLR(start_factor=1.0, end_factor=0.1, total_iters=80),
        PolynomialLR(total_iters=100, power=2.0),
        ConstantLR(total_iters=30),
        CosineAnnealingWarmRestarts(T_0=15, T_mult=2),
        CyclicLR(step_size_up=15, step_size_down=10),
        ReduceLROnPlateau(factor=0.3, patience=5, threshold=0.01),
    )
}
MOST = {"T_mult": 5, "patience": 30, "cooldown": 30}  # of sliders that do not go up to MAX_ITERATIONS
FROM_0 = ("warmup_iters", "patience", "cooldown")  # other sliders begin at 1
EVALUATIONS = 10  # of a run that is opened from here


def show_schedules() -> None:
    """Draw a learning rate and a length for all, and a panel for each scheduler."""
    st.caption(
        _(
            "A scheduler moves the learning rate while training goes on. These are the three of the lecture notes, "
            "with their numbers; each curve is torch's own scheduler, stepped."
        )
    )
    columns = st.columns(3, gap="small")
    lr = columns[0].select_slider(
        _("Learning rate"), LR_OPTIONS, format_func=exact_number, **persistent("schedules.lr", 0.01)
    )
    train_iter = columns[1].slider(
        _("Iterations"), 20, MAX_ITERATIONS, step=10, **persistent("schedules.train_iter", 100)
    )
    panels: list[tuple[str, str, Callable[[], AnyScheduler]]] = [
        ("StepLR", _("Times gamma, every step_size iterations."), _step_form),
        ("MultiStepLR", _("Times gamma, at each milestone."), _multi_step_form),
        ("CosineAnnealingLR", _("Half a cosine from lr to 0 takes T_max iterations."), _cosine_form),
    ]
    for column, (name, sentence, scheduler_form) in zip(st.columns(3, gap="small"), panels, strict=True):
        with column, st.container(border=True, height="stretch"):
            _show_panel(name, sentence, scheduler_form, lr, train_iter)
    _show_another(lr, train_iter)


def _show_panel(
    name: str, sentence: str, scheduler_form: Callable[[], AnyScheduler], lr: float, train_iter: int
) -> None:
    """Draw one schedule: its curve above its hyperparameters, and warnings about it."""
    st.markdown(f"###### {name}")
    st.caption(sentence)
    above = st.container()  # the curve is drawn above the widgets that decide it
    try:
        scheduler = scheduler_form()
        recipe = Recipe(optimizer=SGD(lr=lr), scheduler=scheduler, train_iter=train_iter, eval_every=1)
    except ValidationError as error:
        for _field, problem in find_problems(error):
            show_warning(say(problem))
        return
    with above:
        if name == "ReduceLROnPlateau":
            _show_example(recipe)
        else:
            _draw(name, small_schedule_chart(preview(recipe), top=lr, translate=_))
    if st.button(_("Open in the playground"), key=f"schedules.open.{name}"):
        _open(scheduler, lr, train_iter)
    for warning in find_warnings(recipe):
        st.caption(f":orange[⚠] {say(warning.sentence)}")


def _draw(name: str, figure: Figure) -> None:
    live_plot(figure, key=f"schedules.{name}", height=190, alt=_("The learning rate of every iteration."))


def _show_example(recipe: Recipe) -> None:
    """Draw the rates that an example's loss leads to, and write the rule out with the numbers of its first drop."""
    from mlpcore.concepts.plateau import follow_example

    example = follow_example(recipe)
    top = recipe.optimizer.lr
    _draw("ReduceLROnPlateau", small_schedule_chart(example.rates, top=top, losses=example.losses, translate=_))
    if not example.step:
        st.caption(_("The rate does not drop here: the loss still falls, or too few iterations are left."))
        return
    text = _n(
        "At step {step:,}, the last {count:,} loss is not below b: the rate drops from η to η′.",
        "At step {step:,}, the last {count:,} losses are not below b: the rate drops from η to η′.",
        example.waited,
    )
    st.caption(text.format(step=example.step, count=example.waited))
    st.latex(write_lines(example.lines))


def _show_another(lr: float, train_iter: int) -> None:
    """Draw the choice of another scheduler, and its panel."""
    sentences = {
        "OneCycleLR": _("Up to lr and down again, once in the run."),
        "WarmupStableDecay": _("Up to lr, along it, and down a line."),
        "ExponentialLR": _("Times gamma, at every iteration."),
        "LinearLR": _("A line between two shares of lr."),
        "PolynomialLR": _("Down to 0 in total_iters iterations: power 1 is a line."),
        "ConstantLR": _("A share of lr at first, then lr."),
        "CosineAnnealingWarmRestarts": _("Half a cosine down, and back to lr with a jump."),
        "CyclicLR": _("Up and down between lr / div_factor and lr."),
        "ReduceLROnPlateau": _(
            "Times factor, where the loss (dotted) has not fallen in more than patience evaluations. In this example, "
            "every iteration is evaluated."
        ),
    }
    choice, panel = st.columns([1, 2], gap="small")
    with choice:
        kept = persistent("schedules.another", "OneCycleLR")
        name = st.selectbox(_("Another scheduler"), list(sentences), filter_mode=None, **kept)
    with panel, st.container(border=True):
        _show_panel(name, sentences[name], lambda: _another_form(ANOTHER[name]), lr, train_iter)


def _another_form(example: AnyScheduler) -> AnyScheduler:
    """Draw a widget for each number of a scheduler, beginning with those of the example."""
    values: dict[str, Any] = {}
    with st.container(horizontal=True, gap="small"):
        for name in type(example).model_fields:
            if name in WARMUP and not example.warmup_iters and example.name != "LinearLR":
                continue
            start, key = getattr(example, name), f"schedules.{example.name}.{name}"
            if type(start) is int:
                most = MOST.get(name, MAX_ITERATIONS)
                least = 0 if name in FROM_0 else 1
                values[name] = st.slider(name, least, most, width=170, **persistent(key, start))
            elif type(start) is float and name not in LEFT_OUT:
                low, high = find_limits(type(example), name)
                values[name] = st.number_input(
                    name, low, high, step=0.01, format="%g", width=140, **persistent(key, start)
                )
            elif name in ("mode", "threshold_mode"):
                modes = get_args(type(example).model_fields[name].annotation)
                values[name] = st.selectbox(name, modes, filter_mode=None, width=140, **persistent(key, start))
    return example.replace(**values)


def _step_form() -> StepLR:
    step_size = st.slider("step_size", 1, MAX_ITERATIONS, **persistent("schedules.step_size", 40))
    return StepLR(step_size=step_size, gamma=_gamma_slider("schedules.step_gamma"))


def _multi_step_form() -> MultiStepLR:
    milestones = st.slider("milestones", 1, MAX_ITERATIONS, (30, 80), **persistent("schedules.milestones"))
    return MultiStepLR(milestones=tuple(sorted(set(milestones))), gamma=_gamma_slider("schedules.multi_gamma"))


def _cosine_form() -> CosineAnnealingLR:
    return CosineAnnealingLR(T_max=st.slider("T_max", 1, MAX_ITERATIONS, **persistent("schedules.T_max", 20)))


def _gamma_slider(key: str) -> float:
    return st.slider("gamma", 0.05, 1.0, step=0.05, **persistent(key, 0.1))


def _open(scheduler: AnyScheduler, lr: float, train_iter: int) -> None:
    """Open the playground with this schedule, its other hyperparameters as they are there, and no run shown."""
    first = first_recipe(known_datasets(data_home()))
    begin(first)
    recipe = read_form()[0] or first
    values = recipe.model_dump() | {"scheduler": scheduler.model_dump(), "train_iter": train_iter, "changes": []}
    values["optimizer"] |= {"lr": lr}
    values["eval_every"] = max(train_iter // EVALUATIONS, 1)
    put_recipe(Recipe.model_validate(values))
    st.session_state["run"] = None
    st.switch_page("playground.py")
