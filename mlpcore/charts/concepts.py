"""Figures of single concepts: probabilities and their gradient, activations, a network's values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcore.charts.annotations import legend, note, paper_note
from mlpcore.charts.axes import axis
from mlpcore.charts.downsampling import rounded
from mlpcore.charts.traces import ACCURACY, LOSS, NOTE, PALE, RATE, Figure, Json, Translate, line, markers
from mlpcore.numbers import short_number
from mlpcore.training.activations import ACTIVATION_CURVES

CURVES = {"sigmoid": ("sigmoid", ACCURACY, "solid"), "tanh": ("tanh", LOSS, "dash"), "relu": ("ReLU", RATE, "dot")}
REACH = 6.0  # how far from 0 the activations are drawn
STILL = {"meta": {"still": True}, "dragmode": False}
SIGNS = [[0, LOSS], [0.5, PALE], [1, ACCURACY]]  # of a value below 0, at 0 and above


def probabilities_chart(
    classes: Sequence[str],
    probabilities: Sequence[float],
    gradient: Sequence[float],
    *,
    true_class: int,
    translate: Translate = str,
) -> Figure:
    """Draw the probabilities with the one-hot label as outlines, and beside them the gradient of the loss."""
    labels = [float(place == true_class) for place in range(len(classes))]
    bars = {"type": "bar", "x": list(classes), "cliponaxis": False, "hoverinfo": "skip", "textposition": "outside"}
    bars |= {"textfont": {"size": 11}, "constraintext": "none", "textangle": 0}
    outline = {"color": "rgba(0,0,0,0)", "line": {"color": LOSS, "width": 2}}
    return {
        "data": [
            bars | {"uid": "labels", "name": translate("label y"), "y": labels, "marker": outline},
            bars
            | {"uid": "probabilities", "name": translate("probability p"), "y": rounded(probabilities)}
            | {"text": [f"{value:.2f}" for value in probabilities], "width": 0.5}
            | {"marker": {"color": ACCURACY}},
            bars
            | {"uid": "gradient", "name": translate("gradient p − y"), "y": rounded(gradient), "width": 0.5}
            | {"text": [f"{value:+.2f}".replace("-", "−") for value in gradient], "marker": {"color": RATE}}
            | {"xaxis": "x2", "yaxis": "y2"},
        ],
        "layout": {
            "margin": {"l": 34, "r": 8, "t": 30, "b": 26},
            "barmode": "overlay",
            "hovermode": False,
            "legend": legend(y=1.02, itemclick=False, itemdoubleclick=False),
            "xaxis": axis(domain=[0, 0.46], fixedrange=True, showgrid=False),
            "yaxis": axis(range=[0, 1.12], tickvals=[0, 0.5, 1], fixedrange=True),
            "xaxis2": axis(domain=[0.56, 1], anchor="y2", fixedrange=True, showgrid=False),
            "yaxis2": axis(range=[-1.2, 1.2], tickvals=[-1, 0, 1], fixedrange=True, anchor="x2") | {"zeroline": True},
            **STILL,
        },
    }


def activations_chart(x: float, *, translate: Translate = str) -> Figure:
    """Draw the three activation functions and, beside them, their derivatives, each with its value at `x`."""
    grid = np.union1d(np.linspace(-REACH, REACH, 241), 1e-6)  # ReLU's derivative jumps there
    data: list[Json] = []
    for panel, axes in ((0, {}), (1, {"xaxis": "x2", "yaxis": "y2"})):
        for name, functions in ACTIVATION_CURVES.items():
            label, colour, dash = CURVES[name]
            curve = rounded(functions[panel](grid))
            rest = {"showlegend": panel == 0, "legendgroup": name, "hoverinfo": "skip", **axes}
            data.append(line(f"{name}-{panel}", label, grid, curve, colour, dash=dash, width=2.2, **rest))
            data[-1]["line"]["simplify"] = False  # Plotly would leave out points of a curve that is this smooth
            at = markers(f"{name}-{panel}-at", [x], rounded(functions[panel](np.array([x]))), **axes)
            data.append(at | {"marker": {"color": colour, "size": 9}, "showlegend": False, "hoverinfo": "skip"})
    across: Json = {"range": [-REACH, REACH], "tickvals": [-6, -4, -2, 0, 2, 4, 6], "fixedrange": True}
    here = {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "line": {"color": NOTE, "width": 1}, "layer": "below"}
    return {
        "data": data,
        "layout": {
            "margin": {"l": 30, "r": 8, "t": 52, "b": 26},
            "hovermode": False,
            "legend": legend(y=1.1, itemclick=False, itemdoubleclick=False),
            "xaxis": axis(domain=[0, 0.47], **across),
            "yaxis": axis(range=[-1.1, 2.1], tickvals=[-1, -0.5, 0, 0.5, 1, 1.5, 2], fixedrange=True),
            "xaxis2": axis(domain=[0.54, 1], anchor="y2", **across),
            "yaxis2": axis(range=[-0.05, 1.05], tickvals=[0, 0.25, 0.5, 0.75, 1], fixedrange=True, anchor="x2"),
            "shapes": [here | {"xref": "x", "yref": "y domain"}, here | {"xref": "x2", "yref": "y2 domain"}],
            "annotations": [
                paper_note(text, left, 1) for text, left in ((translate("value"), 0), (translate("derivative"), 0.54))
            ],
            **STILL,
        },
    }


@dataclass(frozen=True)
class MatrixPanel:
    """A quantity of a network as cells of a sketch, which stay empty until it is known."""

    label: str
    hover: str
    values: NDArray[Any]  # (rows, columns)
    place: tuple[float, float]  # column and row of the first cell
    is_known: bool
    is_current: bool


def network_chart(grids: Sequence[MatrixPanel], *, unit: int, feature: int) -> Figure:
    """Draw a network's numbers as coloured cells, with the row of `unit` and the column of `feature` (from 0) framed.

    Each quantity has a colour scale of its own, symmetric around 0.
    """
    data, shapes, notes = [], [], []
    for grid in grids:
        rows, columns = grid.values.shape
        left, top = grid.place
        limit = float(np.abs(grid.values).max()) or 1.0
        edge = {"color": RATE, "width": 2.5} if grid.is_current else {"color": NOTE, "width": 0.6}
        frame = {"x0": left - 0.5, "x1": left + columns - 0.5, "y0": top - 0.5, "y1": top + rows - 0.5}
        shapes.append({"type": "rect", **frame, "line": edge, "layer": "above"})
        label = f"<b>{grid.label}</b>" if grid.is_current else grid.label
        notes.append(note(label, x=left + (columns - 1) / 2, y=top - 0.5, yanchor="bottom") | {"font": {"size": 12}})
        if not grid.is_known:
            continue
        data.append(
            {"uid": grid.hover, "type": "heatmap", "z": [rounded(row) for row in grid.values]}
            | {"x0": left, "dx": 1, "y0": top, "dy": 1, "xgap": 1, "ygap": 1}
            | {"zmin": -limit, "zmax": limit, "showscale": False}
            | {"colorscale": SIGNS}
            | {"hovertemplate": f"{grid.hover} %{{z:.4~g}}<extra></extra>"}
        )
        if rows == columns == 1:
            notes.append(note(short_number(grid.values[0, 0]), x=left, y=top + 0.5, yanchor="top"))
    marked = {"type": "rect", "line": {"color": NOTE, "width": 2}}
    tall = [grid for grid in grids if len(grid.values) > 1]
    right = max(grid.place[0] + grid.values.shape[1] for grid in tall)
    bottom = max(grid.place[1] + len(grid.values) for grid in tall)
    top = min(grid.place[1] for grid in grids if grid.place[0] == 0)
    shapes.append(marked | {"x0": -0.7, "x1": right - 0.3, "y0": unit - 0.65, "y1": unit + 0.65})
    shapes.append(marked | {"x0": feature - 0.65, "x1": feature + 0.65, "y0": top - 0.7, "y1": bottom - 0.3})
    return {
        "data": data or [{"type": "scatter", "x": [None], "y": [None]}],
        "layout": {
            "margin": {"l": 2, "r": 2, "t": 2, "b": 2},
            "hovermode": "closest",
            "showlegend": False,
            "xaxis": axis(range=[-1, 21.5], visible=False, fixedrange=True),
            "yaxis": axis(range=[bottom, -5.2], visible=False, fixedrange=True),
            "shapes": shapes,
            "annotations": notes,
            **STILL,
        },
    }


@dataclass(frozen=True)
class Layer:
    """A column of a network's picture: its label, the values of its nodes, and the weights that lead to them."""

    label: str
    values: NDArray[Any]  # (nodes,)
    is_known: bool
    is_current: bool
    weights: NDArray[Any] | None = None  # (nodes, nodes of the layer before); None for the inputs
    weights_are_current: bool = False


