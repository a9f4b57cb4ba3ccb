"""The update rules: two steps of one written out, and the trajectories of several over a surface."""

import math
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st
from pydantic import BaseModel

from mlpcore.charts.surfaces import MOST_PATHS, trajectory_chart
from mlpcore.concepts.formulas import write_lines
from mlpcore.concepts.optimizer_state import OptimizerState
from mlpcore.concepts.update_rules import RULES, apply_update_rule
from mlpcore.numbers import exact_number, short_number
from mlpcore.recipes.recipe import OPTIMIZERS, SGD, Adam, AnyOptimizer
from mlpcore.recipes.validation import find_limits
from pages.components.concepts.race import offer_race
from pages.components.recipe_form.widgets import build_ladder, describe_field
from pages.components.shared.choices import choose, persistent
from pages.components.shared.live_plot import live_plot
from pages.components.shared.words import _

if TYPE_CHECKING:
    from mlpcore.concepts.surfaces import Position, Surface

SAMPLES = 61  # of the surface per axis, for its contours
LECTURE = ("SGD", "momentum", "Nesterov", "Adam")  # the rules that are always there
# of the other rules; 0.1 for those that are not named
START_RATES = {"ASGD": 0.03, "Adagrad": 0.5, "Adadelta": 10.0, "Muon": 0.2}


def show_updates() -> None:
    """Draw the hyperparameters, the chosen rule with its numbers, and the trajectories of all."""
    st.caption(
        _(
            "Every optimizer goes against the gradient; they differ in what they remember of the gradients before. "
            "η is the learning rate, λ weight decay, μ momentum."
        )
    )
    knobs_column, rules_column = st.columns([3, 9], gap="medium")
    with knobs_column:
        rules = _rules_form()
    with rules_column:
        _show_rule(rules)
    _show_trajectories(rules)


def _rules_form() -> dict[str, AnyOptimizer]:
    """Draw the hyperparameters, with the recipe's bounds and help; return the lecture's rules and those added.

    An added rule has a learning rate of its own. It shares momentum, betas, eps and weight decay with the others, and
    has torch's defaults for the rest.
    """
    sgd_lr = _log_slider("sgd_lr", _("Learning rate of SGD"), SGD, "lr", 0.03)
    momentum = _slider("momentum", _("Momentum"), SGD, "momentum", 0.9, top=0.99, step=0.01)
    adam_lr = _log_slider("adam_lr", _("Learning rate of Adam"), Adam, "lr", 0.1)
    with st.container(horizontal=True, wrap=False, gap="small"):
        beta_1 = _slider("beta_1", _("Beta 1"), Adam, "betas", 0.9, top=0.99, step=0.01)
        beta_2 = _slider("beta_2", _("Beta 2"), Adam, "betas", 0.999, top=0.999, step=0.001, format="%g")
    with st.container(horizontal=True, wrap=False, gap="small"):
        eps = _log_slider("eps", _("Eps"), Adam, "eps", 1e-8, digits=(1,))
        decay = _log_slider("weight_decay", _("Weight decay"), SGD, "weight_decay", 0.0, digits=(1, 5))
    sgd = SGD(lr=sgd_lr, momentum=0.0, nesterov=False, weight_decay=decay)
    with_momentum = SGD(lr=sgd_lr, momentum=momentum, nesterov=False, weight_decay=decay)
    shared: dict[str, Any] = {"betas": (beta_1, beta_2), "eps": eps, "weight_decay": decay}
    rules: dict[str, AnyOptimizer] = {
        "SGD": sgd,
        "momentum": with_momentum,
        "Nesterov": with_momentum.model_copy(update={"nesterov": momentum > 0}),
        "Adam": Adam(lr=adam_lr, **shared),
    }
    return rules | _added_rules(shared | {"momentum": momentum})


def _added_rules(shared: dict[str, Any]) -> dict[str, AnyOptimizer]:
    """Draw the choice of further rules, and the learning rate of each."""
    others = [name for name in RULES if name not in LECTURE]
    most = MOST_PATHS - len(LECTURE)
    help_ = _("They share the values above, and have torch's defaults for the rest. At most {most}.").format(most=most)
    kept = persistent("updates.added")
    added = st.multiselect(_("More rules"), others, max_selections=most, help=help_, **kept)
    rules: dict[str, AnyOptimizer] = {}
    for name in added[:most]:
        kind: Any = OPTIMIZERS[name]
        lr = _log_slider(
            f"{name}.lr", _("Learning rate of {name}").format(name=name), kind, "lr", START_RATES.get(name, 0.1)
        )
        rules[name] = kind(lr=lr, **{key: value for key, value in shared.items() if key in kind.model_fields})
    return rules


def _log_slider(
    key: str, label: str, kind: type[BaseModel], name: str, start: float, *, digits: tuple[int, ...] = (1, 2, 3, 5, 7)
) -> float:
    options = build_ladder(*find_limits(kind, name), digits)
    kept = persistent(f"updates.{key}", start)
    return st.select_slider(label, options, format_func=exact_number, help=describe_field(kind, name), **kept)


def _slider(
    key: str, label: str, kind: type[BaseModel], name: str, start: float, *, top: float, **settings: Any
) -> float:
    low, high = find_limits(kind, name)
    kept = persistent(f"updates.{key}", start)
    return st.slider(label, low, min(high, top), help=describe_field(kind, name), **settings, **kept)


def _titles(rules: dict[str, AnyOptimizer]) -> dict[str, str]:
    return {name: name for name in rules} | {"momentum": _("Momentum"), "Nesterov": _("Nesterov")}


