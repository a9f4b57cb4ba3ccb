"""The health of a run's layers at every evaluation: how far steps move weights, gradients, units that are stuck."""

import streamlit as st

from mlpcore.charts.layers.health import NAMES, health_chart, health_height
from mlpcore.runs.records import Run
from pages.components.shared.live_plot import live_plot
from pages.components.shared.words import _


def show_health(run: Run, step: int) -> None:
    """Draw one strip per layer of each measure of health, with a mark at a step, and say what to look for."""
    if run.evaluations and not run.evaluations[-1].update_ratios:
        st.text(
            _(
                "This run is from a version that did not measure this. Press Start with the same settings: the same "
                "recipe gives the same run, this time with it."
            )
        )
        return
    marked = step if run.latest and step < run.latest.step else None  # the newest is where the curves end
    hidden = len(run.recipe.hidden_sizes)
    dead = _("Units that answer 0 to everything: no gradient reaches their weights, so they stay dead.")
    saturated = _("Units that answer one of their extremes to nearly everything: the slope there is almost 0.")
    parts = {
        "update_ratios": (hidden + 1, _("How far one step moves a layer's weights. Near the dashed −3 is usual.")),
        "gradient_norms": (
            hidden + 1,
            _("How strongly the loss pulls at a layer. If the first gets far less than the last, gradients vanish."),
        ),
        "stuck_units": (hidden, dead if run.recipe.activation == "relu" else saturated),
    }
    for (measure, (layers, told)), column in zip(parts.items(), st.columns(3, gap="medium"), strict=True):
        if not layers:
            continue
        name = _(NAMES[run.recipe.activation if measure == "stuck_units" else measure])
        with column:
            st.markdown(f"###### {name[0].upper()}{name[1:]}")
            live_plot(
                health_chart(
                    run.evaluations, measure, layers=layers, train_iter=run.recipe.train_iter, at=marked, translate=_
                ),
                key=f"health.{measure}",
                height=health_height(layers),
                alt=_("{measure}, one strip per layer, over the iterations.").format(measure=name),
                revision=run.id,
            )
            st.caption(told)
