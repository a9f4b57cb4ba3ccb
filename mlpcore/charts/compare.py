"""Several runs in one figure: train loss, test accuracy, learning rate, and train loss against test accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcore.analysis.comparison import MeanCurve, average_curves
from mlpcore.charts.annotations import legend
from mlpcore.charts.axes import axis, five_steps, loss_axis, rate_axis, snug_range
from mlpcore.charts.downsampling import finite, peaks, rounded
from mlpcore.charts.traces import Figure, Json, Translate, data_line, faded
from mlpcore.runs.records import Run

# Those of Okabe and Ito's colours that are distinct on a light and on a dark page (where live_plot.js turns the blue
# into their sky blue), and a grey. Recipes beyond the sixth are dashed, beyond the twelfth dotted.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#8C8C8C")
DASHES = ("solid", "dash", "dot")
SPIKE = 3.0  # times the median: larger losses are cut off, since one run that diverges would flatten all others
STACKED = ("", "2", "4", "3")  # the panels' axes from top to bottom on a phone: loss, accuracy, path, rate
NOT_PICKED = 0.25  # opacity of the other curves once one is picked


@dataclass(frozen=True)
class Series:
    """An entry of the legend: the runs of one recipe, which differ only in the seed."""

    label: str
    place: int  # among all recipes of the comparison; decides the colour
    runs: Sequence[Run]
    steps_per_epoch: float = 1.0

    @property
    def colour(self) -> str:
        return COLOURS[self.place % len(COLOURS)]

    @property
    def dash(self) -> str:
        return DASHES[self.place // len(COLOURS) % len(DASHES)]


def compare_chart(
    series: Sequence[Series],
    *,
    x: str = "step",
    log_loss: bool = False,
    log_lr: bool = False,
    log_x: bool = False,
    picked: frozenset[str] = frozenset(),
    translate: Translate = str,
) -> Figure:
    """Draw four panels over steps, epochs or seconds; several seeds of a recipe as their mean with a band around it.

    Args:
        series: What to draw.
        x: "step", "epoch" or "seconds".
        picked: Labels that stand out; the other curves are pale. A click on a label hides its curves.
    """
    titles = {"step": translate("iteration"), "epoch": translate("epoch"), "seconds": translate("seconds of computing")}
    data: list[Json] = []
    losses, accuracies, rates = [np.array([])], [np.array([])], [np.array([])]
    for one in series:
        curves = {name: average_curves(one.runs, name) for name in ("train_loss", "test_acc", "lr", "seconds")}
        steps = np.array(curves["train_loss"].steps, float)
        along = {"step": steps, "epoch": steps / one.steps_per_epoch, "seconds": np.array(curves["seconds"].means)}[x]
        loss, accuracy, rate = (finite(curves[name].means) for name in ("train_loss", "test_acc", "lr"))
        losses.append(loss)
        accuracies.append(accuracy)
        rates.append(rate)
        opacity = NOT_PICKED if picked and one.label not in picked else 1.0
        look: Json = {"legendgroup": one.label, "dash": one.dash, "opacity": opacity}
        if len(one.runs) > 1:
            data.append(_band(one, along, curves["train_loss"], "y", look))
            data.append(_band(one, along, curves["test_acc"], "y2", look))
        for panel, name, values, form in (
            ("", "loss", loss, ".3f"),
            ("2", "accuracy", accuracy, ".1%"),
            ("3", "lr", rate, ".3~g"),
        ):
            shown = peaks(values)
            at = rounded(along[shown]), rounded(values[shown])
            trace = data_line(f"{name}-{one.place}", one.label, *at, one.colour, **look)
            trace |= {"xaxis": f"x{panel}", "yaxis": f"y{panel}", "showlegend": name == "loss", "meta": one.label}
            trace |= {"hovertemplate": f"%{{y:{form}}} · {titles[x]} %{{x:,.3~f}}<extra>%{{fullData.name}}</extra>"}
            data.append(trace)
        shown = peaks(accuracy)
        at = rounded(loss[shown]), rounded(accuracy[shown])
        path = data_line(f"path-{one.place}", one.label, *at, one.colour, **look)
        hover = f"{translate('train loss')} %{{x:.3f}} · {translate('test accuracy')} %{{y:.1%}}"
        path |= {"xaxis": "x4", "yaxis": "y4", "showlegend": False, "mode": "lines+markers", "meta": one.label}
        path |= {"marker": {"size": 4}, "hovertemplate": f"{hover}<extra>%{{fullData.name}}</extra>"}
        data.append(path)
    loss, accuracy = np.concatenate(losses), np.concatenate(accuracies)
    if len(usual := loss[np.isfinite(loss)]):
        loss = loss[loss <= max(2.5, SPIKE * float(np.median(usual)))]
    low_loss, high_loss = snug_range(loss, least=0.5, default=(0.0, 2.5))
    low_acc, high_acc = snug_range(accuracy, least=0.1, default=(0.0, 0.5), most=1.0)
    low_acc = min(low_acc, high_acc - 0.1)  # all at 100 %
    scale: Json = {"type": "log"} if log_x else {"rangemode": "tozero"}
    if not log_x and x != "seconds" and series:
        per = {one.label: one.steps_per_epoch if x == "epoch" else 1 for one in series}
        scale |= {"range": [0, max(run.recipe.train_iter / per[one.label] for one in series for run in one.runs)]}
    across: Json = {"nticks": 6, **scale}
    layout = {
        "margin": {"l": 54, "r": 14, "t": 10, "b": 40},
        "hovermode": "closest",
        "legend": legend(y=-0.1, yanchor="top"),
        "xaxis": axis(domain=[0, 0.47], anchor="y", **across),
        "yaxis": axis(translate("train loss"), domain=[0.56, 1]) | loss_axis(loss, log=log_loss),
        "xaxis2": axis(domain=[0.55, 1], anchor="y2", **across),
        "yaxis2": axis(translate("test accuracy"), domain=[0.56, 1], anchor="x2", tickformat=".0%")
        | {"range": five_steps(accuracy, default=0.5, may_rise=True)},
        "xaxis3": axis(titles[x], domain=[0, 0.47], anchor="y3", **across),
        "yaxis3": rate_axis(rates, log=log_lr, title="lr") | {"domain": [0, 0.44], "anchor": "x3"},
        "xaxis4": axis(translate("train loss, falling →"), domain=[0.55, 1], anchor="y4", nticks=6)
        | {"range": [high_loss, low_loss]},
        "yaxis4": axis(translate("test accuracy"), domain=[0, 0.44], anchor="x4", nticks=6, tickformat=".0%")
        | {"range": [low_acc, high_acc]},
        "annotations": [],
        "meta": {"narrow": _stack(len(series))},
    }
    return {"data": data, "layout": layout}


def _stack(entries: int) -> Json:
    """Lay the panels out for a phone: one below the other, with the legend at the bottom."""
    panel, gap, below = 190, 48, 40 + 20 * entries  # pixels
    inner = len(STACKED) * panel + (len(STACKED) - 1) * gap
    patch: Json = {"height": inner + below, "margin": {"l": 50, "r": 10, "t": 8, "b": below - 8}}
    patch["legend"] = {"y": -40 / inner, "orientation": "v"}
    for place, number in enumerate(STACKED):
        top = 1 - place * (panel + gap) / inner
        patch[f"xaxis{number}"] = {"domain": [0, 1]}
        patch[f"yaxis{number}"] = {"domain": [max(top - panel / inner, 0.0), top]}
    return patch


def _band(one: Series, along: NDArray[Any], curve: MeanCurve, panel: str, look: Json) -> Json:
    """Draw one standard deviation above and below the mean."""
    mean, deviation = np.array(curve.means), np.array(curve.deviations)
    shown = peaks(mean)
    x, mean, deviation = along[shown], mean[shown], deviation[shown]
    outline = np.concatenate([mean + deviation, (mean - deviation)[::-1]])
    return {
        "uid": f"band-{panel}-{one.place}",
        "type": "scatter",
        "mode": "lines",
        "x": rounded(np.concatenate([x, x[::-1]])),
        "y": rounded(outline),
        "fill": "toself",
        "fillcolor": faded(one.colour, 0.15),
        "line": {"width": 0},
        "opacity": look["opacity"],
        "legendgroup": one.label,
        "showlegend": False,
        "hoverinfo": "skip",
        "xaxis": panel.replace("y", "x"),
        "yaxis": panel,
    }
