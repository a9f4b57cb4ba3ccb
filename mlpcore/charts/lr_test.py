"""The learning-rate test: the loss over the learning rate, the band of the seeds, and what each rule reads off it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlpcore.analysis.learning_rate.lr_test import LrTest
from mlpcore.analysis.learning_rate.lr_wording import TITLES
from mlpcore.analysis.learning_rate.suggestions import LrSuggestion, smooth_losses
from mlpcore.charts.annotations import legend
from mlpcore.charts.axes import axis, snug_range
from mlpcore.charts.downsampling import rounded
from mlpcore.charts.traces import LOSS, Figure, Json, Translate, band, faded, line, markers

MARKS: tuple[tuple[str, str], ...] = (("#0072B2", "circle"), ("#009E73", "diamond"), ("#CC79A7", "square"))
CEILING = 1.1  # times the first loss: what explodes leaves the chart at its top


def lr_test_chart(test: LrTest, suggestions: Sequence[LrSuggestion], *, translate: Translate = str) -> Figure:
    """Draw the loss over the learning rate: the seeds' mean, smoothed, with a mark where each rule reads off its rate.

    The band goes from the lowest seed to the highest, smoothed too; the losses as they were measured are behind it.
    """
    curves = _stack([smooth_losses(losses) for losses in test.losses])
    curves = curves[:, : sorted(map(len, test.losses))[len(curves) // 2]]  # a mean of few seeds would jump
    known = np.isfinite(curves)
    rates = test.rates[: curves.shape[1]]
    mean = np.where(known, curves, 0.0).sum(axis=0) / known.sum(axis=0)
    low, high = np.where(known, curves, np.inf).min(axis=0), np.where(known, curves, -np.inf).max(axis=0)
    hover = f"lr %{{x:.2~g}}<br>{translate('loss')} %{{y:.3f}}<extra></extra>"
    data = [
        _draw_measured(test, translate("each mini-batch")),
        band("band", rates, rounded(low), rounded(high), LOSS),
        line(
            "loss", translate("mean of the seeds, smoothed"), rates, rounded(mean), LOSS, hovertemplate=hover, width=2.4
        ),
    ]
    for (colour, symbol), suggestion in zip(MARKS, suggestions, strict=True):
        name, rate = translate(TITLES[suggestion.rule]), suggestion.rate
        place = [] if rate is None else [rate]
        heights = rounded([float(np.interp(np.log(x), np.log(rates), mean)) for x in place])
        look: Json = {"symbol": symbol, "size": 13, "color": colour, "line": {"width": 1.5, "color": "#FFFFFF"}}
        mark = markers(f"mark-{suggestion.rule.name.lower()}", place, heights, name=name, marker=look)
        data.append(mark | {"hovertemplate": f"lr %{{x:.2~g}}<extra>{name}</extra>"})
    ends = np.log10([test.rates[0], test.rates[-1]]).tolist()
    shown = np.minimum([low, high], CEILING * mean[0])
    layout: Json = {
        "margin": {"l": 48, "r": 14, "t": 40, "b": 44},
        "hovermode": "closest",
        "legend": legend(),
        "meta": {"narrow": {"margin": {"l": 40, "r": 8, "t": 84}}},
        "xaxis": axis(translate("learning rate"), type="log", range=ends, dtick=1) | {"tickformat": ".0~e"},
        "yaxis": axis(translate("mini-batch loss"), range=snug_range(shown, least=0.05, default=(0.0, 2.5)), nticks=6),
    }
    return {"data": data, "layout": layout}


def _stack(curves: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Stack curves as rows; NaN where a curve has ended before the longest."""
    stacked = np.full((len(curves), max(map(len, curves))), np.nan)
    for row, curve in zip(stacked, curves, strict=True):
        row[: len(curve)] = curve
    return stacked


def _draw_measured(test: LrTest, name: str) -> Json:
    """Draw the losses of all seeds in one trace, with a gap between two seeds."""
    x: list[float | None] = []
    y: list[float | None] = []
    for losses in test.losses:
        x += [*test.rates[: len(losses)], None]
        y += [*rounded(losses), None]
    look: Json = {"color": faded(LOSS, 0.25), "width": 1}
    trace: Json = {"uid": "measured", "type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "line": look}
    return trace | {"hoverinfo": "skip"}
