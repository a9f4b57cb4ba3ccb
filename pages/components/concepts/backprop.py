"""Forward and backward through the lecture's first network, one step at a time."""

import numpy as np
import streamlit as st

from mlpcore.charts.concepts import MatrixPanel, network_chart
from mlpcore.concepts.backprop import STEPS, write_step
from mlpcore.concepts.walkthrough import INPUTS, UNITS, Walk, walk
from pages.components.shared.live_plot import live_plot
from pages.components.shared.words import _, show_rate

RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
HEIGHT = 300  # pixels, of each of the two sketches
DEFAULTS = {"target": 1, "lr": 0.3, "unit": 1, "feature": 1, "updates": 0, "seed": 0, "step": 1}
# Where each quantity stands in the sketch, and the step after which its value and its gradient are known.
PLACES = {"x": (0, -3), "W1": (0, 0), "b1": (11, 0), "z1": (13, 0), "a1": (15, 0), "W2": (17, 0)}
SCALARS = {"b2": (20, -0.5), "z2": (20, 5), "output": (20, 10.5), "loss": (20, 16)}
LABELS = {"x": "x", "W1": "W₁", "b1": "b₁", "z1": "z₁", "a1": "a₁", "W2": "W₂", "b2": "b₂", "z2": "z₂"}
LABELS |= {"output": "ŷ", "loss": "L"}
SHARED = {"b1": "W1", "b2": "W2"}  # a bias gets its gradient in the step of its layer's weights


def show_network() -> None:
    """Draw it."""
    for name, value in DEFAULTS.items():
        st.session_state.setdefault(f"network.{name}", value)
    left, right = st.columns([3, 8], gap="medium")
    with left:
        st.caption(
            _(
                "The notes' first network: 10 inputs x, 20 sigmoid units, one sigmoid output ŷ, and one training "
                "example. Blue is above 0, orange below, each group by its own largest."
            )
        )
        lr = _controls()
    state = st.session_state
    unit, feature = state["network.unit"] - 1, state["network.feature"] - 1
    done = walk(state["network.seed"], y=state["network.target"] or 0, lr=lr, updates=state["network.updates"])
    with right:
        step = STEPS[state["network.step"] - 1]
        values, slopes = st.columns(2, gap="small")
        with values:
            st.markdown(f"###### {_('Forward: every value')}")
            figure = network_chart(_forward_grids(done, step), unit=unit, feature=feature)
            live_plot(figure, key="network.forward", height=HEIGHT, alt=_("The network's values as coloured cells."))
        with slopes:
            st.markdown(f"###### {_('Backward: the gradient of L by each')}")
            figure = network_chart(_backward_grids(done, step), unit=unit, feature=feature)
            live_plot(figure, key="network.backward", height=HEIGHT, alt=_("The gradients as coloured cells."))
        _stepper()
        st.markdown(f"**{_titles()[step]}**")
        formulas = write_step(done, step, unit=unit, feature=feature, lr=lr)
        st.markdown("\n\n".join(f"${formula}$" for formula in formulas))


def _controls() -> float:
    with st.grid(2, min_column_width=120):
        st.segmented_control(_("Target y"), (0, 1), required=True, width="stretch", **_keep("target"))
        lr = st.select_slider(_("Learning rate"), RATES, format_func=show_rate, **_keep("lr"))
        st.slider(_("Row: unit j"), 1, UNITS, **_keep("unit"))
        st.slider(_("Column: input i"), 1, INPUTS, **_keep("feature"))
        help_ = _("Updates made before this one, all on this example and with this learning rate.")
        st.slider(_("Updates before"), 0, 20, help=help_, **_keep("updates"))
        help_ = _("Draws the initial weights and the inputs, rounded to hundredths.")
        st.number_input(_("Seed"), 0, 9999, help=help_, **_keep("seed"))
    return lr


def _keep(name: str) -> dict[str, str]:
    return {"key": f"network.{name}", "persist_state": "session"}


def _stepper() -> None:
    with st.container(horizontal=True, wrap=False, vertical_alignment="bottom", gap="small"):
        place = st.session_state["network.step"]
        st.button(_("Back"), on_click=_go, args=(-1,), disabled=place == 1, key="network.back")
        st.slider(_("Step"), 1, len(STEPS), **_keep("step"))
        st.button(_("Next"), on_click=_go, args=(1,), disabled=place == len(STEPS), key="network.next", type="primary")


def _go(by: int) -> None:
    st.session_state["network.step"] = min(max(st.session_state["network.step"] + by, 1), len(STEPS))


def _titles() -> dict[str, str]:
    return {
        "x": _("The example and the weights are given."),
        "z1": _("First layer: each unit adds up the inputs times its row of weights, and its bias."),
        "a1": _("Sigmoid bends each sum into 0 to 1."),
        "z2": _("Second layer: the units times their weights, and a bias."),
        "output": _("Sigmoid again: the network's answer."),
        "loss": _("Cross-entropy of two classes: how wrong the answer is."),
        "d_output": _("Back: how the loss moves with the answer."),
        "d_z2": _("Through the sigmoid: times its slope, and only the error is left."),
        "d_W2": _("Second layer's weights: the gradient above, times what the weight was multiplied by."),
        "d_a1": _("To the units: times the weight that carried each one."),
        "d_z1": _("Through each unit's sigmoid: its slope is 1/4 at most, so gradients shrink."),
        "d_W1": _("First layer's weights. The last line is the whole chain, one factor a link."),
        "update": _("The update: every parameter goes against its gradient, lr times as far."),
        "after": _("Forward once more, with the new weights: the loss has moved."),
    }


def _forward_grids(done: Walk, step: str) -> list[MatrixPanel]:
    """The values as they are known at `step`: after the update the new parameters, after all the new values too."""
    place = STEPS.index(step)
    weights = done.updated if place >= STEPS.index("update") else done.weights
    values = done.after if step == "after" else done.forward
    grids = []
    for name, at in (PLACES | SCALARS).items():
        is_parameter = name[0] in "Wb"
        is_known = is_parameter or STEPS.index(name) <= place
        is_current = name == step or (is_parameter and step == "update") or (name == "loss" and step == "after")
        shown = getattr(weights if is_parameter else values, name)
        grids.append(MatrixPanel(LABELS[name], LABELS[name], _cells(shown, name), at, is_known, is_current))
    return grids


def _backward_grids(done: Walk, step: str) -> list[MatrixPanel]:
    place = STEPS.index(step)
    grids = []
    for name, at in (PLACES | SCALARS).items():
        if name in ("x", "loss"):
            continue
        found = f"d_{SHARED.get(name, name)}"
        shown = _cells(getattr(done.gradients, name), name)
        is_known = STEPS.index(found) <= place
        grids.append(MatrixPanel(LABELS[name], f"∂L/∂{LABELS[name]}", shown, at, is_known, found == step))
    return grids


def _cells(values: np.ndarray | float, name: str) -> np.ndarray:
    """Lay a quantity out: inputs in a row over the columns of W₁, units in a column beside its rows."""
    values = np.asarray(values, float)
    return values if values.ndim == 2 else values.reshape((1, -1) if name == "x" else (-1, 1))
