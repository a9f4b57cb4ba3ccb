"""The charts of one run: losses and accuracies over the steps with the learning rate below, and its path.

The path leads through the plane of mini-batch loss and test accuracy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlpcore.analysis.diagnoses.schedule_checks import Reduction
from mlpcore.charts.annotations import legend, note, paper_note, vertical_line, waiting_note
from mlpcore.charts.axes import INTERVALS, axis, five_steps, loss_axis, rate_axis, snug_range
from mlpcore.charts.downsampling import corners, evenly, finite, peaks, rounded, smoothed
from mlpcore.charts.measures import MEASURES, USUAL, Measure
from mlpcore.charts.schedule import mark_reductions, name_followed_loss, trace_rates
from mlpcore.charts.traces import ACCURACY, LOSS, NOTE, PALE, RATE, Figure, Json, Translate, data_line, line, markers
from mlpcore.numbers import short_number
from mlpcore.recipes.recipe import Change
from mlpcore.runs.records import Evaluation

Array = NDArray[Any]
PICK_STEP = "x"  # of a trace whose points can be clicked: live_plot.js tells at which step
MAX_ROWS = 5  # of labels of changes
CLOSE = 0.02  # of a run's steps, between two changes of the same hyperparameters that share a label
MAX_MARKERS = 60  # evaluations; more markers would hide the curve


@dataclass(frozen=True)
class Ghost:
    """An earlier run drawn in grey under the curves of the shown one: its name in labels, its title in the legend."""

    evaluations: Sequence[Evaluation]
    name: str
    title: str


def run_chart(
    evaluations: Sequence[Evaluation],
    *,
    planned_rates: Sequence[float],
    train_iter: int,
    steps_per_epoch: float,
    changes: Sequence[Change] = (),
    reductions: Sequence[Reduction] = (),
    measures: Sequence[str] = USUAL,
    ghost: Ghost | None = None,
    last_losses: Sequence[float] = (),
    diverged_at: int | None = None,
    log_loss: bool = False,
    log_lr: bool = False,
    smoothing: float = 0.0,
    is_over: bool = False,
    translate: Translate = str,
) -> Figure:
    """Draw losses against accuracies over the steps, and below them the planned and the recorded rate.

    Args:
        evaluations: The run's, in order.
        planned_rates: One rate per step, of the recipe with its changes so far; those that losses decide are left out.
        reductions: The drops that losses have caused.
        measures: What is drawn, of the keys of MEASURES.
        last_losses: Of a run that diverged at step `diverged_at`: those of the mini-batches before it. Without any
            evaluation, the axes fit these.
        smoothing: 0 for none, up to below 1: the share of the last smoothed value carried into the next. The raw
            curve stays visible below the smoothed one, paler.
        is_over: Whether no further evaluation will come.

    Raises:
        ValueError: If smoothing is out of range.
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing is {smoothing}: it must be at least 0 and below 1")
    steps = np.array([evaluation.step for evaluation in evaluations], int)
    planned = np.asarray(planned_rates, float)
    reductions = [drop for drop in reductions if len(steps) and drop.step >= steps[0]]  # a fork's curves begin late
    recorded_steps, recorded = trace_rates(evaluations, planned, changes, reductions)
    shown = {name: MEASURES[name] for name in MEASURES if name in measures}
    data = _draw_ghost(ghost, shown, translate) if ghost else []
    for place, (name, measure) in enumerate(shown.items()):
        curve = _curve(measure, translate(measure.name), steps, _read(evaluations, name), smoothing)
        if place == 0:
            curve[0]["customdata"] = rounded(steps[peaks(_read(evaluations, name))] / steps_per_epoch)
            curve[0]["hovertemplate"] += f"  ·  {translate('epoch')} %{{customdata:.2f}}"
        data += curve
    strip: Json = {"yaxis": "y3", "hovertemplate": "%{y:.3~g}", "showlegend": False}
    kept = corners(planned)
    planned_name = translate("lr, planned")
    data.append(line("planned", planned_name, kept + 1, rounded(planned[kept]), RATE, dash="dot", **strip))
    data.append(line("followed", translate("lr"), recorded_steps, rounded(recorded), RATE, width=2.4, **strip))
    effective = [(one.step, one.effective_lr) for one in evaluations if one.effective_lr is not None]
    shown_rates: list[ArrayLike] = [planned, recorded, [rate for _step, rate in effective]]
    if effective:
        steps_shown, values = zip(*(effective[place] for place in evenly(len(effective))), strict=True)
        name = translate("lr, effective")
        data.append(line("effective", name, steps_shown, rounded(values), RATE, dash="dash", **strip))

    if reductions:
        data.append(strip | mark_reductions(reductions, name_followed_loss(evaluations[0], translate)))

    last_steps = np.arange(len(last_losses)) + (diverged_at or 0) - len(last_losses)
    if len(last_losses):
        name = translate("loss of each mini-batch")
        data.append(
            line("last-losses", name, last_steps, rounded(last_losses), LOSS, width=1.2, hovertemplate="%{y:.4~g}")
        )
    is_short = not evaluations and len(last_losses) > 0  # then its losses grow by powers of ten in a few steps
    end = max(diverged_at or 0, 10) if is_short else train_iter
    log_loss = log_loss or is_short
    every = [*evaluations, *(ghost.evaluations if ghost else ())]
    losses, accuracies = (
        np.concatenate([[np.nan], *(_read(every, name) for name, one in shown.items() if one.is_loss is is_loss)])
        for is_loss in (True, False)
    )
    losses = np.concatenate([losses, finite(last_losses)])
    titles = _name_axes(shown, translate)
    layout = {
        "margin": {"l": 54, "r": 60, "t": 42, "b": 40},
        # the legend and the coloured ticks say what the titles do
        "meta": {"narrow": {"margin": {"l": 34, "r": 38}} | {key: {"title": None} for key in ("yaxis", "yaxis2")}},
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "legend": legend(xanchor="left", itemdoubleclick=False),
        "xaxis": axis(translate("iteration"), range=[0, end], nticks=7, tickformat=",d", anchor="y3")
        | {"spikethickness": 1, "spikedash": "solid", "spikecolor": NOTE}
        | {"unifiedhovertitle": {"text": f"{translate('step')} %{{x:,d}}"}},
        "yaxis": axis(titles[0], domain=[0.32, 1], color=LOSS) | loss_axis(losses, log=log_loss),
        "yaxis2": axis(titles[1], nticks=INTERVALS + 1, color=ACCURACY)
        | {"range": five_steps(accuracies, default=0.5, may_rise=True), "tickformat": ".0%", "tickmode": "auto"}
        | {"overlaying": "y", "side": "right", "showgrid": False},
        "yaxis3": rate_axis(shown_rates, log=log_lr, most=3, color=RATE) | {"domain": [0, 0.2]},
        **_mark_changes(changes, train_iter),
    }
    about = translate("lr (dotted: as planned)")
    if effective:
        about = translate("lr (dotted: as planned; dashed: what the optimizer makes of it)")
    if reductions:
        about = translate("lr (▼: the {loss} had stopped falling)")
        about = about.format(loss=name_followed_loss(evaluations[0], translate))
    layout["annotations"].append(paper_note(about, 0, 0.2) | {"font": {"color": RATE, "size": 11}})
    if not log_loss:
        own = {name: _read(evaluations, name) for name, one in shown.items() if one.is_loss}
        points = [(step, loss) for values in own.values() for step, loss in zip(steps, values, strict=True)]
        points += zip(last_steps, last_losses, strict=True)
        layout["annotations"] += _note_spike(points, layout["yaxis"]["range"][1])
    if not evaluations and not is_over and ghost is None:
        layout["annotations"].append(waiting_note(translate, y=0.66))
    return {"data": data, "layout": layout}


