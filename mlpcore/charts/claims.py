"""The runs that test a claim in a small figure: one or two measures over the steps, or what came out over the rates."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from mlpcore.analysis.comparison import size_of_weights
from mlpcore.charts.axes import axis, five_steps, snug_range
from mlpcore.charts.compare import COLOURS, SPIKE, Series
from mlpcore.charts.downsampling import finite, peaks, rounded
from mlpcore.charts.run import NOTHING, Figure, Translate, legend, line, note
from mlpcore.runs.records import Evaluation, Run, RunStatus

ACCURACIES = ("test_acc",)


def steps_chart(
    groups: Mapping[str, Sequence[Series]], measures: Sequence[str], *, translate: Translate = str
) -> Figure:
    """Draw a panel for each measure of each group over the steps, one colour a recipe, one line a seed.

    groups: series by the data set they were trained on, which is named where there are several. measures: of
    train_loss, train_eval_loss, test_acc and weights, the size of the weights. In all there is room for two panels.
    """
    panels = [(dataset, measure) for dataset in groups for measure in measures]
    data: list[dict[str, Any]] = []
    layout = _layout()
    width = 1.0 if len(panels) == 1 else 0.45
    longest = max(
        (run.recipe.train_iter for series in groups.values() for one in series for run in one.runs), default=1
    )
    for place, (dataset, measure) in enumerate(panels):
        suffix = str(place + 1) if place else ""
        every = [np.array([])]
        for one in groups[dataset]:
            for seed, run in enumerate(one.runs):
                values = finite([_read(evaluation, measure) for evaluation in run.evaluations])
                every.append(values)
                shown = peaks(values)
                steps = np.array([evaluation.step for evaluation in run.evaluations], int)[shown]
                uid = f"{place}-{one.place}-{seed}"
                trace = line(uid, one.label, steps, rounded(values[shown]), one.colour, dash=one.dash)
                trace |= {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}", "legendgroup": one.label}
                trace |= {"showlegend": place == seed == 0, "hovertemplate": _hover(measure, translate)}
                data.append(trace | ({} if len(shown) else NOTHING))
        left = place * (1 - width)
        across = {"domain": [left, left + width], "anchor": f"y{suffix}", "range": [0, longest], "nticks": 5}
        layout[f"xaxis{suffix}"] = axis(translate("iteration"), tickformat=",d", **across)
        scale = _scale(measure, np.concatenate(every))
        layout[f"yaxis{suffix}"] = axis(anchor=f"x{suffix}", nticks=6) | scale
        layout["annotations"].append(_heading(_name(measure, translate), left))
        if len(groups) > 1:
            corner = {"x": left + width, "xref": "paper", "xanchor": "right", "y": 0, "yref": "paper"}
            layout["annotations"].append(note(escape(dataset), yanchor="bottom", **corner))
    return {"data": data, "layout": layout}


def accuracy_by_lr_chart(runs: Sequence[Run], *, translate: Translate = str) -> Figure:
    """Draw the test accuracy that runs ended with over their learning rates, one colour an optimizer.

    A run that diverged is drawn at 0 with a cross; one that goes on, where it is.
    """
    data, every = [], []
    for place, name in enumerate(dict.fromkeys(run.recipe.optimizer.name for run in runs)):
        own = [run for run in runs if run.recipe.optimizer.name == name]
        own = [run for run in own if run.evaluations or run.status is RunStatus.DIVERGED]
        lost = [run.status is RunStatus.DIVERGED for run in own]
        accuracies = [0.0 if gone else run.latest.test_acc for run, gone in zip(own, lost, strict=True)]
        every += accuracies
        trace = line(
            f"rates-{place}", name, [run.recipe.optimizer.lr for run in own], rounded(accuracies), COLOURS[place]
        )
        trace |= {"mode": "lines+markers", "hovertemplate": "lr %{x:.3~g} · %{y:.1%}<extra>%{fullData.name}</extra>"}
        trace["marker"] = {"size": 7, "symbol": ["x" if gone else "circle" for gone in lost]}
        data.append(trace | ({} if own else NOTHING))
    rates = [run.recipe.optimizer.lr for run in runs]
    low, high = np.log10(min(rates)), np.log10(max(rates))
    layout = _layout()
    layout["xaxis"] = axis(translate("learning rate"), type="log", range=[low - 0.15, high + 0.15], dtick=1) | {
        "tickformat": ".0~e"
    }
    layout["annotations"].append(_heading(translate("test accuracy"), 0.0))
    layout["yaxis"] = axis(nticks=6, tickformat=".0%")
    layout["yaxis"]["range"] = five_steps(np.array(every), default=0.5)
    return {"data": data, "layout": layout}


def _heading(text: str, left: float) -> dict[str, Any]:
    """Name a panel above it: beside its axis a name would lie on the panel before it on a phone."""
    return note(text, x=left, xref="paper", xanchor="left", y=1, yref="paper", yanchor="bottom")


def _layout() -> dict[str, Any]:
    return {
        "margin": {"l": 38, "r": 14, "t": 56, "b": 40},
        "hovermode": "closest",
        "legend": legend(y=1.1),
        "annotations": [],
    }


def _read(evaluation: Evaluation, measure: str) -> float:
    if measure == "weights":
        return size_of_weights(evaluation) or 0.0
    return getattr(evaluation, measure)


def _name(measure: str, translate: Translate) -> str:
    names = {
        "train_loss": translate("train loss"),
        "train_eval_loss": translate("train loss, without dropout"),
        "test_acc": translate("test accuracy"),
        "weights": translate("size of the weights"),
    }
    return names[measure]


def _hover(measure: str, translate: Translate) -> str:
    form = ".1%" if measure in ACCURACIES else ".3f"
    return f"%{{y:{form}}} · {translate('step')} %{{x:,d}}<extra>%{{fullData.name}}</extra>"


def _scale(measure: str, values: np.ndarray) -> dict[str, Any]:
    if measure in ACCURACIES:
        return {"range": five_steps(values, default=0.5, may_rise=True), "tickformat": ".0%"}
    if measure == "weights":
        return {"rangemode": "tozero"}
    usual = values[np.isfinite(values)]
    if len(usual):
        usual = usual[usual <= SPIKE * float(np.median(usual)) + 1]
    return {"range": snug_range(usual, least=0.1, default=(0.0, 2.5))}
