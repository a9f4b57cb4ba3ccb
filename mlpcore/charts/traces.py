"""Building blocks of the figures: colours, lines and markers as plain Plotly JSON.

A figure is `{"data": […], "layout": {…}}`, which `plotly.graph_objects.Figure` accepts as it is and which is light
enough to be built again at every tick. Fonts, text colour and grid are left to the page's theme; the colours that carry
meaning are Okabe and Ito's. Texts pass through `translate`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Json = dict[str, Any]
Figure = Json
Translate = Callable[[str], str]

LOSS, ACCURACY, RATE = "#D55E00", "#0072B2", "#009E73"
NOTE, PALE = "#8A94A0", "#CFDBE6"  # marks and notes; the early end of a progress scale
NOTHING = {"x": [None], "y": [None]}  # an empty trace keeps its axes and legend: without any point Plotly draws neither
# Those of Okabe and Ito's colours that are distinct on a light and on a dark page (where live_plot.js turns the blue
# into their sky blue), and a grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#8C8C8C")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("", "circle", "square")  # of the first six of a comparison, the next six and the rest
FEW = 8  # markers on a curve: enough to tell it, and not so many that they hide it


def line(
    uid: str, name: str, x: Any, y: Any, colour: str, *, width: float = 1.8, dash: str = "solid", **rest: Any
) -> dict[str, Any]:
    """Build a line trace; `uid` keeps its identity while its data change."""
    x = np.asarray(x).tolist()
    mode = "lines+markers" if len(x) == 1 else "lines"  # a line through one point is invisible
    look = {"color": colour, "width": width, "dash": dash}
    return {"uid": uid, "type": "scatter", "mode": mode, "name": name, "x": x, "y": y, "line": look, **rest}


def data_line(uid: str, name: str, x: Any, y: Any, colour: str, **rest: Any) -> dict[str, Any]:
    """Build a line that keeps its axes and its entry in the legend while it has no points."""
    return line(uid, name, x, y, colour, **rest) | ({} if len(x) else NOTHING)


def band(uid: str, along: Sequence[Any], low: Sequence[Any], high: Sequence[Any], colour: str, **rest: Any) -> Json:
    """Fill the space between two curves; it has no entry in the legend and no hover label."""
    area = {"fill": "toself", "fillcolor": faded(colour, 0.15), "line": {"width": 0}}
    outline = {"x": [*along, *reversed(along)], "y": [*high, *reversed(low)]}
    trace = {"uid": uid, "type": "scatter", "mode": "lines", "showlegend": False, "hoverinfo": "skip"}
    return trace | outline | area | rest


def markers(uid: str, x: Sequence[Any], y: Sequence[Any], **rest: Any) -> dict[str, Any]:
    """Build a trace of separate points."""
    return {"uid": uid, "type": "scatter", "mode": "markers", "x": x, "y": y, **rest}


def faded(colour: str, opacity: float) -> str:
    """Give a colour, #RRGGBB, an opacity."""
    red, green, blue = bytes.fromhex(colour[1:])
    return f"rgba({red},{green},{blue},{opacity})"


@dataclass(frozen=True)
class Look:
    """How one of several curves is drawn; `symbol` is empty for a curve without markers."""

    colour: str
    dash: str
    symbol: str


def find_look(place: int) -> Look:
    """Return the look of a curve by its place among all curves of a comparison.

    Of the first 18, no two have the same colour and dash, and no two the same dash and symbol: they differ without
    colour too.
    """
    turn = place // len(COLOURS)
    return Look(COLOURS[(place + turn) % len(COLOURS)], DASHES[place % len(DASHES)], SYMBOLS[turn % len(SYMBOLS)])


def look_line(uid: str, name: str, x: Any, y: Any, look: Look, **rest: Any) -> dict[str, Any]:
    """Build one of several curves; see data_line."""
    trace = data_line(uid, name, x, y, look.colour, dash=look.dash, **rest)
    if look.symbol:
        trace |= {"mode": "lines+markers", "marker": {"symbol": look.symbol, "size": 7, "maxdisplayed": FEW}}
    return trace