def _show_rule(rules: dict[str, AnyOptimizer]) -> None:
    """Write out two steps of one rule for one parameter θ, beside what torch.optim computes from the same numbers."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        optimizer = rules[choose(_("Rule"), _titles(rules), key="updates.rule", default="momentum", show_label=True)]
        start = _number_input("theta", _("Parameter θ₀"), 1.0)
        gradients = [
            _number_input("gradient_1", _("1st gradient"), 0.5),
            _number_input("gradient_2", _("2nd gradient"), 0.5),
        ]
    state, first = apply_update_rule(optimizer, OptimizerState(start), gradients[0])
    _state, second = apply_update_rule(optimizer, state, gradients[1])
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(_("**First step**"))
        st.latex(write_lines(first))
    with right:
        st.markdown(_("**Second step**, from what the first one left"))
        st.latex(write_lines(second))
    if optimizer.name == "Muon":
        st.caption(
            _(
                "Muon takes matrices: here θ is one of A × B = 1 × 1. NS₅ makes the update orthogonal by five "
                "Newton–Schulz iterations, x ← 3.4445 x − 4.775 x³ + 2.0315 x⁵, in bfloat16. Of a single number, "
                "only the sign is left, with a size that is roughly 1: 0.6875."
            )
        )
    from mlpcore.concepts.surfaces import apply_gradients  # torch: not before it is needed

    one, two = apply_gradients(optimizer, start, gradients)
    sentence = _("torch.optim.{name} with these numbers: θ₁ = {one:.10g}, θ₂ = {two:.10g}. Written out: {own}.")
    own = f"{first[-1].value:.10g}, {second[-1].value:.10g}"
    st.caption(sentence.format(name=optimizer.name, one=one, two=two, own=own))


def _number_input(key: str, label: str, start: float) -> float:
    kept = persistent(f"updates.{key}", start)
    return st.number_input(label, -100.0, 100.0, step=0.1, format="%g", width=130, **kept)


def _show_trajectories(rules: dict[str, AnyOptimizer]) -> None:
    """Draw the trajectories of the rules over a surface, all from one start, and where they end."""
    from mlpcore.concepts.surfaces import SURFACES, compute_trajectory, sample_surface  # torch: not before it is needed

    titles = {"valley": _("Narrow valley"), "Rosenbrock": _("Rosenbrock's banana"), "saddle": _("Saddle")}
    hints = {
        "valley": _("25 times steeper across than along: the step that suits one direction is wrong for the other."),
        "Rosenbrock": _("Down to the curved floor is easy; along it to the minimum is slow."),
        "saddle": _("At (0, 0) the gradient is 0, but it is no minimum: an optimizer that arrives there must get out."),
    }
    st.subheader(_("A race"))
    settings, picture = st.columns([3, 9], gap="medium")
    with settings:
        kept = persistent("updates.surface")
        name = st.selectbox(_("Surface"), list(SURFACES), format_func=titles.__getitem__, filter_mode=None, **kept)
        surface = SURFACES[name]
        st.caption(hints[name])
        st.latex(surface.formula)
        start = _start_form(surface)
        steps = st.slider(_("Steps"), 1, 300, **persistent("updates.steps", 100))
        offer_race("updates-race")
    names = _titles(rules)
    paths = {names[rule]: compute_trajectory(one, surface, start, steps) for rule, one in rules.items()}
    with picture:
        samples = sample_surface(surface, SAMPLES)
        figure = trajectory_chart(samples, list(paths.items()), minima=surface.minima, translate=_)
        alt = _("Contours of the surface and the paths of {n} optimizers over it.").format(n=len(paths))
        live_plot(figure, key="updates.race", height=440, alt=alt, revision=name)
        if "Muon" in rules:
            st.caption(
                _(
                    "Muon needs a matrix, so it takes (x, y) as one with a single row. Making a row orthogonal only "
                    "scales it to a fixed length: every step is about 0.7 lr long, however steep the surface is."
                )
            )
        _show_ends(paths, surface, steps)


def _start_form(surface: "Surface") -> "Position":
    """Draw sliders for the start of all; each surface keeps its own."""
    chosen = []
    for side, limits, start in zip("xy", (surface.x_range, surface.y_range), surface.start, strict=True):
        label = _("Start, {side}").format(side=side)
        kept = persistent(f"updates.{surface.name}.{side}", start)
        chosen.append(st.slider(label, *limits, step=0.01, format="%g", **kept))
    return chosen[0], chosen[1]


def _show_ends(paths: "dict[str, list[Position]]", surface: "Surface", steps: int) -> None:
    """List where each trajectory ends, the lowest first, and name those that end outside the frame."""
    from mlpcore.concepts.surfaces import evaluate_surface

    ends = {name: path[-1] for name, path in paths.items()}
    values = dict(zip(ends, evaluate_surface(surface, list(ends.values())), strict=True))
    rows = []
    for name in sorted(ends, key=lambda name: (not surface.contains(ends[name]), values[name])):
        x, y = ends[name]
        distance = min(math.dist(ends[name], minimum) for minimum in surface.minima)
        numbers = [short_number(values[name]), f"{x:.3f}", f"{y:.3f}", short_number(distance)]
        if len(paths[name]) <= steps:
            numbers = [_("diverged"), "", "", ""]
        rows.append([name, *numbers])
    columns = [_("rule"), "f(x, y)", "x", "y", _("distance to minimum")]
    st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, height="content")
    template = _(
        "{name} left the frame at step {step} and is not back: its learning rate is too large for this surface."
    )
    for name, path in paths.items():
        if not surface.contains(path[-1]):
            left = next(step for step, position in enumerate(path) if not surface.contains(position))
            st.caption(template.format(name=name, step=left))