def path_chart(evaluations: Sequence[Evaluation], *, train_iter: int, translate: Translate = str) -> Figure:
    """Draw the run's path through the plane of mini-batch loss (falling to the right) and test accuracy (rising).

    The colour deepens from the first step to `train_iter`; the latest evaluation is the large dot.
    """
    shown = evenly(len(evaluations))
    steps = [evaluations[i].step for i in shown]
    losses = finite([evaluations[i].train_loss for i in shown])
    accuracies = finite([evaluations[i].test_acc for i in shown])
    low_loss, high_loss = snug_range(losses, least=0.5, default=(0.0, 2.5))
    low_accuracy, high_accuracy = snug_range(accuracies, least=0.1, default=(0.0, 0.5), most=1.0)
    hover = f"{translate('step')} %{{customdata:,d}}<br>{translate('mini-batch loss')} %{{x:.3f}}<br>"
    hover += f"{translate('test accuracy')} %{{y:.1%}}<extra></extra>"
    x, y = rounded(losses), rounded(accuracies)
    look: Json = {"hovertemplate": hover, "cliponaxis": False}
    progress = {"color": steps, "cmin": 0, "cmax": train_iter, "colorscale": [[0, PALE], [1, ACCURACY]], "size": 6}
    newest = {"size": 10, "color": ACCURACY, "line": {"width": 2, "color": LOSS}}
    last = slice(-1, None)
    return {
        "data": [
            line("way", "", [], [], NOTE, width=1) | {"x": x, "y": y, "opacity": 0.5, "hoverinfo": "skip"},
            markers("points", x, y, customdata=steps, marker=progress, **look),
            markers("newest", x[last], y[last], customdata=steps[last], marker=newest, **look),
        ],
        "layout": {
            "margin": {"l": 56, "r": 16, "t": 42, "b": 40},
            "showlegend": False,
            "hovermode": "closest",
            "xaxis": axis(translate("mini-batch loss, falling →"), range=[high_loss, low_loss], nticks=6),
            "yaxis": axis(translate("test accuracy"), range=[low_accuracy, high_accuracy], nticks=6)
            | {"tickformat": ".0%"},
            "annotations": [],
        },
    }


