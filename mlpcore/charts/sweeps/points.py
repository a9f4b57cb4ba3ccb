"""What the charts of a search draw: its trials, and how each hyperparameter lies along an axis."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from mlpcore.charts.annotations import paper_note
from mlpcore.charts.axes import axis
from mlpcore.charts.traces import LOSS, NOTE, Json, Translate, markers
from mlpcore.numbers import short_number

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

    def share(self, value: Value) -> float:
        """Return where a value lies between the ends of the axis, 0 to 1."""
        if self.options:
            return (self.options.index(value) + 0.5) / len(self.options)
        low, high = self.place(self.low), self.place(self.high)
        return (self.place(value) - low) / (high - low)

    def list_ticks(self, most: int) -> list[Value]:
        """List at most so many values to write at the axis: options, decades of a log range, else equal distances."""
        if self.options:
            return list(self.options[:: math.ceil(len(self.options) / most)])
        low, high = self.place(self.low), self.place(self.high)
        if not self.is_log:
            return [round(low + share * (high - low), 4) for share in (0.0, 0.5, 1.0)]
        decades = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
        ticks = [float(f"1e{power}") for power in decades[:: math.ceil(len(decades) / most)]] if decades else []
        return [*ticks] if len(ticks) > 1 else [self.low, self.high]

    def axis(self, **rest: Any) -> Json:
        """Build the axis of a chart."""
        if self.options:
            texts = [write_value(value) for value in self.options]
            ends = [-0.5, len(texts) - 0.5]
            return axis(self.name, range=ends, tickvals=list(range(len(texts))), ticktext=texts, **rest)
        kind: Json = {"type": "log", "tickformat": ".0~e", "dtick": 1} if self.is_log else {"nticks": 5}
        low, high = self.place(self.low), self.place(self.high)
        room = 0.04 * (high - low)
        return axis(self.name, range=[low - room, high + room], **kind, **rest)

    def along(self, value: Value) -> float:
        """Return a value as a log axis of Plotly wants it: the number itself."""
        return 10 ** self.place(value) if self.is_log and not self.options else self.place(value)


def empty_note(translate: Translate, *, waits: bool = False) -> Json:
    """Build the note that stands where no trial has come to anything; waits: or where curves will be."""
    will_be = translate("The curves appear here as the sweep goes on.")
    text = will_be if waits else translate("No trial has an accuracy.")
    return paper_note(text, 0.5, 0.5, "center", "middle") | {"font": {"color": NOTE, "size": 13}}


def ring(x: Sequence[float], y: Sequence[float], *, size: int = 20) -> Json:
    """Draw a ring around the trial that was chosen; none where there is no place."""
    look: Json = {"symbol": "circle-open", "size": size, "color": LOSS, "line": {"width": 3}}
    return markers("chosen", x, y, marker=look, hoverinfo="skip", showlegend=False)


def write_value(value: Value) -> str:
    """Write a value of a trial: 5e-4, 128, 64, on."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return short_number(value) if isinstance(value, float) else str(value)


def describe_trial(trial: TrialPoint) -> str:
    """Write what a trial is, for a hover label."""
    lines = [f"{escape(name)} {escape(write_value(value))}" for name, value in trial.values.items()]
    accuracy = "—" if trial.accuracy is None else f"{trial.accuracy:.1%}"
    return "<br>".join([f"<b>{trial.number + 1}: {accuracy}</b>", *lines])
