"""The trials of a sweep: the best so far, slices, two hyperparameters against each other, parallel coordinates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from mlpcore.charts.annotations import waiting_note
from mlpcore.charts.axes import axis, five_steps
from mlpcore.charts.downsampling import rounded
from mlpcore.charts.traces import ACCURACY, NOTE, Figure, Json, Translate, band, faded, line, markers
from mlpcore.numbers import short_number

COLOURS = "Cividis"  # a scale that reads the same to colour-blind eyes, from dark (low) to bright (high)
MARGIN = {"l": 54, "r": 14, "t": 14, "b": 44}

Value = bool | int | float | str | tuple[int | float, ...]


@dataclass(frozen=True)
class TrialPoint:
    """A trial as charts draw it: its values, and its validation accuracy (0 to 1), None if it came to nothing."""

    number: int
    values: Mapping[str, Value]
    accuracy: float | None


@dataclass(frozen=True)
class Scale:
    """How a hyperparameter lies along an axis: as numbers, on a log scale or not, or as options side by side.

    Attributes:
        name: Its flat name.
        options: The values of a list, in its order; none for a range.
        low: The lower end of a range.
        high: Its upper end.
        is_log: Whether a range is logarithmic.
    """

    name: str
    options: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 1.0
    is_log: bool = False

    def place(self, value: Value) -> float:
        """Return where a value lies on the axis."""
        if self.options:
            return float(self.options.index(value))
        number = float(value)  # type: ignore[arg-type]
        return float(np.log10(number)) if self.is_log else number

    def ticks(self) -> Json:
        """Return the names of the options at their places."""
        texts = [write_value(value) for value in self.options]
        return {"tickvals": list(range(len(texts))), "ticktext": texts} if texts else {}

    def axis(self, **rest: Any) -> Json:
        """Build the axis of a chart."""
        if self.options:
            return axis(self.name, range=[-0.5, len(self.options) - 0.5], **self.ticks(), **rest)
        kind: Json = {"type": "log", "tickformat": ".0~e", "dtick": 1} if self.is_log else {"nticks": 5}
        low, high = self.place(self.low), self.place(self.high)
        room = 0.04 * (high - low)
        return axis(self.name, range=[low - room, high + room], **kind, **rest)

    def along(self, value: Value) -> float:
        """Return a value as a log axis of Plotly wants it: the number itself."""
        return 10 ** self.place(value) if self.is_log and not self.options else self.place(value)


def write_value(value: Value) -> str:
    """Write a value of a trial: 5e-4, 128, 64, on."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return short_number(value) if isinstance(value, float) else str(value)


def best_chart(
    trials: Sequence[TrialPoint],
    whole: int,
    *,
    expected: tuple[Sequence[float], Sequence[float], Sequence[float]] | None = None,
    translate: Translate = str,
) -> Figure:
    """Draw each trial's accuracy in the order in which they were drawn, and the best so far.

    Args:
        whole: How many trials there will be.
        expected: For 1, 2, … trials drawn at random from these: the lower end, the middle and the upper end of the best
            that is to be expected.
    """
    known = [(trial, trial.accuracy) for trial in trials if trial.accuracy is not None]
    numbers, values = [trial.number + 1 for trial, _ in known], [value for _, value in known]
    best = np.maximum.accumulate(values).tolist() if values else []
    data: list[Json] = []
    if expected is not None:
        low, middle, high = expected
        along = list(range(1, len(middle) + 1))
        data.append(band("band", along, rounded(low), rounded(high), NOTE))
        name = translate("expected best of so many trials")
        data.append(line("expected", name, along, rounded(middle), NOTE, dash="dash", hovertemplate="%{y:.1%}"))
    data.append(_points(numbers, known, translate))
    step = line("best", translate("best so far"), numbers, rounded(best), ACCURACY, hovertemplate="%{y:.1%}")
    step["line"]["shape"] = "hv"
    data.append(step)
    layout: Json = {
        "margin": MARGIN,
        "hovermode": "closest",
        "showlegend": False,
        "annotations": [] if known else [waiting_note(translate)],
        "xaxis": axis(translate("trial"), range=[0, whole + 1], tickformat=",d"),
        "yaxis": _accuracy_axis(values, translate),
    }
    return {"data": data, "layout": layout}


