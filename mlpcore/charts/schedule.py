"""The learning rate of every step: before a run in the playground's preview and a small chart, and as recorded."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlpcore.analysis.diagnoses.schedule_checks import Reduction, find_reductions
from mlpcore.charts.annotations import paper_note
from mlpcore.charts.axes import INTERVALS, axis, five_steps, rate_axis
from mlpcore.charts.downsampling import corners, evenly, rounded
from mlpcore.charts.traces import LOSS, RATE, Figure, Json, Translate, line, markers
from mlpcore.recipes.recipe import Change
from mlpcore.runs.records import Evaluation, Run

Array = NDArray[Any]


def schedule_chart(
    rates: Sequence[float],
    *,
    batch_size: int,
    train_size: int,
    train_iter: int | None = None,
    drops: Sequence[int] = (),
    last_run: Run | None = None,
    log_lr: bool = False,
    translate: Translate = str,
) -> Figure:
    """Draw the learning rate over iterations, with epochs above.

    Args:
        rates: That of step s is `rates[s - 1]`.
        train_iter: Iterations of the run, if it has more than there are rates before it is trained.
        drops: The steps whose rate is the first lower one.
        last_run: A run of the recipe, whose rates are drawn dashed from where `rates` end.
    """
    steps_per_epoch = train_size / batch_size
    kept = corners(rates)
    drops = [step for step in drops if 1 <= step <= len(rates)]
    hover = f"{translate('step')} %{{x:,d}} · {translate('epoch')} %{{customdata:.2f}}<br>lr %{{y:.3~g}}<extra></extra>"
    marked = markers("drops", drops, rounded([rates[step - 1] for step in drops]), name=translate("drop"))
    marked |= {"marker": {"color": RATE, "size": 7, "symbol": "circle"}, "hovertemplate": hover}
    layout = _layout(train_iter or len(rates), translate, {"l": 56, "r": 14, "t": 30, "b": 34})
    layout["xaxis"]["title"]["standoff"] = 2
    layout["xaxis"]["hoverformat"] = ",d"
    end = layout["xaxis"]["range"][1]
    dashed = [] if last_run is None else [_trace_last_run(last_run, rates, translate)]
    shown_rates = [rates, *(trace["y"] for trace in dashed)]
    return {
        "data": [
            _rate_line(rates, kept) | {"hovertemplate": hover, "customdata": rounded((kept + 1) / steps_per_epoch)},
            *(trace | {"hovertemplate": hover, "customdata": _to_epochs(trace, steps_per_epoch)} for trace in dashed),
            marked | {"customdata": rounded([step / steps_per_epoch for step in drops])},
            {"uid": "epochs", "type": "scatter", "x": [None], "y": [None], "xaxis": "x2", "hoverinfo": "skip"},
        ],
        "layout": layout
        | {
            "xaxis2": axis(range=[0, end / steps_per_epoch], nticks=6, fixedrange=True, showgrid=False)
            | {"overlaying": "x", "side": "top", "tickmode": "auto"},
            "yaxis": rate_axis(shown_rates, log=log_lr, title="lr"),
            "annotations": [paper_note(translate("epoch"), 1, 1, "right", "top") | {"yshift": -1}],
        },
    }


def small_schedule_chart(
    rates: Sequence[float], *, top: float, losses: Sequence[float] = (), translate: Translate = str
) -> Figure:
    """Draw the learning rate on a scale that ends at `top`, so that several charts stand side by side.

    losses: That of each iteration, which the rate follows.
    """
    at = f"{translate('iteration')} %{{x:,d}}<br>"
    data = [_rate_line(rates, corners(rates)) | {"hovertemplate": f"{at}lr %{{y:.3~g}}<extra></extra>"}]
    layout = _layout(len(rates), translate, {"l": 46, "r": 46 if losses else 12, "t": 8, "b": 38})
    layout |= {"dragmode": False, "yaxis": rate_axis([[top]], log=False, title="lr")}
    if losses:
        steps = np.arange(len(losses)) + 1
        curve = line("loss", translate("loss"), steps, rounded(losses), LOSS, dash="dot", yaxis="y2")
        data.append(curve | {"hovertemplate": f"{at}{translate('loss')} %{{y:.3f}}<extra></extra>"})
        layout["yaxis2"] = axis(translate("loss"), range=five_steps(np.array(losses), default=1.0), color=LOSS)
        layout["yaxis2"] |= {"overlaying": "y", "side": "right", "showgrid": False, "fixedrange": True}
        layout["yaxis2"] |= {"tickmode": "auto", "nticks": INTERVALS + 1}
    return {"data": data, "layout": layout}


def trace_rates(
    evaluations: Sequence[Evaluation],
    planned: ArrayLike,
    changes: Sequence[Change] = (),
    reductions: Sequence[Reduction] = (),
) -> tuple[Array, Array]:
    """Return steps and recorded rates, with the corners of the planned curve between evaluations that agree with it.

    If they do not agree, a change of lr or a drop that losses caused lies between them, and the rate jumps there.
    """
    if not evaluations:
        return np.array([], int), np.array([])
    planned = np.asarray(planned, float)
    steps = np.array([0, *(evaluation.step for evaluation in evaluations)])
    rates = np.array([evaluations[0].lr, *(evaluation.lr for evaluation in evaluations)])
    rate_at = dict(zip(steps[1:].tolist(), rates[1:].tolist(), strict=True))
    dropped = {drop.step: drop.after for drop in reductions}
    for change in changes:
        after = int(np.searchsorted(steps, change.step, side="right"))
        if change.lr is not None and after < len(steps):
            before = float(rates[after - 1])
            if (last := int(steps[after - 1])) < change.step:
                before = dropped.get(last, before)
            rate_at |= {change.step: before, change.step + 1: float(rates[after])}
    rate_at |= {step + 1: rate for step, rate in dropped.items() if step + 1 not in rate_at}
    if len(planned):
        agrees = np.isclose(planned[np.clip(steps - 1, 0, len(planned) - 1)], rates, rtol=1e-6, atol=0)
        agrees[0] = True  # nothing was recorded before the first evaluation
        corner = corners(planned) + 1
        corner = corner[corner <= steps[-1]]
        segment = np.searchsorted(steps, corner)  # the evaluation at or after each corner
        corner = corner[agrees[segment] & agrees[segment - 1]]
        rate_at |= dict(zip(corner.tolist(), planned[corner - 1].tolist(), strict=True))
    every = np.array(sorted(rate_at))
    values = np.array([rate_at[step] for step in every.tolist()])
    kept = corners(values)
    return every[kept], values[kept]


def mark_reductions(reductions: Sequence[Reduction], loss: str) -> Json:
    """Mark the drops that losses have caused, each with its loss, at the rates that they led to."""
    shown = [reductions[place] for place in evenly(len(reductions))]
    trace = markers("reductions", [one.step for one in shown], rounded([one.after for one in shown]))
    trace |= {"name": loss, "customdata": rounded([one.loss for one in shown])}
    look = {"color": RATE, "size": 9, "symbol": "triangle-down"}
    return trace | {"marker": look, "hovertemplate": "%{customdata:.4~g}"}


def name_followed_loss(evaluation: Evaluation, translate: Translate) -> str:
    """Name the loss that a ReduceLROnPlateau sees in the evaluations of a run."""
    return translate("train loss in eval mode") if evaluation.val_loss is None else translate("validation loss")


def _trace_last_run(run: Run, rates: Sequence[float], translate: Translate) -> Json:
    """Draw the rates of a run dashed, from the last of those that are known before training."""
    reductions = find_reductions(run.recipe, run.evaluations)
    steps, recorded = trace_rates(run.evaluations, rates, run.recipe.changes, reductions)
    is_later = steps > len(rates)
    x, y = [len(rates), *steps[is_later]], [rates[-1], *recorded[is_later]]
    return line("last-run", translate("last run"), x, rounded(y), RATE, width=2, dash="dash")


def _to_epochs(trace: Json, steps_per_epoch: float) -> list[float | None]:
    return rounded([step / steps_per_epoch for step in trace["x"]])


def _layout(length: int, translate: Translate, margin: dict[str, int]) -> Json:
    return {
        "margin": margin,
        "meta": {"still": True},
        "showlegend": False,
        "hovermode": "closest",
        "hoverdistance": -1,
        "xaxis": axis(translate("iteration"), range=[0, max(length, 2)], nticks=6, fixedrange=True)
        | {"tickformat": ",d"},
    }


def _rate_line(rates: Sequence[float], kept: Any) -> Json:
    return line("schedule", "lr", kept + 1, rounded(np.asarray(rates, float)[kept]), RATE, width=2)