def connections_chart(layers: Sequence[Layer], *, chosen: Sequence[int]) -> Figure:
    """Draw a network as nodes and connections: blue above 0, orange below, wider and darker the larger the value.

    chosen: A node of each layer, from 0; the path through these nodes is framed.
    """
    data: list[Json] = []
    notes = []
    places = [_spread(len(layer.values)) for layer in layers]
    for number, layer in enumerate(layers):
        if layer.weights is not None:
            data += _draw_weights(number, layer, places[number - 1], places[number])
            ends = rounded([places[number - 1][chosen[number - 1]], places[number][chosen[number]]])
            width = 4 if layer.weights_are_current else 2
            colour = RATE if layer.weights_are_current else NOTE
            data.append(line(f"chosen-{number}", "", [number - 1, number], ends, colour, width=width, hoverinfo="skip"))
    for number, layer in enumerate(layers):
        limit = float(np.abs(layer.values).max()) or 1.0
        edge = {"color": RATE if layer.is_current else NOTE, "width": 2.5 if layer.is_current else 1}
        look: Json = {"size": 11, "line": edge, "color": PALE}
        if layer.is_known:
            look |= {"color": rounded(layer.values), "cmin": -limit, "cmax": limit, "colorscale": SIGNS}
        names = [f"{layer.label} {place}" if len(layer.values) > 1 else layer.label for place in _count(layer.values)]
        nodes = markers(f"nodes-{number}", [number] * len(layer.values), rounded(places[number]), marker=look)
        told = [f"{value:.4g}" if layer.is_known else "?" for value in layer.values]
        nodes |= {"text": [f"{name} = {value}" for name, value in zip(names, told, strict=True)]}
        data.append(nodes | {"hovertemplate": "%{text}<extra></extra>", "cliponaxis": False})
        label = f"<b>{layer.label}</b>" if layer.is_current else layer.label
        notes.append(note(label, x=number, y=1.0, yanchor="bottom", yshift=10) | {"font": {"size": 13}})
    return {
        "data": data,
        "layout": {
            "margin": {"l": 2, "r": 2, "t": 30, "b": 12},
            "hovermode": "closest",
            "showlegend": False,
            "xaxis": axis(range=[-0.15, len(layers) - 0.85], visible=False, fixedrange=True),
            "yaxis": axis(range=[0, 1], visible=False, fixedrange=True),
            "annotations": notes,
            **STILL,
        },
    }


