"""The sharpness of full-batch gradient descent beside the limit of its learning rate."""

from collections.abc import Sequence

import numpy as np

from mlpcore.analysis.replay.sharpness import Sharpness
from mlpcore.charts.annotations import legend
from mlpcore.charts.axes import axis, five_steps
from mlpcore.charts.downsampling import evenly, rounded
from mlpcore.charts.traces import NOTE, Figure, Translate, line

COLOUR = "#CC79A7"  # neither a loss nor an accuracy nor a rate
FARTHEST = 5.0  # times the highest sharpness: a limit above that leaves the chart, or sharpness would be flat


def sharpness_chart(
    sharpness: Sharpness,
    limits: Sequence[tuple[int, float]],
    *,
    limit: str,
    train_iter: int,
    translate: Translate = str,
) -> Figure:
    """Draw sharpness over the iterations, with a dashed line for its limit.

    limits: step and limit at each evaluation. limit: what the limit is called, such as 2/lr.
    """
    steps, heights = zip(*(limits[place] for place in evenly(len(limits))), strict=True)
    hover = f"{translate('step')} %{{x:,d}}<br>%{{y:.3~g}}"
    name = translate("sharpness")
    measured = line("sharpness", name, sharpness.steps, rounded(sharpness.values), COLOUR, width=2.2)
    measured |= {"mode": "lines+markers", "marker": {"size": 6}, "hovertemplate": f"{hover}<extra>{name}</extra>"}
    border = line(
        "limit", limit, steps, rounded(heights), NOTE, dash="dash", hovertemplate=f"{hover}<extra>{limit}</extra>"
    )
    highest = max(sharpness.values)
    near = [height for height in heights if height <= FARTHEST * highest]
    shown = np.array([*sharpness.values, *near])
    return {
        "data": [border, measured],
        "layout": {
            "margin": {"l": 52, "r": 14, "t": 36, "b": 40},
            "meta": {"narrow": {"margin": {"l": 42, "r": 8}}},
            "hovermode": "closest",
            "legend": legend(),
            "xaxis": axis(translate("iteration"), range=[0, train_iter], nticks=7),
            "yaxis": axis(name, range=five_steps(1.05 * shown, default=1.0), nticks=6),
        },
    }
