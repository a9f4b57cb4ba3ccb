"""The update rules, two steps of each computed, and a race on a surface."""

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st
from pydantic import BaseModel

from mlpcore.charts.surfaces import trajectory_chart
from mlpcore.concepts.update_rules import State, update, write_lines
from mlpcore.recipes.recipe import SGD, Adam
from mlpcore.recipes.validation import find_limits
from pages.components.recipe_form.widgets import build_ladder, describe_field
from pages.components.shared.live_plot import live_plot
from pages.components.shared.words import _, show_rate

if TYPE_CHECKING:
    from mlpcore.concepts.surfaces import Position, Surface

RULES = ("SGD", "momentum", "Nesterov", "Adam")
STEPS = 300  # of the longest race
GRID = 61  # points a side that the contours are drawn from
CHART_HEIGHT = 440  # pixels


def show_updates() -> None:
    """Draw the knobs, the chosen rule with its numbers, and the race of all four."""
    st.caption(
        _(
            "Every optimizer goes against the gradient; they differ in what they remember of the gradients before. "
            "η is the learning rate, λ weight decay, μ momentum."
        )
    )
    knobs_column, rules_column = st.columns([3, 9], gap="medium")
    with knobs_column:
        rules = _knobs()
    with rules_column:
        _show_rule(rules)
    _show_race(rules)


def _knobs() -> dict[str, SGD | Adam]:
    """Draw the knobs, with the recipe's bounds and help; make the four rules of them."""
    sgd_lr = _ladder("sgd_lr", _("Learning rate of SGD"), SGD, "lr", 0.03)
    momentum = _slider("momentum", _("Momentum"), SGD, "momentum", 0.9, top=0.99, step=0.01)
    adam_lr = _ladder("adam_lr", _("Learning rate of Adam"), Adam, "lr", 0.1)
    low, high = find_limits(Adam, "betas")
    with st.container(horizontal=True, wrap=False, gap="small"):
        common = {"help": describe_field(Adam, "betas"), "persist_state": "session"}
        beta_1 = st.slider(_("Beta 1"), low, 0.99, 0.9, 0.01, key="updates.beta_1", **common)
        beta_2 = st.slider(_("Beta 2"), low, min(high, 0.999), 0.999, 0.001, "%g", key="updates.beta_2", **common)
    with st.container(horizontal=True, wrap=False, gap="small"):
        eps = _ladder("eps", _("Eps"), Adam, "eps", 1e-8, digits=(1,))
        decay = _ladder("weight_decay", _("Weight decay"), SGD, "weight_decay", 0.0, digits=(1, 5))
    plain = {"lr": sgd_lr, "weight_decay": decay}
    return {
        "SGD": SGD(momentum=0.0, nesterov=False, **plain),
        "momentum": SGD(momentum=momentum, nesterov=False, **plain),
        "Nesterov": SGD(momentum=momentum, nesterov=momentum > 0, **plain),
        "Adam": Adam(lr=adam_lr, betas=(beta_1, beta_2), eps=eps, weight_decay=decay),
    }


def _ladder(
    key: str, label: str, kind: type[BaseModel], name: str, start: float, *, digits: tuple[int, ...] = (1, 2, 3, 5, 7)
) -> float:
    return st.select_slider(
        label,
        build_ladder(*find_limits(kind, name), digits),
        start,
        format_func=show_rate,
        key=f"updates.{key}",
        help=describe_field(kind, name),
        persist_state="session",
    )


def _slider(key: str, label: str, kind: type[BaseModel], name: str, start: float, *, top: float, step: float) -> float:
    low, high = find_limits(kind, name)
    return st.slider(
        label,
        low,
        min(high, top),
        start,
        step,
        key=f"updates.{key}",
        help=describe_field(kind, name),
        persist_state="session",
    )


def _titles() -> dict[str, str]:
    return {"SGD": "SGD", "momentum": _("Momentum"), "Nesterov": _("Nesterov"), "Adam": "Adam"}


