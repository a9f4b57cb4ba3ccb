"""Building blocks of the figures: colours, lines, notes and legends as plain Plotly JSON.

A figure is `{"data": […], "layout": {…}}`, which `plotly.graph_objects.Figure` accepts as it is and which is light
enough to be built again at every tick. Fonts, text colour and grid are left to the page's theme; the colours that carry
meaning are Okabe and Ito's. Texts pass through `translate`.
"""

from collections.abc import Callable
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


def vertical_line(step: int) -> dict[str, Any]:
    """Build the dashed line that marks a step in every panel."""
    ends = {"type": "line", "xref": "x", "yref": "paper", "x0": step, "x1": step, "y0": 0, "y1": 1}
    return ends | {"line": {"color": NOTE, "width": 1, "dash": "dash"}, "layer": "below"}


def note(text: str, **place: Any) -> dict[str, Any]:
    """Build a small text without an arrow."""
    return {"text": text, "showarrow": False, "font": {"size": 11}, **place}


def paper_note(text: str, x: float, y: float, xanchor: str = "left", yanchor: str = "bottom") -> dict[str, Any]:
    """Build a note at a place of the figure rather than of an axis, 0 to 1 each way."""
    return note(text, x=x, y=y, xref="paper", yref="paper", xanchor=xanchor, yanchor=yanchor)


def waiting_note(translate: Translate, *, y: float = 0.5) -> dict[str, Any]:
    """Build the note that stands where the curves of a run will be."""
    text = translate("The curves appear here as the run goes on.")
    return paper_note(text, 0.5, y, "center", "middle") | {"font": {"color": NOTE, "size": 13}}


def legend(**rest: Any) -> dict[str, Any]:
    """Build a legend in a row above the figure, without a background of its own."""
    row = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "itemwidth": 30, "bgcolor": "rgba(0,0,0,0)"}
    return row | rest


def faded(colour: str, opacity: float) -> str:
    """Give a colour, #RRGGBB, an opacity."""
    red, green, blue = bytes.fromhex(colour[1:])
    return f"rgba({red},{green},{blue},{opacity})"
