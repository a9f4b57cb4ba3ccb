"""The learning rate of every step before a run: the playground's preview, and a small chart of the same."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlpcore.charts.annotations import paper_note
from mlpcore.charts.axes import axis, rate_axis
from mlpcore.charts.downsampling import corners, rounded
from mlpcore.charts.traces import RATE, Figure, Json, Translate, line, markers


def schedule_chart(
    rates: Sequence[float],
    *,
    batch_size: int,
    train_size: int,
    drops: Sequence[int] = (),
    log_lr: bool = False,
    translate: Translate = str,
) -> Figure:
    """Draw the learning rate over iterations, with epochs above.

    rates: that of step s is `rates[s - 1]`. drops: the steps whose rate is the first lower one.
    """
    steps_per_epoch = train_size / batch_size
    kept = corners(rates)
    drops = [step for step in drops if 1 <= step <= len(rates)]
    hover = f"{translate('step')} %{{x:,d}} · {translate('epoch')} %{{customdata:.2f}}<br>lr %{{y:.3~g}}<extra></extra>"
    marked = markers("drops", drops, rounded([rates[step - 1] for step in drops]), name=translate("drop"))
    marked |= {"marker": {"color": RATE, "size": 7, "symbol": "circle"}, "hovertemplate": hover}
    layout = _layout(rates, translate, {"l": 56, "r": 14, "t": 30, "b": 34})
    layout["xaxis"]["title"]["standoff"] = 2
    layout["xaxis"]["hoverformat"] = ",d"
    end = layout["xaxis"]["range"][1]
    return {
        "data": [
            _rate_line(rates, kept) | {"hovertemplate": hover, "customdata": rounded((kept + 1) / steps_per_epoch)},
            marked | {"customdata": rounded([step / steps_per_epoch for step in drops])},
            {"uid": "epochs", "type": "scatter", "x": [None], "y": [None], "xaxis": "x2", "hoverinfo": "skip"},
        ],
        "layout": layout
        | {
            "xaxis2": axis(range=[0, end / steps_per_epoch], nticks=6, fixedrange=True, showgrid=False)
            | {"overlaying": "x", "side": "top", "tickmode": "auto"},
            "yaxis": rate_axis([rates], log=log_lr, title="lr"),
            "annotations": [paper_note(translate("epoch"), 1, 1, "right", "top") | {"yshift": -1}],
        },
    }


def small_schedule_chart(rates: Sequence[float], *, top: float, translate: Translate = str) -> Figure:
    """Draw the learning rate on a scale that ends at `top`, so that several charts stand side by side."""
    hover = f"{translate('iteration')} %{{x:,d}}<br>lr %{{y:.3~g}}<extra></extra>"
    return {
        "data": [_rate_line(rates, corners(rates)) | {"hovertemplate": hover}],
        "layout": _layout(rates, translate, {"l": 46, "r": 12, "t": 8, "b": 38})
        | {"dragmode": False, "yaxis": rate_axis([[top]], log=False, title="lr")},
    }


def _layout(rates: Sequence[float], translate: Translate, margin: dict[str, int]) -> Json:
    return {
        "margin": margin,
        "meta": {"still": True},
        "showlegend": False,
        "hovermode": "closest",
        "hoverdistance": -1,
        "xaxis": axis(translate("iteration"), range=[0, max(len(rates), 2)], nticks=6, fixedrange=True)
        | {"tickformat": ",d"},
    }


def _rate_line(rates: Sequence[float], kept: Any) -> Json:
    return line("schedule", "lr", kept + 1, rounded(np.asarray(rates, float)[kept]), RATE, width=2)