def _count(values: NDArray[Any]) -> range:
    return range(1, len(values) + 1)


def _spread(count: int) -> NDArray[Any]:
    """Place nodes in a column from top to bottom, fewer of them closer to its middle."""
    reach = 0.5 * min(1.0, 0.35 + count / 30)
    return np.array([0.5]) if count == 1 else np.linspace(0.5 + reach, 0.5 - reach, count)


def _draw_weights(number: int, layer: Layer, before: NDArray[Any], after: NDArray[Any]) -> list[Json]:
    """Draw the connections to a layer: one trace for each sign and each third of the sizes."""
    assert layer.weights is not None
    limit = float(np.abs(layer.weights).max()) or 1.0
    third = np.ceil(np.abs(layer.weights) / limit * 3).astype(int)
    traces = []
    for size in (1, 2, 3):
        for sign, colour in ((1, ACCURACY), (-1, LOSS)):
            ends = np.argwhere((third == size) & (np.sign(layer.weights) == sign))
            x = [value for _end in ends for value in (number - 1, number, None)]
            y = [value for node, source in ends for value in (*rounded([before[source], after[node]]), None)]
            opacity = (0.25 if layer.weights_are_current else 0.08) * size
            look = {"color": colour, "width": 0.6 * size}
            trace = {"uid": f"weights-{number}-{sign * size}", "type": "scatter", "mode": "lines", "line": look}
            traces.append(trace | {"x": x, "y": y, "opacity": opacity, "hoverinfo": "skip"})
    return traces
