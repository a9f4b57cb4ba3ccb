"""The runs that test a claim: one or two measures over the steps, or final accuracies over the learning rates."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcore.analysis.comparison import weight_norm
from mlpcore.charts.annotations import legend, paper_note
from mlpcore.charts.axes import axis, five_steps, snug_range
from mlpcore.charts.compare import SPIKE, Series
from mlpcore.charts.downsampling import finite, peaks, rounded
from mlpcore.charts.measures import MEASURES
from mlpcore.charts.traces import Figure, Json, Translate, find_look, look_line
from mlpcore.messages import N_
from mlpcore.runs.records import Evaluation, Run, RunStatus

NAMES = {
    **{name: MEASURES[name].name for name in ("train_loss", "train_eval_loss", "test_acc")},
    "weights": N_("size of the weights"),
}


def steps_chart(
    groups: Mapping[str, Sequence[Series]], measures: Sequence[str], *, translate: Translate = str
) -> Figure:
    """Draw a panel for each measure of each group over the steps, with one colour per recipe and one line per seed.

    Args:
        groups: Series by data set, which is named if there are several.
        measures: Of train_loss, train_eval_loss, test_acc and weights (their norm). There is room for two panels in
            all.
    """
    panels = [(dataset, measure) for dataset in groups for measure in measures]
    data: list[Json] = []
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
                trace = look_line(uid, one.label, steps, rounded(values[shown]), one.look)
                trace |= {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}", "legendgroup": one.label}
                trace |= {"showlegend": place == seed == 0, "hovertemplate": _hover(measure, translate)}
                data.append(trace)
        left = place * (1 - width)
        across: Json = {"domain": [left, left + width], "anchor": f"y{suffix}", "range": [0, longest], "nticks": 5}
        layout[f"xaxis{suffix}"] = axis(translate("iteration"), tickformat=",d", **across)
        scale = _scale(measure, np.concatenate(every))
        layout[f"yaxis{suffix}"] = axis(anchor=f"x{suffix}", nticks=6) | scale
        # above the panel: beside its axis, the name would lie on the panel before it on a phone
        layout["annotations"].append(paper_note(translate(NAMES[measure]), left, 1))
        if len(groups) > 1:
            layout["annotations"].append(paper_note(escape(dataset), left + width, 0, "right"))
    return {"data": data, "layout": layout}


def accuracy_by_lr_chart(runs: Sequence[Run], *, translate: Translate = str) -> Figure:
    """Draw the final test accuracy of runs over their learning rates, with one colour per optimizer.

    A run that diverged is drawn at 0 with a cross; one that goes on, at its latest accuracy.
    """
    data, every = [], []
    for place, name in enumerate(dict.fromkeys(run.recipe.optimizer.name for run in runs)):
        own = [run for run in runs if run.recipe.optimizer.name == name]
        own = [run for run in own if run.evaluations or run.status is RunStatus.DIVERGED]
        diverged = [run.status is RunStatus.DIVERGED for run in own]
        accuracies = [0.0 if lost else run.evaluations[-1].test_acc for run, lost in zip(own, diverged, strict=True)]
        every += accuracies
        own_rates = [run.recipe.optimizer.lr for run in own]
        trace = look_line(f"rates-{place}", name, own_rates, rounded(accuracies), find_look(place))
        trace |= {"mode": "lines+markers", "hovertemplate": "lr %{x:.3~g} · %{y:.1%}<extra>%{fullData.name}</extra>"}
        trace["marker"] = {"size": 7, "symbol": ["x" if lost else "circle" for lost in diverged]}
        data.append(trace)
    rates = [run.recipe.optimizer.lr for run in runs]
    low, high = np.log10(min(rates)), np.log10(max(rates))
    layout = _layout()
    layout["xaxis"] = axis(translate("learning rate"), type="log", range=[low - 0.15, high + 0.15], dtick=1) | {
        "tickformat": ".0~e"
    }
    layout["annotations"].append(paper_note(translate("test accuracy"), 0, 1))
    layout["yaxis"] = axis(nticks=6, tickformat=".0%")
    layout["yaxis"]["range"] = five_steps(np.array(every), default=0.5)
    return {"data": data, "layout": layout}


def _layout() -> Json:
    return {
        "margin": {"l": 38, "r": 14, "t": 56, "b": 40},
        "hovermode": "closest",
        "legend": legend(y=1.1),
        "annotations": [],
    }


def _read(evaluation: Evaluation, measure: str) -> float:
    if measure == "weights":
        return weight_norm(evaluation) or 0.0
    return float(getattr(evaluation, measure))


def _hover(measure: str, translate: Translate) -> str:
    form = ".1%" if measure == "test_acc" else ".3f"
    return f"%{{y:{form}}} · {translate('step')} %{{x:,d}}<extra>%{{fullData.name}}</extra>"


def _scale(measure: str, values: NDArray[Any]) -> Json:
    if measure == "test_acc":
        return {"range": five_steps(values, default=0.5, may_rise=True), "tickformat": ".0%"}
    if measure == "weights":
        return {"rangemode": "tozero"}
    usual = values[np.isfinite(values)]
    if len(usual):
        usual = usual[usual <= SPIKE * float(np.median(usual)) + 1]
    return {"range": snug_range(usual, least=0.1, default=(0.0, 2.5))}
