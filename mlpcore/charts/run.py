"""Records to figures: plain Plotly JSON, light enough to be built anew at every tick.

Every function returns `{"data": […], "layout": {…}}`, which `plotly.graph_objects.Figure` accepts as it is. Fonts, text
and grid are left open, so that whoever draws the figure lets the page's theme fill them in; the colours that carry
meaning are Okabe and Ito's. Steps count iterations done: the rate of step s is `rates[s - 1]`. Words shown to a person
pass through `translate`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlpcore.charts.axes import INTERVALS, axis, five_steps, loss_axis, rate_axis, snug_range
from mlpcore.charts.downsampling import corners, evenly, finite, peaks, rounded, smoothed
from mlpcore.numbers import short_number
from mlpcore.recipes.recipe import Change
from mlpcore.runs.records import Evaluation

Figure = dict[str, Any]
Translate = Callable[[str], str]

LOSS, ACCURACY, RATE = "#D55E00", "#0072B2", "#009E73"
NOTE, PALE = "#8A94A0", "#CFDBE6"  # marks and notes; the early end of a progress scale
NOTHING = {"x": [None], "y": [None]}  # a trace without any point leaves its axes without a place: Plotly draws NaN


def schedule_chart(
    rates: Sequence[float],
    *,
    batch_size: int,
    train_size: int,
    drops: Sequence[int] = (),
    log_lr: bool = False,
    translate: Translate = str,
) -> Figure:
    """Draw the learning rate of every step before a run, iterations below and epochs above.

    drops: the steps whose rate is the first lower one.
    """
    steps_per_epoch = train_size / batch_size
    kept = corners(rates)
    steps = kept + 1
    drops = [step for step in drops if 1 <= step <= len(rates)]
    hover = f"{translate('step')} %{{x:,d}} · {translate('epoch')} %{{customdata:.2f}}<br>lr %{{y:.3~g}}<extra></extra>"
    end = max(len(rates), 2)
    return {
        "data": [
            line("schedule", "lr", steps, rounded(np.asarray(rates, float)[kept]), RATE, width=2, hovertemplate=hover)
            | {"customdata": rounded(steps / steps_per_epoch)},
            {
                "uid": "drops",
                "type": "scatter",
                "mode": "markers",
                "name": translate("drop"),
                "x": drops,
                "y": rounded([rates[step - 1] for step in drops]),
                "customdata": rounded([step / steps_per_epoch for step in drops]),
                "marker": {"color": RATE, "size": 7, "symbol": "circle"},
                "hovertemplate": hover,
            },
            {"uid": "epochs", "type": "scatter", "x": [None], "y": [None], "xaxis": "x2", "hoverinfo": "skip"},
        ],
        "layout": {
            "margin": {"l": 56, "r": 14, "t": 30, "b": 34},
            "meta": {"still": True},
            "showlegend": False,
            "hovermode": "closest",
            "hoverdistance": -1,
            "xaxis": axis(translate("iteration"), range=[0, end], nticks=6, tickformat=",d", fixedrange=True)
            | {"title": {"text": translate("iteration"), "standoff": 2}, "hoverformat": ",d"},
            "xaxis2": axis(range=[0, end / steps_per_epoch], nticks=6, fixedrange=True, showgrid=False)
            | {"overlaying": "x", "side": "top", "tickmode": "auto"},
            "yaxis": rate_axis([rates], log=log_lr, title="lr"),
            "annotations": [
                note(translate("epoch"), x=1, y=1, xref="paper", yref="paper", xanchor="right", yshift=-1)
                | {"yanchor": "top"}
            ],
        },
    }


def run_chart(
    evaluations: Sequence[Evaluation],
    *,
    planned_rates: Sequence[float],
    train_iter: int,
    steps_per_epoch: float,
    changes: Sequence[Change] = (),
    log_loss: bool = False,
    log_lr: bool = False,
    smoothing: float = 0.0,
    is_over: bool = False,
    translate: Translate = str,
) -> Figure:
    """Draw train loss against test accuracy over the steps, and below them the rate as planned and as followed.

    planned_rates: one rate a step, of the recipe with its changes so far. smoothing: 0 for none, up to below 1, the
    share of the last smoothed value carried into the next; the raw trace stays, paler, beneath. is_over: whether no
    further point will come.
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing is {smoothing}: it must be at least 0 and below 1")
    steps = np.array([evaluation.step for evaluation in evaluations], int)
    losses = finite([evaluation.train_loss for evaluation in evaluations])
    accuracies = finite([evaluation.test_acc for evaluation in evaluations])
    planned = np.asarray(planned_rates, float)
    followed_steps, followed = _followed(evaluations, planned, changes)
    kept = corners(planned)

    accuracy_range = five_steps(accuracies, default=0.5, may_rise=True)
    layout = {
        "margin": {"l": 54, "r": 60, "t": 42, "b": 40},
        # the legend and the coloured ticks say what the titles do
        "meta": {"narrow": {"margin": {"l": 34, "r": 38}} | {key: {"title": None} for key in ("yaxis", "yaxis2")}},
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "legend": legend(xanchor="left", itemdoubleclick=False),
        "xaxis": axis(translate("iteration"), range=[0, train_iter], nticks=7, tickformat=",d", anchor="y3")
        | {"spikethickness": 1, "spikedash": "solid", "spikecolor": NOTE}
        | {"unifiedhovertitle": {"text": f"{translate('step')} %{{x:,d}}"}},
        "yaxis": axis(translate("train loss"), domain=[0.32, 1], color=LOSS) | loss_axis(losses, log=log_loss),
        "yaxis2": axis(translate("test accuracy"), range=accuracy_range, nticks=INTERVALS + 1, color=ACCURACY)
        | {"overlaying": "y", "side": "right", "tickmode": "auto", "tickformat": ".0%", "showgrid": False},
        "yaxis3": rate_axis([planned, followed], log=log_lr, most=3, color=RATE) | {"domain": [0, 0.2]},
        **_marks(changes, train_iter),
    }
    layout["annotations"].append(
        note(translate("lr (dotted: as planned)"), x=0, y=0.2, xref="paper", yref="paper", xanchor="left")
        | {"yanchor": "bottom", "font": {"color": RATE, "size": 11}}
    )
    if not evaluations and not is_over:
        layout["annotations"].append(waiting(translate, y=0.66))
    data = []
    for uid, name, values, colour, panel, form in (
        ("loss", translate("train loss"), losses, LOSS, "y", ".3f"),
        ("accuracy", translate("test accuracy"), accuracies, ACCURACY, "y2", ".1%"),
    ):
        shown = peaks(values)
        raw = line(uid, name, steps[shown], rounded(values[shown]), colour, yaxis=panel)
        raw |= {"hovertemplate": f"%{{y:{form}}}", "legendgroup": uid}
        if not len(shown):
            raw |= NOTHING  # without a point there would be no legend either, and its place would move
        if uid == "loss":
            raw["customdata"] = rounded(steps[shown] / steps_per_epoch)
            raw["hovertemplate"] += f"  ·  {translate('epoch')} %{{customdata:.2f}}"
        data.append(raw)
        if smoothing:
            raw |= {"opacity": 0.4, "showlegend": False}
            smooth = smoothed(values, smoothing)[shown]
            data.append(
                line(f"{uid}-smooth", name, steps[shown], rounded(smooth), colour, yaxis=panel, width=2.5)
                | {"legendgroup": uid, "hoverinfo": "skip"}
            )
    data.append(
        line("planned", translate("lr, planned"), kept + 1, rounded(planned[kept]), RATE, yaxis="y3", dash="dot")
        | {"hovertemplate": "%{y:.3~g}", "showlegend": False}
    )
    data.append(
        line("followed", translate("lr"), followed_steps, rounded(followed), RATE, yaxis="y3", width=2.4)
        | {"hovertemplate": "%{y:.3~g}", "showlegend": False}
    )
    return {"data": data, "layout": layout}