def slice_chart(trials: Sequence[TrialPoint], scale: Scale, *, translate: Translate = str) -> Figure:
    """Draw the accuracy of each trial over one hyperparameter; trials that do not have it are left out."""
    known = [(one, one.accuracy) for one in trials if one.accuracy is not None and scale.name in one.values]
    along = [scale.along(trial.values[scale.name]) for trial, _ in known]
    layout: Json = {
        "margin": MARGIN,
        "hovermode": "closest",
        "showlegend": False,
        "xaxis": scale.axis(),
        "yaxis": _accuracy_axis([value for _, value in known], translate),
    }
    return {"data": [_points(along, known, translate)], "layout": layout}


def map_chart(trials: Sequence[TrialPoint], across: Scale, up: Scale, *, translate: Translate = str) -> Figure:
    """Draw the trials over two hyperparameters, with the accuracy as colour; what came to nothing is a cross."""
    both = [one for one in trials if across.name in one.values and up.name in one.values]
    lost = [one for one in both if one.accuracy is None]
    known = [(one, one.accuracy) for one in both if one.accuracy is not None]
    data = []
    for uid, shown, look in (
        ("lost", lost, {"symbol": "x-thin-open", "size": 9, "color": NOTE}),
        ("known", [one for one, _ in known], _colours([value for _, value in known], translate) | {"size": 13}),
    ):
        x, y = ([scale.along(one.values[scale.name]) for one in shown] for scale in (across, up))
        trace = markers(uid, x, y, marker=look, ids=[str(one.number) for one in shown])
        trace["text"] = [_describe(one) for one in shown]
        data.append(trace | {"hovertemplate": "%{text}<extra></extra>", "showlegend": False})
    layout: Json = {"margin": MARGIN | {"l": 64, "r": 70}, "hovermode": "closest"}
    return {"data": data, "layout": layout | {"xaxis": across.axis(), "yaxis": up.axis()}}


def parallel_chart(trials: Sequence[TrialPoint], scales: Sequence[Scale], *, translate: Translate = str) -> Figure:
    """Draw a line per trial through its values, coloured by its accuracy; only trials that have all of the values."""
    names = [scale.name for scale in scales]
    known = [(one, one.accuracy) for one in trials if one.accuracy is not None and all(n in one.values for n in names)]
    accuracies = [accuracy for _, accuracy in known]
    dimensions: list[Json] = []
    for scale in scales:
        places = [scale.place(trial.values[scale.name]) for trial, _ in known]
        ticks = scale.ticks()
        if scale.is_log and places:
            decades = list(range(int(np.floor(min(places))), int(np.ceil(max(places))) + 1))
            ticks = {"tickvals": decades, "ticktext": [short_number(10.0**decade) for decade in decades]}
        dimensions.append({"label": scale.name, "values": rounded(places), **ticks})
    dimensions.append({"label": translate("accuracy"), "values": rounded(accuracies), "tickformat": ".0%"})
    look = _colours(accuracies, translate)
    trace: Json = {"type": "parcoords", "uid": "trials", "dimensions": dimensions}
    trace["line"] = {"color": look["color"], "colorscale": COLOURS, "showscale": False}
    return {"data": [trace], "layout": {"margin": {"l": 60, "r": 50, "t": 44, "b": 20}}}


def _points(along: Sequence[float], known: Sequence[tuple[TrialPoint, float]], translate: Translate) -> Json:
    values = [value for _, value in known]
    look: Json = {"size": 7, "color": faded(ACCURACY, 0.45)}
    trace = markers("trials", list(along), rounded(values), marker=look, ids=[str(one.number) for one, _ in known])
    trace |= {"text": [_describe(one) for one, _ in known], "hovertemplate": "%{text}<extra></extra>"}
    return trace | {"name": translate("trials")}


def _describe(trial: TrialPoint) -> str:
    """Write what a trial is, for a hover label."""
    lines = [f"{escape(name)} {escape(write_value(value))}" for name, value in trial.values.items()]
    accuracy = "—" if trial.accuracy is None else f"{trial.accuracy:.1%}"
    return "<br>".join([f"<b>{trial.number + 1}: {accuracy}</b>", *lines])


def _colours(values: Sequence[float], translate: Translate) -> Json:
    bar: Json = {"title": {"text": translate("accuracy"), "side": "right"}, "tickformat": ".0%", "thickness": 10}
    return {"color": rounded(values), "colorscale": COLOURS, "colorbar": bar, "showscale": bool(values)}


def _accuracy_axis(values: Sequence[float], translate: Translate) -> Json:
    scale = five_steps(np.array(values), default=0.5, may_rise=True)
    return axis(translate("validation accuracy"), range=scale, tickformat=".0%", nticks=6)
