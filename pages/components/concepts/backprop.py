"""Forward and backward pass of the lecture's first network, one stage at a time."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from mlpcore.charts.concepts import Layer, MatrixPanel, connections_chart, network_chart
from mlpcore.concepts.backprop import INPUTS, UNITS, TrainingStep, compute_training_step
from mlpcore.concepts.backprop_formulas import STAGES, write_stage
from mlpcore.numbers import exact_number
from pages.components.shared.choices import choose, persistent
from pages.components.shared.live_plot import live_plot
from pages.components.shared.words import _

LR_OPTIONS = (0.01, 0.03, 0.1, 0.3, 1.0)
HEIGHT = 300  # pixels, of the picture and of each of the two sketches
# Each quantity's label and its place in the sketch: the column and row of its first cell.
QUANTITIES = {
    "x": ("x", (0.0, -3.0)),
    "W1": ("W₁", (0.0, 0.0)),
    "b1": ("b₁", (11.0, 0.0)),
    "z1": ("z₁", (13.0, 0.0)),
    "a1": ("a₁", (15.0, 0.0)),
    "W2": ("W₂", (17.0, 0.0)),
    "b2": ("b₂", (20.0, -0.5)),
    "z2": ("z₂", (20.0, 5.0)),
    "output": ("ŷ", (20.0, 10.5)),
    "loss": ("L", (20.0, 16.0)),
}
WEIGHTS_OF = {"b1": "W1", "b2": "W2"}  # a bias gets its gradient in the stage of its layer's weights
CURRENT = {  # what each stage is about: columns of the picture and the connections between them
    "x": ("x",),
    "z1": ("W1",),
    "a1": ("a1",),
    "z2": ("W2",),
    "output": ("output",),
    "loss": ("output",),
    "d_output": ("output",),
    "d_z2": ("output",),
    "d_W2": ("W2",),
    "d_a1": ("W2", "a1"),
    "d_z1": ("a1",),
    "d_W1": ("W1",),
    "update": ("W1", "W2"),
    "after": ("W1", "a1", "W2", "output"),
}


def show_network() -> None:
    """Draw the settings of a training step, the network, its values and gradients as cells, and a stage in formulas."""
    stage = STAGES[st.session_state.setdefault("network.step", 1) - 1]
    left, right = st.columns([3, 8], gap="medium")
    with left:
        st.caption(
            _(
                "The lecture notes' first network: 10 inputs x, 20 sigmoid units, one sigmoid output ŷ, one training "
                "example. Blue is above 0, orange below, each group by its own largest."
            )
        )
        with st.grid(2, min_column_width=120):
            target = choose(_("Target y"), {0: "0", 1: "1"}, key="network.target", default=1, show_label=True)
            lr = st.select_slider(
                _("Learning rate"), LR_OPTIONS, format_func=exact_number, **persistent("network.lr", 0.3)
            )
            unit = st.slider(_("Row: unit j"), 1, UNITS, **persistent("network.unit", 1)) - 1
            feature = st.slider(_("Column: input i"), 1, INPUTS, **persistent("network.feature", 1)) - 1
            help_ = _("Updates made before this one, all on this example and with this learning rate.")
            updates = st.slider(_("Updates before"), 0, 20, help=help_, **persistent("network.updates", 0))
            help_ = _("Draws the initial weights and the inputs, rounded to hundredths.")
            seed = st.number_input(_("Seed"), 0, 9999, help=help_, **persistent("network.seed", 0))
    done = compute_training_step(seed, y=target, lr=lr, updates=updates)
    forward, backward = _lay_out(done, stage)
    with right:
        picture, values, gradients = st.columns([4, 5, 5], gap="small")
        with picture:
            st.markdown(f"###### {_('The network')}")
            figure = connections_chart(_draw_layers(done, stage), chosen=(feature, unit, 0))
            alt = _("The network as nodes and connections, with the path of the chosen weight.")
            live_plot(figure, key="network.picture", height=HEIGHT, alt=alt)
        with values:
            st.markdown(f"###### {_('Forward: every value')}")
            figure = network_chart(forward, unit=unit, feature=feature)
            live_plot(figure, key="network.forward", height=HEIGHT, alt=_("The network's values as coloured cells."))
        with gradients:
            st.markdown(f"###### {_('Backward: the gradient of L by each')}")
            figure = network_chart(backward, unit=unit, feature=feature)
            live_plot(figure, key="network.backward", height=HEIGHT, alt=_("The gradients as coloured cells."))
        _show_stepper()
        st.markdown(f"**{_stage_titles()[stage]}**")
        formulas = write_stage(done, stage, unit=unit, feature=feature, lr=lr)
        st.markdown("\n\n".join(f"${formula}$" for formula in formulas))


def _show_stepper() -> None:
    with st.container(horizontal=True, wrap=False, vertical_alignment="bottom", gap="small"):
        number = st.session_state["network.step"]
        st.button(_("Back"), on_click=_go, args=(-1,), disabled=number == 1, key="network.back")
        st.slider(_("Step"), 1, len(STAGES), **persistent("network.step"))
        st.button(
            _("Next"), on_click=_go, args=(1,), disabled=number == len(STAGES), key="network.next", type="primary"
        )


def _go(by: int) -> None:
    st.session_state["network.step"] = min(max(st.session_state["network.step"] + by, 1), len(STAGES))


def _stage_titles() -> dict[str, str]:
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
        "d_W1": _("First layer's weights. The last line is the whole chain, one factor per link."),
        "update": _("The update: every parameter goes against its gradient, lr times as far."),
        "after": _("Forward once more, with the new weights: the loss has moved."),
    }


def _lay_out(done: TrainingStep, stage: str) -> tuple[list[MatrixPanel], list[MatrixPanel]]:
    """Lay out the values and the gradients known at `stage`.

    From the update on the parameters are the new ones, at the last stage the values too.
    """
    reached = STAGES.index(stage)
    weights = done.updated if reached >= STAGES.index("update") else done.weights
    values = done.after if stage == "after" else done.forward
    forward, backward = [], []
    for name, (label, place) in QUANTITIES.items():
        is_parameter = name[0] in "Wb"
        is_known = is_parameter or STAGES.index(name) <= reached
        is_current = name == stage or (is_parameter and stage == "update") or (name == "loss" and stage == "after")
        cells = _as_cells(getattr(weights if is_parameter else values, name), name)
        forward.append(MatrixPanel(label, label, cells, place, is_known, is_current))
        if name not in ("x", "loss"):
            found_at = f"d_{WEIGHTS_OF.get(name, name)}"
            cells = _as_cells(getattr(done.gradients, name), name)
            is_known = STAGES.index(found_at) <= reached
            backward.append(MatrixPanel(label, f"∂L/∂{label}", cells, place, is_known, found_at == stage))
    return forward, backward


def _draw_layers(done: TrainingStep, stage: str) -> list[Layer]:
    """Lay the network out in columns, with what is known at `stage` filled in and what it is about in bold."""
    reached = STAGES.index(stage)
    weights = done.updated if reached >= STAGES.index("update") else done.weights
    values = done.after if stage == "after" else done.forward
    second = weights.W2.reshape(1, -1)
    is_known = {name: STAGES.index(name) <= reached for name in ("a1", "output")}
    output, current = np.array([values.output]), CURRENT[stage]
    return [
        Layer("x", values.x, True, "x" in current),
        Layer("a₁", values.a1, is_known["a1"], "a1" in current, weights.W1, "W1" in current),
        Layer("ŷ", output, is_known["output"], "output" in current, second, "W2" in current),
    ]


def _as_cells(values: NDArray[np.float64] | float, name: str) -> NDArray[np.float64]:
    """Lay a quantity out: inputs as a row over the columns of W₁, units as a column beside its rows."""
    values = np.asarray(values, float)
    return values if values.ndim == 2 else values.reshape((1, -1) if name == "x" else (-1, 1))
