"""Accuracy over the learning rate, one line per row of a sweep: the band of the seeds, the best rate, what diverged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlpcore.analysis.sweeps.sensitivity import RateRange, RateResult
from mlpcore.charts.annotations import legend
from mlpcore.charts.axes import axis, five_steps, snug_range
from mlpcore.charts.downsampling import rounded
from mlpcore.charts.sweeps.points import empty_note
from mlpcore.charts.traces import Figure, Json, Translate, band, find_look, look_line, markers

DIVERGED = "#D62728"  # a red that none of the lines has


@dataclass(frozen=True)
class RateCurve:
    """One line: its name, what was measured at each rate, ascending, and the range of good rates."""

    label: str
    results: Sequence[RateResult]
    good: RateRange | None


def sensitivity_chart(
    curves: Sequence[RateCurve], rates: Sequence[float], *, by_steps: bool = False, translate: Translate = str
) -> Figure:
    """Draw the validation accuracy of each row over its learning rate, with a band from the worst seed to the best.

    Each row's best rate is a ring, and what diverged is a red cross at the bottom. A click names the trial: its number
    is the point's id.

    Args:
        rates: All rates of the sweep, so that the axis stays while it goes on.
        by_steps: Draw the steps to an accuracy instead.
    """
    data: list[Json] = []
    values = [_value(one, by_steps) for curve in curves for one in curve.results]
    known = np.array([value for value in values if value is not None], float)
    if by_steps:
        low, high = 0.0, 1.05 * snug_range(known, least=100, default=(0.0, 1000.0))[1]
    else:
        low, high = five_steps(known, default=0.5, may_rise=True)
    for place, curve in enumerate(curves):
        look = find_look(place)
        shown = [one for one in curve.results if _value(one, by_steps) is not None]
        if not by_steps and any(len(one.accuracies) > 1 for one in shown):
            data.append(_band(place, shown, look.colour))
        heights = rounded([_value(one, by_steps) or 0.0 for one in shown])
        trace = look_line(f"rates-{place}", curve.label, [one.lr for one in shown], heights, look)
        form = "%{y:,.0f}" if by_steps else "%{y:.1%}"
        trace |= {"mode": "lines+markers", "legendgroup": curve.label}
        trace["marker"] = {"size": 6, "symbol": look.symbol or "circle"}
        trace |= {"hovertemplate": f"lr %{{x:.3~g}} · {form}<extra>%{{fullData.name}}</extra>"}
        data.append(trace | {"ids": [str(one.trial) for one in shown]})
        if curve.good is not None and not by_steps:
            ring: Json = {"symbol": "circle-open", "size": 14, "color": look.colour, "line": {"width": 2}}
            best = rounded([curve.good.best.mean or 0.0])
            data.append(markers(f"best-{place}", [curve.good.best.lr], best, marker=ring, hoverinfo="skip"))
            data[-1] |= {"showlegend": False, "legendgroup": curve.label}
        lost = [one.lr for one in curve.results if _value(one, by_steps) is None]
        lost_trials = [str(one.trial) for one in curve.results if _value(one, by_steps) is None]
        cross: Json = {"symbol": "x", "size": 9, "color": look.colour if by_steps else DIVERGED}
        text = translate("never reached") if by_steps else translate("diverged")
        data.append(markers(f"lost-{place}", lost, [low] * len(lost), marker=cross, cliponaxis=False))
        data[-1] |= {"hovertemplate": f"lr %{{x:.3~g}} · {text}<extra>%{{fullData.name}}</extra>", "name": curve.label}
        data[-1] |= {"showlegend": False, "legendgroup": curve.label, "ids": lost_trials}
    ends = np.log10([min(rates), max(rates)])
    layout: Json = {
        "margin": {"l": 54, "r": 14, "t": 34, "b": 44},
        "hovermode": "closest",
        "legend": legend(),
        "showlegend": not by_steps,  # its colours are those of the chart beside it
        "annotations": [] if len(known) or (by_steps and values) else [empty_note(translate, waits=not values)],
        "xaxis": axis(translate("learning rate"), type="log", range=[ends[0] - 0.15, ends[1] + 0.15], dtick=1)
        | {"tickformat": ".0~e"},
        "yaxis": axis(translate("steps") if by_steps else translate("validation accuracy"), nticks=6)
        | {"range": [low, high], "tickformat": ",d" if by_steps else ".0%"},
    }
    return {"data": data, "layout": layout}


def _value(result: RateResult, by_steps: bool) -> float | None:
    return result.steps if by_steps else result.mean


def _band(place: int, shown: Sequence[RateResult], colour: str) -> Json:
    """Draw the range of the seeds' accuracies."""
    spans = [[value for value in one.accuracies if value is not None] for one in shown]
    rates = [one.lr for one in shown]
    return band(f"band-{place}", rates, rounded([*map(min, spans)]), rounded([*map(max, spans)]), colour)