def _read(evaluations: Sequence[Evaluation], name: str) -> Array:
    return finite([getattr(evaluation, name) for evaluation in evaluations])


def _name_axes(shown: Mapping[str, Measure], translate: Translate) -> list[str]:
    """Name the axes of losses and of accuracies after their only curve, else after what their curves have in common."""
    common = translate("loss"), translate("accuracy")
    names = [[one.name for one in shown.values() if one.is_loss is is_loss] for is_loss in (True, False)]
    return [translate(own[0]) if len(own) == 1 else title for own, title in zip(names, common, strict=True)]


def _curve(measure: Measure, name: str, steps: Array, values: Array, smoothing: float) -> list[Json]:
    """Draw a measure and, over it, its smoothed curve."""
    shown = peaks(values)
    raw = _draw_measure(measure, measure.uid, name, steps[shown], rounded(values[shown]), measure.colour)
    raw |= {"legendgroup": measure.uid, "meta": PICK_STEP}
    if not smoothing:
        return [raw]
    smooth = rounded(smoothed(values, smoothing)[shown])
    axes = {"yaxis": raw["yaxis"], "dash": measure.dash}
    over = line(f"{measure.uid}-smooth", name, steps[shown], smooth, measure.colour, width=2.5, **axes)
    return [raw | {"opacity": 0.4, "showlegend": False}, over | {"legendgroup": measure.uid, "hoverinfo": "skip"}]


def _draw_measure(measure: Measure, uid: str, name: str, steps: Array, values: list[float | None], colour: str) -> Json:
    panel, form = ("y", ".3f") if measure.is_loss else ("y2", ".1%")
    trace = data_line(uid, name, steps, values, colour, dash=measure.dash, yaxis=panel)
    if measure.symbol and len(steps) <= MAX_MARKERS:
        trace |= {"mode": "lines+markers", "marker": {"symbol": measure.symbol, "size": 5}}
    return trace | {"hovertemplate": f"%{{y:{form}}}"}


def _draw_ghost(ghost: Ghost, shown: Mapping[str, Measure], translate: Translate) -> list[Json]:
    """Draw the same measures of an earlier run in grey, with one entry for all of them in the legend."""
    group = {"legendgroup": "ghost"}
    data = [line("ghost", ghost.title, [], [], NOTE, width=1.4) | {"x": [None], "y": [None]} | group]
    steps = np.array([evaluation.step for evaluation in ghost.evaluations], int)
    for name, measure in shown.items():
        values = _read(ghost.evaluations, name)
        kept = peaks(values)
        called = f"{translate(measure.name)}, {ghost.name}"
        trace = _draw_measure(measure, f"ghost-{measure.uid}", called, steps[kept], rounded(values[kept]), NOTE)
        data.append(trace | group | {"showlegend": False, "opacity": 0.75})
    return data


def _note_spike(points: Sequence[tuple[int, float]], top: float) -> list[Json]:
    """Write the highest loss at the top of its axis where it lies above it."""
    peak = max(((loss, step) for step, loss in points if loss > top), default=None)
    if peak is None:
        return []
    place = {"x": int(peak[1]), "y": top, "xref": "x", "yref": "y", "xanchor": "right", "yanchor": "top"}
    return [note(f"↑ {short_number(float(peak[0]))}", **place) | {"font": {"color": LOSS, "size": 11}}]


def _mark_changes(changes: Sequence[Change], train_iter: int) -> Json:
    """Mark each change by a line through both panels, its label beside it in the first row that has room."""
    notes = []
    rows = [-1.0] * MAX_ROWS  # how far each row is taken, as a share of the width
    passing = {  # of a slider on its way, of which only the last value has a label
        change.step
        for change, following in pairwise(changes)
        if following.values.keys() == change.values.keys() and following.step - change.step < CLOSE * train_iter
    }
    for change in changes:
        if change.step in passing:
            continue
        label = ", ".join(f"{name} → {short_number(value)}" for name, value in change.values.items())
        place, width = change.step / train_iter, 0.02 * len(label)  # at 11 px on a phone, the narrowest there is
        side, start = ("left", place) if place + width < 1 else ("right", place - width)
        row = next((row for row, taken in enumerate(rows) if taken <= start), 0)
        rows[row] = start + width
        notes.append(
            note(label, x=change.step, y=1, xref="x", yref="paper", xanchor=side)
            | {"yanchor": "top", "yshift": -14 * row, "xshift": 3 if side == "left" else -3}
        )
    return {"shapes": [vertical_line(change.step) for change in changes], "annotations": notes}