def path_chart(evaluations: Sequence[Evaluation], *, train_iter: int, translate: Translate = str) -> Figure:
    """Draw the run's way through the plane of train loss (falling to the right) and test accuracy (rising).

    The colour deepens from the first step to `train_iter`; the newest point is the large one.
    """
    shown = evenly(len(evaluations))
    steps = [evaluations[i].step for i in shown]
    losses = finite([evaluations[i].train_loss for i in shown])
    accuracies = finite([evaluations[i].test_acc for i in shown])
    low_loss, high_loss = snug_range(losses, least=0.5, default=(0.0, 2.5))
    low_accuracy, high_accuracy = snug_range(accuracies, least=0.1, default=(0.0, 0.5), most=1.0)
    hover = f"{translate('step')} %{{customdata:,d}}<br>{translate('train loss')} %{{x:.3f}}<br>"
    hover += f"{translate('test accuracy')} %{{y:.1%}}<extra></extra>"
    x, y = rounded(losses), rounded(accuracies)
    points = {"type": "scatter", "hovertemplate": hover, "cliponaxis": False}
    progress = {"color": steps, "cmin": 0, "cmax": train_iter, "colorscale": [[0, PALE], [1, ACCURACY]], "size": 6}
    last = slice(len(x) - 1, len(x)) if x else slice(0)
    return {
        "data": [
            line("way", "", [], [], NOTE, width=1) | {"x": x, "y": y, "opacity": 0.5, "hoverinfo": "skip"},
            points | {"uid": "points", "mode": "markers", "x": x, "y": y, "customdata": steps, "marker": progress},
            points
            | {"uid": "newest", "mode": "markers", "x": x[last], "y": y[last], "customdata": steps[last]}
            | {"marker": {"size": 10, "color": ACCURACY, "line": {"width": 2, "color": LOSS}}},
        ],
        "layout": {
            "margin": {"l": 56, "r": 16, "t": 42, "b": 40},
            "showlegend": False,
            "hovermode": "closest",
            "xaxis": axis(translate("train loss, falling →"), range=[high_loss, low_loss], nticks=6),
            "yaxis": axis(translate("test accuracy"), range=[low_accuracy, high_accuracy], nticks=6)
            | {"tickformat": ".0%"},
            "annotations": [],
        },
    }