def _show_rule(rules: dict[str, SGD | Adam]) -> None:
    """Write out two steps of one rule for one parameter θ, and what torch.optim makes of the same numbers."""
    titles = _titles()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.segmented_control(
            _("Rule"),
            RULES,
            default="momentum",
            required=True,
            format_func=titles.get,
            key="updates.rule",
            width="content",
            persist_state="session",
        )
        entry = {"step": 0.1, "format": "%g", "width": 130, "persist_state": "session"}
        start = st.number_input(_("Parameter θ₀"), -100.0, 100.0, 1.0, key="updates.theta", **entry)
        first = st.number_input(_("1st gradient"), -100.0, 100.0, 0.5, key="updates.gradient_1", **entry)
        second = st.number_input(_("2nd gradient"), -100.0, 100.0, 0.5, key="updates.gradient_2", **entry)
    knobs = rules[chosen or "momentum"]  # a browser may send no rule all the same
    state, lines = update(knobs, State(start), first)
    _state, more = update(knobs, state, second)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(_("**First step**"))
        st.latex(write_lines(lines))
    with right:
        st.markdown(_("**Second step**, from what the first one left"))
        st.latex(write_lines(more))
    from mlpcore.concepts.surfaces import apply_gradients  # torch: not before it is needed

    one, two = apply_gradients(knobs, start, [first, second])
    sentence = _("torch.optim.{name} with these numbers: θ₁ = {one:.10g}, θ₂ = {two:.10g}. Written out: {own}.")
    own = f"{lines[-1].value:.10g}, {more[-1].value:.10g}"
    st.caption(sentence.format(name=knobs.name, one=one, two=two, own=own))


def _show_race(rules: dict[str, SGD | Adam]) -> None:
    """Let the four rules go down a surface from one start."""
    from mlpcore.concepts.surfaces import SURFACES, grid, heights, race  # torch: not before it is needed

    titles = {"valley": _("Narrow valley"), "Rosenbrock": _("Rosenbrock's banana"), "saddle": _("Saddle")}
    hints = {
        "valley": _("25 times steeper across than along: the step that suits one direction is wrong for the other."),
        "Rosenbrock": _("Down to the curved floor is easy; along it to the minimum is slow."),
        "saddle": _("At (0, 0) the gradient is 0, but it is no minimum: who arrives there must find the way out."),
    }
    st.subheader(_("A race"))
    settings, picture = st.columns([3, 9], gap="medium")
    with settings:
        name = st.selectbox(
            _("Surface"),
            list(SURFACES),
            format_func=titles.get,
            key="updates.surface",
            filter_mode=None,
            persist_state="session",
        )
        surface = SURFACES[name]
        st.caption(hints[name])
        st.latex(surface.formula)
        start = _start(surface)
        steps = st.slider(_("Steps"), 1, STEPS, 100, key="updates.steps", persist_state="session")
    names = _titles()
    paths = {rule: race(knobs, surface, start, steps) for rule, knobs in rules.items()}
    with picture:
        live_plot(
            trajectory_chart(
                grid(surface, GRID),
                [(names[rule], points) for rule, points in paths.items()],
                minima=surface.minima,
                translate=_,
            ),
            key="updates.race",
            height=CHART_HEIGHT,
            alt=_("Contours of the surface and the paths of four optimizers over it."),
            revision=name,
        )
        finals = {rule: heights(surface, points[-1:])[0] for rule, points in paths.items()}
        order = sorted(rules, key=lambda rule: (not surface.holds(paths[rule][-1]), finals[rule]))
        frame = pd.DataFrame([_row(names[rule], paths[rule], finals[rule], surface, steps) for rule in order])
        st.dataframe(frame, hide_index=True, height="content")
        for rule, points in paths.items():
            if not surface.holds(points[-1]):
                _say_lost(names[rule], points, surface)


def _start(surface: "Surface") -> "Position":
    """Ask where all of them begin; each surface keeps its own."""
    place = []
    for side, (low, high), value in zip(("x", "y"), (surface.x_range, surface.y_range), surface.start, strict=True):
        label = _("Start, {side}").format(side=side)
        key = f"updates.{surface.name}.{side}"
        place.append(st.slider(label, low, high, value, 0.01, "%g", key=key, persist_state="session"))
    return place[0], place[1]


def _row(name: str, points: "list[Position]", height: float, surface: "Surface", steps: int) -> dict[str, object]:
    nearest = min(surface.minima, key=lambda minimum: _distance(points[-1], minimum))
    is_lost = len(points) <= steps
    return {
        _("rule"): name,
        "f(x, y)": _("diverged") if is_lost else f"{height:.3g}",
        "x": "" if is_lost else f"{points[-1][0]:.3f}",
        "y": "" if is_lost else f"{points[-1][1]:.3f}",
        _("distance to minimum"): "" if is_lost else f"{_distance(points[-1], nearest):.3g}",
    }


def _distance(one: "Position", other: "Position") -> float:
    return ((one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2) ** 0.5


def _say_lost(name: str, points: "list[Position]", surface: "Surface") -> None:
    left = next((step for step, point in enumerate(points) if not surface.holds(point)))
    st.caption(
        _(
            "{name} left the frame at step {step} and is not back: its learning rate is too large for this surface."
        ).format(name=name, step=left)
    )
