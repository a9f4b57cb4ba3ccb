"""The confusion matrix as a figure, with the accuracy of each class beside its row."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcore.charts.axes import axis
from mlpcore.charts.traces import ACCURACY, Figure, Json, Translate, markers

MOST_NUMBERED = 16  # classes: with more, the numbers would not fit into their cells
LONGEST = 12  # characters of a class's name beside a figure or an image
HIT, MISTAKE = "rgba(0,114,178,{})", "rgba(213,94,0,{})"  # accuracy and loss, with an opacity
STRONGEST = 0.6  # opacity: the page's own text stays readable on it


def confusion_height(classes: int) -> int:
    """Return the height of the figure in pixels."""
    return max(260, 110 + min(classes, MOST_NUMBERED) * 30)


def shorten_class(name: str) -> str:
    """Cut a class's name to what has room beside a figure or an image."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def confusion_chart(counts: NDArray[Any], classes: Sequence[str], *, translate: Translate = str) -> Figure:
    """Draw counts of images by true class (rows, the first on top) and predicted class (columns).

    counts: (classes, classes). Hits are coloured by their share of the row, mistakes by their share of the largest one.
    """
    size = len(classes)
    totals = counts.sum(axis=1)
    mistakes = counts - np.diag(np.diag(counts))
    accuracies = np.diag(counts) / np.maximum(totals, 1)
    places = list(range(size))
    is_hit = np.eye(size, dtype=bool)
    data: list[Json] = [
        _cells("hits", counts / np.maximum(totals, 1)[:, None], is_hit, HIT, largest=1.0),
        _cells("mistakes", mistakes, ~is_hit, MISTAKE, largest=max(int(mistakes.max()), 1)),
    ]
    hover = f"{translate('true')}: %{{customdata[0]}}<br>{translate('predicted')}: %{{customdata[1]}}"
    for trace in data:
        trace["customdata"] = [
            [[escape(true), escape(predicted), int(counts[row, column])] for column, predicted in enumerate(classes)]
            for row, true in enumerate(classes)
        ]
        trace["hovertemplate"] = f"{hover}<br>{translate('examples')}: %{{customdata[2]:,d}}<extra></extra>"
    if size <= MOST_NUMBERED:
        rows = [row for row in places for _column in places]
        texts = [str(count) for count in counts.flatten().tolist()]
        numbers = markers("numbers", places * size, rows, text=texts, textfont={"size": 11}, hoverinfo="skip")
        data.append(numbers | {"mode": "text"})
    data.append(
        {
            "uid": "accuracy",
            "type": "bar",
            "orientation": "h",
            "xaxis": "x2",
            "x": [round(float(accuracy), 4) for accuracy in accuracies],
            "y": places,
            "width": 0.8,
            "marker": {"color": ACCURACY},
            "text": [f"{accuracy:.0%}" for accuracy in accuracies] if size <= MOST_NUMBERED else None,
            "textposition": "outside",
            "cliponaxis": False,
            "customdata": [escape(name) for name in classes],
            "hovertemplate": f"%{{customdata}}<br>{translate('accuracy')} %{{x:.1%}}<extra></extra>",
        }
    )
    ticks: Json = {
        "tickmode": "array",
        "tickvals": places,
        "ticktext": [escape(shorten_class(name)) for name in classes],
        "fixedrange": True,
    }
    edge: Json = {"range": [-0.5, size - 0.5], "showgrid": False, "ticks": ""}
    return {
        "data": data,
        "layout": {
            "margin": {"l": 104, "r": 10, "t": 84, "b": 8},
            "meta": {"still": True, "narrow": {"margin": {"l": 74, "r": 4}, "yaxis": {"title": None}}},
            "showlegend": False,
            "hovermode": "closest",
            "bargap": 0.2,
            "xaxis": axis(translate("predicted class"), side="top", tickangle=-40, domain=[0, 0.78], **ticks, **edge),
            "yaxis": axis(translate("true class"), **ticks, **edge) | {"range": [size - 0.5, -0.5]},
            "xaxis2": axis(
                translate("accuracy"), side="top", domain=[0.8, 1], range=[0, 1.5], fixedrange=True, showgrid=False
            )
            | {"showticklabels": False, "anchor": "y"},
        },
    }


def _cells(name: str, values: NDArray[Any], shown: NDArray[Any], colour: str, *, largest: float) -> Json:
    """Colour the cells that are shown; opacity grows from 0 to the largest value."""
    return {
        "uid": name,
        "type": "heatmap",
        "z": [
            [round(float(value), 4) if show else None for value, show in zip(*row, strict=True)]
            for row in zip(values, shown, strict=True)
        ],
        "zmin": 0,
        "zmax": largest,
        "colorscale": [[0, colour.format(0)], [1, colour.format(STRONGEST)]],
        "showscale": False,
        "hoverongaps": False,
        "xgap": 1,
        "ygap": 1,
    }
