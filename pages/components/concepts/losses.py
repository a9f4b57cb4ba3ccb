"""Softmax and cross-entropy, with sliders for the logits."""

import math
from typing import TYPE_CHECKING

import streamlit as st

from mlpcore.charts.concepts import probabilities_chart
from mlpcore.numbers import short_number
from pages.components.shared.choices import choose, persistent
from pages.components.shared.layout import number_table
from pages.components.shared.live_plot import live_plot
from pages.components.shared.words import _

if TYPE_CHECKING:
    from mlpcore.concepts.softmax import SoftmaxIntermediates

CLASSES = ("cat", "dog", "frog", "ship")
LOGITS = (2.0, 1.0, 0.0, -1.0)
SHIFTS = (-20, 0, 10, 80, 100, 1000)


def show_losses() -> None:
    """Draw sliders for the logits, the probabilities and the loss they give, and both formulas of softmax."""
    from mlpcore.concepts.softmax import compute_cross_entropy  # torch: not before it is needed

    st.caption(
        _(
            "A network ends in logits z, one per class. Softmax turns them into probabilities p; cross-entropy is "
            "small where the true class got most of it."
        )
    )
    left, right = st.columns([3, 8], gap="medium")
    with left:
        logits, true_class = _controls()
        computed = compute_cross_entropy(logits, true_class)
        probability, loss = computed.shifted.probabilities[true_class], computed.shifted.loss
        st.markdown(
            rf"$L = -\sum_c y_c \ln p_c$" "\n\n" rf"$\hphantom{{L}} = -\ln({probability:.4g}) = \mathbf{{{loss:.4g}}}$"
        )
        st.markdown(r"$\dfrac{\partial L}{\partial z} = p - y$")
    with right:
        figure = probabilities_chart(
            CLASSES, computed.shifted.probabilities, computed.gradient, true_class=true_class, translate=_
        )
        live_plot(figure, key="losses", height=230, alt=_("Bars: the probability of each class, and the gradient."))
        plain, shifted = st.columns(2, gap="medium")
        with plain:
            formula = r"\dfrac{e^z}{\sum e^z + 10^{-8}}"
            _show_formula(_("As the lecture notes write it"), formula, computed.plain, "z", "e^z")
        with shifted:
            formula = r"\dfrac{e^{z-m}}{\sum e^{z-m} + 10^{-8} e^{-m}}"
            _show_formula(_("The largest logit m taken off"), formula, computed.shifted, "z − m", "e^(z − m)")
        st.caption(_explain(computed.plain))


def _controls() -> tuple[list[float], int]:
    titles = dict(enumerate(CLASSES))
    true_class = choose(_("True class"), titles, key="losses.true", default=0, show_label=True)
    grid = st.grid(2, min_column_width=120)
    logits = []
    for name, z in zip(CLASSES, LOGITS, strict=True):
        label, kept = _("Logit of {name}").format(name=name), persistent(f"losses.{name}", z)
        logits.append(grid.slider(label, -5.0, 5.0, step=0.1, format="%.1f", **kept))
    shift = st.select_slider(
        _("Added to every logit"),
        SHIFTS,
        format_func=lambda value: f"{value:+,d}" if value else "0",
        help=_("In exact arithmetic, and without the 1e-8, no probability would depend on it."),
        **persistent("losses.shift", 0),
    )
    return [logit + shift for logit in logits], true_class


def _show_formula(title: str, formula: str, values: "SoftmaxIntermediates", exponent: str, power: str) -> None:
    """Show one formula of softmax with its intermediate values, one row per class."""
    loss = r"\text{nan}" if math.isnan(values.loss) else r"\infty" if values.loss == math.inf else f"{values.loss:.4g}"
    st.markdown(f"###### {title}: $L = {loss}$")
    st.markdown(f"$p = {formula}$")  # not in the heading: on a phone the table's buttons would cover it
    columns = (values.exponents, values.powers, values.probabilities)
    rows = [
        (name, f"{z:,.1f}", short_number(e_to_z, 4), short_number(probability, 4))
        for name, z, e_to_z, probability in zip(CLASSES, *columns, strict=True)
    ]
    rows.append(("1e-8", "", short_number(values.epsilon, 4), ""))
    rows.append((_("sum"), "", short_number(values.total, 4), short_number(math.fsum(values.probabilities), 4)))
    number_table(["", exponent, power, "p"], rows)


def _explain(plain: "SoftmaxIntermediates") -> str:
    """Explain how the lecture's formula behaves at these logits."""
    if math.inf in plain.powers:
        return _(
            "float32 ends at 3.4e38, so e^z is infinite above 88.7, and infinity divided by infinity is not a number "
            "(nan). With the largest logit m taken off, no power is above 1: the same fraction, and nothing overflows."
        )
    if plain.total == math.inf:
        return _("The powers still fit into float32, but not their sum: every probability is 0 and the loss infinite.")
    total = math.fsum(plain.probabilities)
    if total < 0.999:
        return _(
            "Here the notes' 1e-8 is as large as a power: the probabilities add up to {total} instead of 1. It guards "
            "against dividing by 0, at this price."
        ).format(total=short_number(total, 4))
    return _("Both ways agree here. Add 1000 to every logit, or take 20 away, and see which one holds.")
