"""The activation functions and their derivatives."""

import numpy as np
import streamlit as st

from mlpcore.charts.concepts import CURVES, REACH, activations_chart
from mlpcore.numbers import short_number
from mlpcore.training.activations import ACTIVATION_CURVES
from pages.components.shared.choices import persistent
from pages.components.shared.layout import number_table
from pages.components.shared.live_plot import live_plot
from pages.components.shared.words import _


def show_activations() -> None:
    """Draw the curves of all activations, their values at x, and what is left of a gradient after some layers."""
    left, right = st.columns([3, 8], gap="medium")
    with left:
        st.caption(
            _(
                "Between two layers stands an activation: without its bend, any number of layers would be one. "
                "Backward, every gradient is multiplied by its derivative."
            )
        )
        x = st.slider("x", -REACH, REACH, step=0.1, format="%.1f", **persistent("activations.x", 1.0))
        depth = st.slider(_("Layers to go back through"), 1, 20, **persistent("activations.depth", 5))
    with right:
        alt = _("Sigmoid, tanh and ReLU, and beside them their derivatives.")
        live_plot(activations_chart(x, translate=_), key="activations", height=330, alt=alt)
        _show_values(x, depth)
        template = _(
            "Why sigmoid's gradient vanishes: its derivative is 0.25 at best, so {depth} layers pass on at most "
            "0.25^{depth} = {share} of it. tanh reaches 1, though only at x = 0; ReLU has 1 wherever x > 0."
        )
        st.caption(template.format(depth=depth, share=short_number(0.25**depth)))


def _show_values(x: float, depth: int) -> None:
    rows = []
    for name, curves in ACTIVATION_CURVES.items():
        value, derivative = (float(curve(np.asarray(x))) for curve in curves)
        rows.append([CURVES[name][0], *map(short_number, (value, derivative, derivative**depth))])
    power = _("{derivative} ^ {depth}").format(derivative=_("derivative"), depth=depth)
    number_table(["", _("value"), _("derivative"), power], rows)
