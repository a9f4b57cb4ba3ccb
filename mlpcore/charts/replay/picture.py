"""What a network makes of one picture: the probability of each class, the likeliest on top."""

from collections.abc import Sequence
from html import escape

from mlpcore.charts.axes import axis
from mlpcore.charts.confusion import shorten_class
from mlpcore.charts.traces import ACCURACY, Figure, Translate

MOST_CLASSES = 10  # the likeliest
ROW = 26  # pixels per class


def picture_height(classes: int) -> int:
    """Return the height of the figure in pixels."""
    return 56 + ROW * min(classes, MOST_CLASSES)


def picture_chart(probabilities: Sequence[float], classes: Sequence[str], *, translate: Translate = str) -> Figure:
    """Draw the probability of each class as a bar with its number, up to the MOST_CLASSES likeliest."""
    order = sorted(range(len(classes)), key=lambda label: -probabilities[label])[:MOST_CLASSES]
    names = [escape(shorten_class(classes[label])) for label in order]
    shares = [round(probabilities[label], 4) for label in order]
    places = list(range(len(order)))
    bars = {
        "uid": "classes",
        "type": "bar",
        "orientation": "h",
        "x": shares,
        "y": places,
        "marker": {"color": ACCURACY},
        "text": [f"{share:.1%}" for share in shares],
        "textposition": "outside",
        "cliponaxis": False,
        "customdata": [escape(classes[label]) for label in order],
        "hovertemplate": "%{customdata} %{x:.2%}<extra></extra>",
    }
    return {
        "data": [bars],
        "layout": {
            "margin": {"l": 96, "r": 52, "t": 8, "b": 40},
            "bargap": 0.35,
            "showlegend": False,
            "hovermode": "closest",
            "xaxis": axis(translate("probability"), range=[0, 1], tickformat=".0%", nticks=6, fixedrange=True),
            "yaxis": axis(range=[len(order) - 0.5, -0.5], tickvals=places, ticktext=names, fixedrange=True),
        },
    }
