"""The health of a network's layers over the steps: one strip per layer, the first on top."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlpcore.charts.annotations import note, vertical_line, waiting_note
from mlpcore.charts.axes import axis
from mlpcore.charts.downsampling import evenly, rounded
from mlpcore.charts.traces import COLOURS, NOTE, NOTHING, Figure, Json, Translate, line
from mlpcore.messages import N_
from mlpcore.runs.records import Evaluation

STRIP, SPACE = 52, 18  # pixels: the height of a strip, and what lies between two
TOP, BOTTOM = 18, 40  # pixels: above the first strip and below the last
USUAL_UPDATE = -3  # log10: a step that moves weights by a thousandth of their size is neither slow nor wild
LOWEST = -9.0  # log10 of what is drawn: a rate that has fallen to 0 moves nothing at all
COLOUR = COLOURS[3]  # loss, accuracy and rate have their own


@dataclass(frozen=True)
class HealthMeasure:
    """A measure of each layer: how it is read from an evaluation, and how it is written when hovered.

    line: a value that a dashed line marks in each strip. is_share: whether it lies between 0 and 1.
    """

    read: Callable[[Evaluation], Sequence[float]]
    form: str
    line: float | None = None
    is_share: bool = False


def _log10(numbers: Sequence[float]) -> list[float]:
    return [max(math.log10(number), LOWEST) if number > 0 else LOWEST for number in numbers]


HEALTH: Mapping[str, HealthMeasure] = {
    "update_ratios": HealthMeasure(lambda one: _log10(one.update_ratios), ".2f", line=USUAL_UPDATE),
    "gradient_norms": HealthMeasure(lambda one: _log10(one.gradient_norms), ".2f"),
    "stuck_units": HealthMeasure(lambda one: one.stuck_units, ".0%", is_share=True),
}
NAMES: Mapping[str, str] = {
    "update_ratios": N_("log10 of the update-to-weight ratio"),
    "gradient_norms": N_("log10 of gradient norm"),
    "relu": N_("dead units"),
    "sigmoid": N_("saturated units"),
    "tanh": N_("saturated units"),
}


def health_height(layers: int) -> int:
    """Return the height of a figure with so many strips in pixels."""
    return TOP + BOTTOM + layers * STRIP + (layers - 1) * SPACE


def health_chart(
    evaluations: Sequence[Evaluation],
    measure: str,
    *,
    layers: int,
    train_iter: int,
    at: int | None = None,
    translate: Translate = str,
) -> Figure:
    """Draw one measure of HEALTH, a strip for each of so many layers, all on the same scale, with a mark at a step."""
    kind = HEALTH[measure]
    known = [evaluation for evaluation in evaluations if evaluation.update_ratios]
    kept = [known[place] for place in evenly(len(known))]
    steps = [evaluation.step for evaluation in kept]
    values = [kind.read(evaluation) for evaluation in kept]
    scale = _share_axis() if kind.is_share else _log_axis(values, kind.line)
    height = layers * STRIP + (layers - 1) * SPACE
    data: list[Json] = []
    notes: list[Json] = []
    layout: Json = {}
    for layer in range(layers):
        panel = "" if layer == 0 else str(layer + 1)
        top = 1 - layer * (STRIP + SPACE) / height
        name = translate("layer {n}").format(n=layer + 1)
        y = [of_layers[layer] for of_layers in values]
        trace = line(f"layer-{layer}", name, steps, rounded(y), COLOUR, yaxis=f"y{panel}", showlegend=False)
        fill: Json = {"fill": "tozeroy"} if kind.is_share else {}
        data.append((trace if steps else trace | NOTHING) | fill | {"hovertemplate": f"%{{y:{kind.form}}}"})
        layout[f"yaxis{panel}"] = axis(domain=[round(top - STRIP / height, 6), round(top, 6)], fixedrange=True, **scale)
        notes.append(_name_strip(name, top))
    if not steps:
        notes.append(waiting_note(translate))
    lines = [_usual_line(place, kind.line) for place in range(layers)] if kind.line is not None else []
    lines += [vertical_line(at)] if at else []
    return {
        "data": data,
        "layout": layout
        | {
            "margin": {"l": 44, "r": 12, "t": TOP, "b": BOTTOM},
            "hovermode": "x unified",
            "hoversubplots": "axis",
            "showlegend": False,
            "annotations": notes,
            "shapes": lines,
            "xaxis": axis(translate("iteration"), range=[0, train_iter], nticks=5, tickformat=",d")
            | {"anchor": f"y{layers if layers > 1 else ''}"}
            | {"unifiedhovertitle": {"text": f"{translate('step')} %{{x:,d}}"}},
        },
    }


def _log_axis(values: Sequence[Sequence[float]], marked: float | None) -> Json:
    """Scale powers of ten to whole numbers, two of which are labelled besides the one that is marked."""
    every = np.array([*(value for of_layers in values for value in of_layers), -1.0 if marked is None else marked])
    low, high = math.floor(every.min()), math.ceil(every.max())
    low, high = (low - 1, high + 1) if low == high else (low, high)
    ticks = sorted({low, high} | ({int(marked)} if marked is not None else {(low + high) // 2}))
    return {
        "range": [low - 0.1, high + 0.1],
        "tickvals": ticks,
        "ticktext": [f"{tick}".replace("-", "−") for tick in ticks],
    }


def _share_axis() -> Json:
    return {"range": [-0.03, 1.03], "tickvals": [0, 0.5, 1], "tickformat": ".0%"}


def _name_strip(name: str, top: float) -> Json:
    place = {"x": 0, "y": top, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    return note(name, **place) | {"font": {"size": 11, "color": NOTE}}


def _usual_line(place: int, value: float) -> Json:
    ends = {"xref": "paper", "x0": 0, "x1": 1, "yref": "y" if place == 0 else f"y{place + 1}", "y0": value, "y1": value}
    return ends | {"type": "line", "line": {"color": NOTE, "width": 1.5, "dash": "dash"}}
