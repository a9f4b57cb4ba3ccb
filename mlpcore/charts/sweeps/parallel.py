"""Parallel coordinates: a line per trial through the values of its hyperparameters to its accuracy."""

from collections.abc import Sequence

import numpy as np

from mlpcore.charts.annotations import legend
from mlpcore.charts.axes import axis, snug_range
from mlpcore.charts.downsampling import rounded
from mlpcore.charts.sweeps.points import Scale, TrialPoint, empty_note, write_value
from mlpcore.charts.traces import ACCURACY, LOSS, NOTE, NOTHING, Figure, Json, Translate, faded

LACKING = -0.12  # the height at which a trial passes a hyperparameter that it does not have
ROOM = 0.06  # above the axes and below them
MOST = 6  # ticks of each axis
GREY = "#808080"

Known = Sequence[tuple[TrialPoint, float]]


def parallel_chart(
    trials: Sequence[TrialPoint],
    scales: Sequence[Scale],
    *,
    best: int,
    chosen: int | None = None,
    translate: Translate = str,
) -> Figure:
    """Draw a line per trial that has an accuracy: the `best` of them thick and in colour, the others thin and grey.

    A trial passes below the axes of hyperparameters that it does not have. A click names the trial: its number is the
    point's id.

    chosen: The number of a trial that stands out.
    """
    known = [(one, one.accuracy) for one in trials if one.accuracy is not None]
    ranked = sorted(known, key=lambda one: one[1], reverse=True)
    low, high = snug_range(np.array([value for _, value in known]), least=0.01, default=(0.0, 0.5), most=1.0)
    opacity = float(max(0.25, 0.9 / max(len(known), 1) ** 0.25))  # of many lines less, so that they stay apart
    groups: list[tuple[str, str, Known, Json]] = [
        ("others", translate("others"), ranked[best:], {"width": 1, "color": faded(GREY, opacity)}),
        ("good", translate("best {count}").format(count=best), ranked[1:best], {"width": 2, "color": ACCURACY}),
        ("best", translate("best"), ranked[:1], {"width": 4, "color": ACCURACY}),
        ("chosen", translate("chosen"), [one for one in known if one[0].number == chosen], {"width": 3, "color": LOSS}),
    ]
    last = len(scales)
    bottom = LACKING if any(one.name not in trial.values for trial, _ in known for one in scales) else 0.0
    ticks = [(place, write_value(at), one.share(at)) for place, one in enumerate(scales) for at in one.list_ticks(MOST)]
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2) if (high - low) / step < MOST + 0.5)
    ticks += [(last, f"{at:.0%}", (at - low) / (high - low)) for at in np.arange(low, high + step / 2, step).tolist()]
    ticks += [(place, "—", LACKING) for place in range(last) if bottom]
    layout: Json = {
        "margin": {"l": 20, "r": 20, "t": 34, "b": 34},
        "hovermode": "closest",
        "legend": legend(traceorder="reversed"),
        "annotations": [_write_tick(*tick) for tick in ticks] if known else [empty_note(translate)],
        "shapes": [_upright(place) for place in range(last + 1)],
        "xaxis": axis(showgrid=False, showline=False, range=[-0.35, last + 0.35], tickvals=list(range(last + 1)))
        | {"ticktext": [*(one.name for one in scales), translate("accuracy")]},
        "yaxis": axis(visible=False, range=[bottom - ROOM, 1 + ROOM], fixedrange=True),
    }
    return {"data": [_lines(*group, scales, (low, high)) for group in groups], "layout": layout}


def _lines(uid: str, name: str, members: Known, look: Json, scales: Sequence[Scale], ends: tuple[float, float]) -> Json:
    """Draw trials as one trace, with a gap after each. ends: of the axis of accuracies."""
    x: list[int | None] = []
    y: list[float | None] = []
    ids: list[str] = []
    texts: list[str] = []
    low, high = ends
    for trial, accuracy in members:
        heights = [one.share(trial.values[one.name]) if one.name in trial.values else LACKING for one in scales]
        x += [*range(len(scales) + 1), None]
        y += [*rounded([*heights, (accuracy - low) / (high - low)]), None]
        ids += [str(trial.number)] * (len(scales) + 2)
        texts += [f"{trial.number + 1}: {accuracy:.1%}"] * (len(scales) + 2)
    trace: Json = {
        "uid": uid,
        "name": name,
        "type": "scatter",
        "mode": "lines",
        "line": look,
        "text": texts,
        "ids": ids,
    }
    trace |= {"hovertemplate": "%{text}<extra></extra>", "showlegend": bool(members)}
    return trace | ({"x": x, "y": y} if members else NOTHING)


def _write_tick(place: int, text: str, height: float) -> Json:
    """Write a tick at the left of an axis, legible over lines."""
    side: Json = {"showarrow": False, "xanchor": "right", "xshift": -3, "font": {"size": 11, "shadow": "auto"}}
    return {"x": place, "y": height, "text": text, **side}


def _upright(place: int) -> Json:
    ends: Json = {"type": "line", "x0": place, "x1": place, "y0": 0, "y1": 1}
    return ends | {"line": {"color": NOTE, "width": 1}, "layer": "below"}