def _followed(
    evaluations: Sequence[Evaluation], planned: np.ndarray, changes: Sequence[Change]
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the recorded rates; where two that follow each other agree with the plan, with the plan's corners between.

    Where they do not, a change of lr lies between them, and the rate jumps there.
    """
    if not evaluations:
        return np.array([], int), np.array([])
    steps = np.array([0, *(evaluation.step for evaluation in evaluations)])
    rates = np.array([evaluations[0].lr, *(evaluation.lr for evaluation in evaluations)])
    points = dict(zip(steps[1:].tolist(), rates[1:].tolist(), strict=True))
    for change in changes:
        after = int(np.searchsorted(steps, change.step, side="right"))
        if change.lr is not None and after < len(steps):
            points |= {change.step: float(rates[after - 1]), change.step + 1: float(rates[after])}
    if len(planned):
        agrees = np.isclose(planned[np.clip(steps - 1, 0, len(planned) - 1)], rates, rtol=1e-6, atol=0)
        agrees[0] = True  # nothing was recorded before the first evaluation
        corner = corners(planned) + 1
        corner = corner[corner <= steps[-1]]
        segment = np.searchsorted(steps, corner)  # the evaluation at or after each corner
        corner = corner[agrees[segment] & agrees[segment - 1]]
        points |= dict(zip(corner.tolist(), planned[corner - 1].tolist(), strict=True))
    every = np.array(sorted(points))
    values = np.array([points[step] for step in every.tolist()])
    kept = corners(values)
    return every[kept], values[kept]


def line(
    uid: str, name: str, x: Any, y: Any, colour: str, *, width: float = 1.8, dash: str = "solid", **rest: Any
) -> dict[str, Any]:
    """Build a line trace; `uid` keeps its identity while its data move."""
    x = np.asarray(x).tolist()
    return {
        "uid": uid,
        "type": "scatter",
        "mode": "lines+markers" if len(x) == 1 else "lines",  # a line through one point is invisible
        "name": name,
        "x": x,
        "y": y,
        "line": {"color": colour, "width": width, "dash": dash},
        **rest,
    }


def _marks(changes: Sequence[Change], train_iter: int) -> dict[str, Any]:
    """Mark each change by a line through both panels, its label beside it in the first row that has room."""
    shapes, notes = [], []
    rows = [-1.0] * 5  # how far each row is taken, as a share of the width
    for change in changes:
        label = ", ".join(f"{knob} → {short_number(value)}" for knob, value in change.values.items())
        place, width = change.step / train_iter, 0.02 * len(label)  # at 11 px on a phone, the narrowest there is
        side, start = ("left", place) if place + width < 1 else ("right", place - width)
        row = next((row for row, taken in enumerate(rows) if taken <= start), 0)
        rows[row] = start + width
        shapes.append(step_line(change.step))
        notes.append(
            note(label, x=change.step, y=1, xref="x", yref="paper", xanchor=side)
            | {"yanchor": "top", "yshift": -14 * row, "xshift": 3 if side == "left" else -3}
        )
    return {"shapes": shapes, "annotations": notes}


def step_line(step: int) -> dict[str, Any]:
    """Build the dashed line that marks a step in every panel."""
    line_through = {"type": "line", "xref": "x", "yref": "paper", "x0": step, "x1": step, "y0": 0, "y1": 1}
    return line_through | {"line": {"color": NOTE, "width": 1, "dash": "dash"}, "layer": "below"}


def note(text: str, **place: Any) -> dict[str, Any]:
    """Build a small text without an arrow."""
    return {"text": text, "showarrow": False, "font": {"size": 11}, **place}


def waiting(translate: Translate, *, y: float = 0.5) -> dict[str, Any]:
    """Build the note that stands where the curves of a run will be."""
    text = translate("The curves appear here as the run goes on.")
    place = {"x": 0.5, "y": y, "xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "middle"}
    return note(text, **place) | {"font": {"color": NOTE, "size": 13}}


def legend(**rest: Any) -> dict[str, Any]:
    """Build a legend in a row above the figure, without a ground of its own."""
    row = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "itemwidth": 30, "bgcolor": "rgba(0,0,0,0)"}
    return row | rest


def faded(colour: str, opacity: float) -> str:
    """Turn a colour, #RRGGBB, into the same with an opacity."""
    red, green, blue = bytes.fromhex(colour[1:])
    return f"rgba({red},{green},{blue},{opacity})"
