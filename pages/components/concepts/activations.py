"""The activations and their derivatives."""

import streamlit as st

from mlpcore.charts.concepts import CURVES, REACH, activations_chart
from mlpcore.numbers import short_number
from mlpcore.training.activations import ACTIVATION_CURVES
from pages.components.shared.layout import table_height
from pages.components.shared.live_plot import live_plot
from pages.components.shared.words import _


def show_activations() -> None:
    """Draw it."""
    st.session_state.setdefault("activations.x", 1.0)
    st.session_state.setdefault("activations.depth", 5)
    left, right = st.columns([3, 8], gap="medium")
    with left:
        st.caption(
            _(
                "Between two layers stands an activation: without its bend, any number of layers would be one. "
                "Backward, every gradient is multiplied by its derivative."
            )
        )
        x = st.slider("x", -REACH, REACH, step=0.1, format="%.1f", key="activations.x", persist_state="session")
        depth = st.slider(_("Layers to go back through"), 1, 20, key="activations.depth", persist_state="session")
    with right:
        alt = _("Sigmoid, tanh and ReLU, and beside them their derivatives.")
        live_plot(activations_chart(x, translate=_), key="activations", height=330, alt=alt)
        _table(x, depth)
        template = _(
            "Why sigmoid's gradient vanishes: its derivative is 0.25 at best, so {depth} layers pass on at most "
            "0.25^{depth} = {share} of it. tanh reaches 1, though only at x = 0; ReLU has 1 wherever x > 0."
        )
        st.caption(template.format(depth=depth, share=short_number(0.25**depth)))


def _table(x: float, depth: int) -> None:
    slope = _("derivative")
    power = _("{derivative} ^ {depth}").format(derivative=slope, depth=depth)
    rows = []
    for name, (function, derivative) in ACTIVATION_CURVES.items():
        passed = float(derivative(x))
        numbers = (float(function(x)), passed, passed**depth)
        rows.append(
            {"": CURVES[name][0]} | dict(zip((_("value"), slope, power), map(short_number, numbers), strict=True))
        )
    right_aligned = {name: st.column_config.TextColumn(alignment="right") for name in rows[0] if name}
    st.dataframe(rows, hide_index=True, height=table_height(len(rows)), column_config=right_aligned)
