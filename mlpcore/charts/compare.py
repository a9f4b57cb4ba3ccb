"""Several runs in one figure: mini-batch loss, test accuracy, learning rate, and the one against the other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcore.analysis.comparison import MeanCurve, average_curves
from mlpcore.analysis.diagnoses.schedule_checks import find_reductions
from mlpcore.charts.annotations import legend, waiting_note
from mlpcore.charts.axes import axis, five_steps, loss_axis, rate_axis, snug_range
from mlpcore.charts.downsampling import finite, peaks, rounded
from mlpcore.charts.schedule import trace_rates
from mlpcore.charts.traces import NOTE, Figure, Json, Look, Translate, band, find_look, line, look_line
from mlpcore.runs.foreign import ForeignRun
from mlpcore.runs.records import Run

SPIKE = 3.0  # times the median: larger losses are cut off, since one run that diverges would flatten all others
STACKED = ("", "2", "4", "3")  # the panels' axes from top to bottom on a phone: loss, accuracy, path, rate
LEFT, MIDDLE, RIGHT = [0.0, 0.34], [0.405, 0.745], [0.815, 1.0]  # the panels' columns
NOT_PICKED = 0.25  # opacity of the other curves once one is picked


@dataclass(frozen=True)
class Schedule:
    """The learning rate as planned, at the steps between which it is a straight line; empty if it is not known."""

    steps: Sequence[int] = ()
    rates: Sequence[float] = ()

    def until(self, step: int) -> tuple[list[int], list[float]]:
        """Return the steps and rates up to and including a step."""
        kept = [number for number in self.steps if number <= step]
        rates = list(self.rates[: len(kept)])
        if kept and kept[-1] < step < self.steps[-1]:
            kept.append(step)
            rates.append(float(np.interp(step, self.steps, self.rates)))
        return kept, rates


@dataclass(frozen=True)
class Series:
    """An entry of the legend: the runs of one recipe, which differ only in the seed; none if it is yet to be run."""

    label: str
    place: int  # among all recipes of the comparison; decides the look
    runs: Sequence[Run]
    steps_per_epoch: float = 1.0
    train_iter: int = 0  # iterations of its recipe; those of its runs count where they have more
    schedule: Schedule = field(default_factory=Schedule)

    @property
    def look(self) -> Look:
        return find_look(self.place)

    @property
    def length(self) -> int:
        """How many iterations its longest run trains for."""
        return max([self.train_iter, *(run.recipe.train_iter for run in self.runs)])

    def list_rates(self) -> tuple[Sequence[int], Sequence[float]]:
        """Return steps and learning rates: the schedule as far as the runs can come, else what they recorded.

        Where losses lowered the rate, it jumps after an evaluation, each run's after its own.
        """
        if self.schedule.steps:
            is_over = bool(self.runs) and all(run.status.is_over for run in self.runs)
            return self.schedule.until(max(run.step for run in self.runs) if is_over else self.length)
        if not self.runs or not all(run.evaluations for run in self.runs):
            return [], []
        traced = [
            trace_rates(run.evaluations, (), run.recipe.changes, find_reductions(run.recipe, run.evaluations))
            for run in self.runs
        ]
        end = min(steps[-1] for steps, _rates in traced)
        every = [step for step in sorted({step for steps, _rates in traced for step in steps.tolist()}) if step <= end]
        return every, np.mean([np.interp(every, steps, rates) for steps, rates in traced], axis=0).tolist()


def compare_chart(
    series: Sequence[Series],
    *,
    x: str = "step",
    log_loss: bool = False,
    log_lr: bool = False,
    log_x: bool = False,
    picked: frozenset[str] = frozenset(),
    foreign: Sequence[ForeignRun] = (),
    translate: Translate = str,
) -> Figure:
    """Draw four panels over steps, epochs or seconds; several seeds of a recipe as their mean with a band around it.

    Args:
        series: What to draw; of recipes that are yet to be run, the schedules alone.
        x: "step", "epoch" or "seconds".
        picked: Labels that stand out; the other curves are pale. A click on a label hides its curves.
        foreign: Runs of other programs, in grey; over epochs or seconds they are not drawn, since neither is known.
    """
    titles = {"step": translate("iteration"), "epoch": translate("epoch"), "seconds": translate("seconds of computing")}
    data: list[Json] = []
    losses, accuracies, rates = [np.array([])], [np.array([])], [np.array([])]
    for one in series:
        curves = {name: average_curves(one.runs, name) for name in ("train_loss", "test_acc", "seconds")}
        steps, seconds = np.array(curves["train_loss"].steps, float), np.array(curves["seconds"].means)
        rate_steps, rate = (np.array(values, float) for values in one.list_rates())
        along, rate_along = (_measure_along(at, x, one, steps, seconds) for at in (steps, rate_steps))
        loss, accuracy = (finite(curves[name].means) for name in ("train_loss", "test_acc"))
        losses.append(loss)
        accuracies.append(accuracy)
        rates.append(rate)
        opacity = NOT_PICKED if picked and one.label not in picked else 1.0
        common: Json = {"legendgroup": one.label, "opacity": opacity}
        if len(one.runs) > 1:
            data.append(_band(one, along, curves["train_loss"], "y", opacity))
            data.append(_band(one, along, curves["test_acc"], "y2", opacity))
        for panel, name, at, values, form in (
            ("", "loss", along, loss, ".3f"),
            ("2", "accuracy", along, accuracy, ".1%"),
            ("3", "lr", rate_along, rate, ".3~g"),
        ):
            is_thin = name == "lr" and len(one.schedule.steps) > 0  # its corners must stay
            shown = slice(None) if is_thin else peaks(values)
            points = rounded(at[shown]), rounded(values[shown])
            trace = look_line(f"{name}-{one.place}", one.label, *points, one.look, **common)
            trace |= {"xaxis": f"x{panel}", "yaxis": f"y{panel}", "showlegend": name == "loss", "meta": one.label}
            data.append(trace | {"hovertemplate": f"%{{y:{form}}}"})
        shown = peaks(accuracy)
        ends = rounded(loss[shown]), rounded(accuracy[shown])
        path = look_line(f"path-{one.place}", one.label, *ends, one.look, **common)
        path |= {"xaxis": "x4", "yaxis": "y4", "showlegend": False, "mode": "lines+markers", "meta": one.label}
        data.append(path | {"marker": {"size": 4, "symbol": one.look.symbol or "circle"}, "hovertemplate": "%{y:.1%}"})
    theirs = foreign if x == "step" else ()
    for run in theirs:
        losses.append(finite(run.train_loss))
        accuracies.append(finite(run.test_acc))
        rates.append(finite(run.lr))
        data += _draw_foreign(run, translate)
    layout = _lay_out(np.concatenate(losses), np.concatenate(accuracies), translate, log_loss=log_loss)
    across: Json = {"nticks": 6, **({"type": "log"} if log_x else {"rangemode": "tozero"})}
    if not log_x and x != "seconds" and series:
        per = {one.label: one.steps_per_epoch if x == "epoch" else 1 for one in series}
        longest = max(one.length / per[one.label] for one in series)
        across["range"] = [0, max([longest, *(run.steps[-1] for run in theirs)])]
    across["unifiedhovertitle"] = {"text": f"{titles[x]} %{{x:,.4~g}}"}
    for name, anchor, domain in (("xaxis", "y", LEFT), ("xaxis2", "y2", MIDDLE), ("xaxis3", "y3", RIGHT)):
        layout[name] = axis(titles[x], domain=domain, anchor=anchor, **across)
    layout["yaxis3"] = rate_axis(rates, log=log_lr, most=3, title="lr") | {"domain": [0, 0.22], "anchor": "x3"}
    if not any(one.runs for one in series):
        layout["annotations"].append(waiting_note(translate) | {"xref": "x domain", "yref": "y domain"})
    return {"data": data, "layout": layout | {"meta": {"narrow": _stack(len(series) + len(theirs))}}}


def _measure_along(at: NDArray[Any], x: str, one: Series, steps: NDArray[Any], seconds: NDArray[Any]) -> NDArray[Any]:
    """Return where steps lie on the horizontal axis; seconds are known at the evaluations and interpolated between."""
    if x == "seconds":
        return np.interp(at, steps, seconds) if len(steps) else np.full(len(at), np.nan)
    return at / one.steps_per_epoch if x == "epoch" else at


def _lay_out(losses: NDArray[Any], accuracies: NDArray[Any], translate: Translate, *, log_loss: bool) -> Json:
    """Lay out loss and accuracy side by side, and beside them the path over the learning rate."""
    if len(usual := losses[np.isfinite(losses)]):
        losses = losses[losses <= max(2.5, SPIKE * float(np.median(usual)))]
    low_loss, high_loss = snug_range(losses, least=0.5, default=(0.0, 2.5))
    low_acc, high_acc = snug_range(accuracies, least=0.1, default=(0.0, 0.5), most=1.0)
    low_acc = min(low_acc, high_acc - 0.1)  # all at 100 %
    return {
        "margin": {"l": 54, "r": 14, "t": 6, "b": 40},
        "hovermode": "x unified",
        "legend": legend(itemwidth=46, tracegroupgap=0),  # a long dash has its gap there too; lines stand close
        "yaxis": axis(translate("mini-batch loss"), domain=[0, 1], anchor="x") | loss_axis(losses, log=log_loss),
        "yaxis2": axis(translate("test accuracy"), domain=[0, 1], anchor="x2", tickformat=".0%")
        | {"range": five_steps(accuracies, default=0.5, may_rise=True)},
        "xaxis4": axis(translate("mini-batch loss, falling →"), domain=RIGHT, anchor="y4", nticks=5)
        | {"range": [high_loss, low_loss]}
        | {"unifiedhovertitle": {"text": f"{translate('mini-batch loss')} %{{x:.3f}}"}},
        "yaxis4": axis(translate("test accuracy"), domain=[0.47, 1], anchor="x4", nticks=4, tickformat=".0%")
        | {"range": [low_acc, high_acc]},
        "annotations": [],
    }


def _stack(entries: int) -> Json:
    """Lay the panels out for a phone: one below the other, with the legend at the bottom."""
    panel, gap, below = 190, 48, 40 + 20 * entries  # pixels
    inner = len(STACKED) * panel + (len(STACKED) - 1) * gap
    patch: Json = {"height": inner + below, "margin": {"l": 50, "r": 10, "t": 8, "b": below - 8}}
    patch["legend"] = {"y": -40 / inner, "yanchor": "top", "orientation": "v"}
    for place, number in enumerate(STACKED):
        top = 1 - place * (panel + gap) / inner
        patch[f"xaxis{number}"] = {"domain": [0, 1]}
        patch[f"yaxis{number}"] = {"domain": [max(top - panel / inner, 0.0), top]}
    return patch


def _draw_foreign(run: ForeignRun, translate: Translate) -> list[Json]:
    """Draw the curves of a run of another program: thin, grey and dotted, so that nobody takes them for a row."""
    name = translate("{name} (foreign)").format(name=run.name)
    traces = []
    for panel, measure, form in (("", "train_loss", ".3f"), ("2", "test_acc", ".1%"), ("3", "lr", ".3~g")):
        values = finite(getattr(run, measure) or [math.nan] * len(run.steps))
        shown = peaks(values)
        points = rounded(np.array(run.steps, float)[shown]), rounded(values[shown])
        trace = line(f"foreign-{measure}-{run.name}", name, *points, NOTE, width=1.3, dash="dot", legendgroup=name)
        trace |= {"xaxis": f"x{panel}", "yaxis": f"y{panel}", "showlegend": not panel}
        traces.append(trace | {"connectgaps": True, "hovertemplate": f"%{{y:{form}}}"})  # a row may lack a measure
    return traces


def _band(one: Series, along: NDArray[Any], curve: MeanCurve, panel: str, opacity: float) -> Json:
    """Draw one standard deviation above and below the mean."""
    mean, deviation = np.array(curve.means), np.array(curve.deviations)
    shown = peaks(mean)
    x, mean, deviation = along[shown], mean[shown], deviation[shown]
    low, high = rounded(mean - deviation), rounded(mean + deviation)
    drawn = band(f"band-{panel}-{one.place}", rounded(x), low, high, one.look.colour, opacity=opacity)
    return drawn | {"legendgroup": one.label, "xaxis": panel.replace("y", "x"), "yaxis": panel}
