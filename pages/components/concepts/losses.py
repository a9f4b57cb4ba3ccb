"""Softmax and cross-entropy, with sliders for the logits."""

import math
from typing import TYPE_CHECKING

import streamlit as st

from mlpcore.charts.concepts import probabilities_chart
from pages.components.shared.layout import table_height
from pages.components.shared.live_plot import live_plot
from pages.components.shared.words import _

if TYPE_CHECKING:
    from mlpcore.concepts.softmax import SoftmaxIntermediates

CLASSES = ("cat", "dog", "frog", "ship")
LOGITS = (2.0, 1.0, 0.0, -1.0)
SHIFTS = (-20, 0, 10, 80, 100, 1000)


def show_losses() -> None:
    """Draw it."""
    from mlpcore.concepts.softmax import compute_cross_entropy  # torch: not before it is needed

    st.caption(
        _(
            "A network ends in logits z, one a class. Softmax turns them into probabilities p; cross-entropy is small "
            "where the true class got most of it."
        )
    )
    left, right = st.columns([3, 8], gap="medium")
    with left:
        logits, true_class = _controls()
        parts = compute_cross_entropy(logits, true_class)
        probability, loss = parts.shifted.probabilities[true_class], parts.shifted.loss
        st.markdown(
            rf"$L = -\sum_c y_c \ln p_c$" "\n\n" rf"$\hphantom{{L}} = -\ln({probability:.4g}) = \mathbf{{{loss:.4g}}}$"
        )
        st.markdown(r"$\dfrac{\partial L}{\partial z} = p - y$")
    with right:
        figure = probabilities_chart(
            CLASSES, parts.shifted.probabilities, parts.gradient, true_class=true_class, translate=_
        )
        live_plot(figure, key="losses", height=230, alt=_("Bars: the probability of each class, and the gradient."))
        plain, shifted = st.columns(2, gap="medium")
        with plain:
            _way(_("As the notes write it"), r"\dfrac{e^z}{\sum e^z + 10^{-8}}", parts.plain, "z", "e^z")
        with shifted:
            formula = r"\dfrac{e^{z-m}}{\sum e^{z-m} + 10^{-8} e^{-m}}"
            _way(_("The largest logit m taken off"), formula, parts.shifted, "z − m", "e^(z − m)")
        st.caption(_explain(parts.plain))


def _controls() -> tuple[list[float], int]:
    true_class = st.segmented_control(
        _("True class"),
        range(len(CLASSES)),
        default=None if "losses.true" in st.session_state else 0,
        format_func=CLASSES.__getitem__,
        required=True,
        key="losses.true",
        persist_state="session",
    )
    true_class = true_class or 0  # a browser may send none all the same
    grid = st.grid(2, min_column_width=120)
    logits = []
    for name, start in zip(CLASSES, LOGITS, strict=True):
        key = f"losses.{name}"
        st.session_state.setdefault(key, start)
        label = _("Logit of {name}").format(name=name)
        logits.append(grid.slider(label, -5.0, 5.0, step=0.1, format="%.1f", key=key, persist_state="session"))
    st.session_state.setdefault("losses.shift", 0)
    shift = st.select_slider(
        _("Added to every logit"),
        SHIFTS,
        format_func=lambda value: f"{value:+,d}" if value else "0",
        key="losses.shift",
        persist_state="session",
        help=_("In exact arithmetic, and without the 1e-8, no probability would depend on it."),
    )
    return [logit + shift for logit in logits], true_class


def _way(title: str, formula: str, parts: "SoftmaxIntermediates", exponent: str, power: str) -> None:
    """Show one way to the probabilities, a class a row."""
    loss = r"\text{nan}" if math.isnan(parts.loss) else r"\infty" if parts.loss == math.inf else f"{parts.loss:.4g}"
    st.markdown(f"###### {title}: $L = {loss}$")
    st.markdown(f"$p = {formula}$")  # a phone shows the table's buttons beside it, where there is nothing more
    columns = (parts.exponents, parts.powers, parts.probabilities)
    rows = [
        (name, f"{z:,.1f}", _short(e_to_z), _short(probability))
        for name, z, e_to_z, probability in zip(CLASSES, *columns, strict=True)
    ]
    rows.append(("1e-8", "", _short(parts.epsilon), ""))
    rows.append((_("sum"), "", _short(parts.total), _short(math.fsum(parts.probabilities))))
    names = ("", exponent, power, "p")
    right_aligned = {name: st.column_config.TextColumn(alignment="right") for name in names[1:]}
    table = [dict(zip(names, row, strict=True)) for row in rows]
    st.dataframe(table, hide_index=True, height=table_height(len(rows)), column_config=right_aligned)


def _short(value: float) -> str:
    return "inf" if value == math.inf else f"{value:.4g}"


def _explain(plain: "SoftmaxIntermediates") -> str:
    """Say what happened to the notes' formula here."""
    if math.inf in plain.powers:
        return _(
            "float32 ends at 3.4e38, so e^z is infinite above 88.7, and infinity divided by infinity is no number "
            "(nan). With the largest logit m taken off, no power is above 1: the same fraction, and nothing overflows."
        )
    if plain.total == math.inf:
        return _("The powers still fit into float32, but not their sum: every probability is 0 and the loss infinite.")
    total = math.fsum(plain.probabilities)
    if total < 0.999:
        return _(
            "Here the notes' 1e-8 is as large as a power: the probabilities add up to {total} instead of 1. It guards "
            "against dividing by 0, at this price."
        ).format(total=_short(total))
    return _("Both ways agree here. Add 1000 to every logit, or take 20 away, and see which one holds.")
