"""Building blocks of the figures: colours, lines and markers as plain Plotly JSON.

A figure is `{"data": […], "layout": {…}}`, which `plotly.graph_objects.Figure` accepts as it is and which is light
enough to be built again at every tick. Fonts, text colour and grid are left to the page's theme; the colours that carry
meaning are Okabe and Ito's. Texts pass through `translate`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Json = dict[str, Any]
Figure = Json
Translate = Callable[[str], str]

LOSS, ACCURACY, RATE = "#D55E00", "#0072B2", "#009E73"
NOTE, PALE = "#8A94A0", "#CFDBE6"  # marks and notes; the early end of a progress scale
NOTHING = {"x": [None], "y": [None]}  # an empty trace keeps its axes and legend: without any point Plotly draws neither


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


def markers(uid: str, x: Sequence[Any], y: Sequence[Any], **rest: Any) -> dict[str, Any]:
    """Build a trace of separate points."""
    return {"uid": uid, "type": "scatter", "mode": "markers", "x": x, "y": y, **rest}


def faded(colour: str, opacity: float) -> str:
    """Give a colour, #RRGGBB, an opacity."""
    red, green, blue = bytes.fromhex(colour[1:])
    return f"rgba({red},{green},{blue},{opacity})"
