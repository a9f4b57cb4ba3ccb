"""What stands beside the traces of a figure: notes, marks and legends, as plain Plotly JSON."""

from typing import Any

from mlpcore.charts.traces import NOTE, Translate


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
