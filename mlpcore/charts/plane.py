"""The plane as a network sees it: the probability of each class as colour, boundaries as lines, points on top."""

import base64
import struct

import numpy as np

from mlpcore.charts.annotations import legend
from mlpcore.charts.axes import axis
from mlpcore.charts.traces import COLOURS, NOTE, Figure, Json, Translate, faded, markers
from mlpcore.runs.plane import SIDE, Plane

EDGE = {"width": 1, "color": "#FFFFFF"}
LIGHT = 0.55  # opacity of a class that is certain, so that points of its own colour are seen on it
NARROW_WIDTH = 362  # pixels that a phone has for a chart
SMALL_POINTS = 150  # of a small surface


def plane_chart(
    plane: Plane, *, small: bool = False, axes: bool = True, show_test: bool = True, translate: Translate = str
) -> Figure:
    """Draw the newest surface of a plane, if it has one, and its points.

    A class colours where it is the most probable one, the stronger the further it is ahead of the next; where two are
    equal is the boundary.

    Args:
        small: Without axes, legend and test points, for a row of surfaces.
        axes: Whether the axes are drawn.
        show_test: Whether to draw the points that the network is tested on.
    """
    data = _draw_surface(plane.surfaces[-1].shares, plane.limit) if plane.surfaces else []
    most = SMALL_POINTS if small else len(plane.train)
    if show_test and not small:
        data += _draw_points("test", plane.test, plane.test_labels, translate("test"), hollow=True)
    data += _draw_points("train", plane.train[:most], plane.train_labels[:most], translate("train"), small=small)
    wrong = plane.train[:most][plane.is_wrong[:most]]
    ring = {"symbol": "circle-open", "size": 9 if small else 13, "color": NOTE, "line": {"width": 2}}
    if len(wrong):
        data.append(markers("wrong", *wrong.T.round(3).tolist(), marker=ring, hoverinfo="skip", showlegend=False))
    if not small:
        data += _draw_legend(translate, has_wrong=bool(len(wrong)), has_test=show_test)
    margin = {"l": 34, "r": 6, "t": 26, "b": 40} if axes else {"l": 2, "r": 2, "t": 26, "b": 2}
    hidden: Json = {"showgrid": False, "nticks": 5} if axes and not small else {"visible": False}
    scale = {"range": [-plane.limit, plane.limit], "fixedrange": True, "constrain": "domain", **hidden}
    return {
        "data": data,
        "layout": {
            "margin": margin | ({"l": 2, "t": 2, "b": 2} if small else {}),
            "meta": {"still": True},
            "hovermode": False if small else "closest",
            "showlegend": not small,
            "legend": legend(font={"size": 11}),
            "xaxis": axis("" if small else "x₁", **scale),
            "yaxis": axis("" if small else "x₂", scaleanchor="x", **scale),
            "annotations": [],
        },
    }


def _draw_surface(shares: np.ndarray, limit: float) -> list[Json]:
    """Draw a layer of colour per class, and the lines where the lead of a class ends."""
    leads, step = find_leads(shares), 2 * limit / (SIDE - 1)
    common: Json = {"x0": -limit, "dx": step, "y0": -limit, "dy": step}
    common |= {"showscale": False, "showlegend": False, "hoverinfo": "skip"}
    layers: list[Json] = [
        {
            "uid": f"class-{label}",
            "type": "heatmap",
            "z": _pack(lead.clip(0).astype(np.uint8)),
            "zmin": 0,
            "zmax": 255,
            "zsmooth": "fast",
            "colorscale": [[0, faded(COLOURS[label], 0)], [1, COLOURS[label]]],
            "opacity": LIGHT,
        }
        for label, lead in enumerate(leads)
    ]
    lines: list[Json] = [
        {
            "uid": f"boundary-{label}",
            "type": "contour",
            "z": _pack(lead.clip(-127, 127).astype(np.int8)),
            "autocontour": False,
            "contours": {"coloring": "none", "start": 0, "end": 0, "size": 1, "showlabels": False},
            "line": {"width": 2, "color": NOTE},
        }
        for label, lead in enumerate(leads[:-1])  # a boundary of the last class is one of another, too
    ]
    return [trace | common for trace in layers + lines]


def fit_picture(png: bytes, width: int) -> int:
    """Return the height of a picture that is drawn so wide."""
    sizes: tuple[int, int] = struct.unpack(">II", png[16:24])  # in a PNG's first chunk
    columns, rows = sizes
    return -(-width * rows // columns)


def picture_chart(png: bytes) -> Figure:
    """Show a picture as a chart: one that changes at every tick is exchanged in place, without a request or a gap."""
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    place: Json = {"xref": "paper", "yref": "paper", "x": 0, "y": 1, "sizex": 1, "sizey": 1, "xanchor": "left"}
    return {
        "data": [],
        "layout": {
            "margin": dict.fromkeys("lrtb", 0),
            "meta": {"still": True, "narrow": {"height": fit_picture(png, NARROW_WIDTH)}},
            "hovermode": False,
            "xaxis": {"visible": False, "fixedrange": True},
            "yaxis": {"visible": False, "fixedrange": True},
            "images": [place | {"source": source, "sizing": "contain", "yanchor": "top"}],
        },
    }


def find_leads(shares: np.ndarray) -> np.ndarray:
    """Find by how much each class is ahead of the best of the others, from -255 to 255: (classes, …) as the shares."""
    ordered = np.sort(shares.astype(np.int16), axis=0)
    best, second = ordered[-1], ordered[-2]
    own = shares.astype(np.int16)
    ahead: np.ndarray = own - np.where(own == best, second, best)
    return ahead


def _pack(numbers: np.ndarray) -> Json:
    """Write an array as plotly.js reads it: a twentieth of the time and a third of the bytes of a list."""
    kind = {"uint8": "u1", "int8": "i1"}[numbers.dtype.name]
    return {"dtype": kind, "bdata": base64.b64encode(numbers.tobytes()).decode(), "shape": f"{SIDE}, {SIDE}"}


def _draw_points(
    uid: str, points: np.ndarray, labels: np.ndarray, name: str, *, small: bool = False, hollow: bool = False
) -> list[Json]:
    """Draw the points of a split, in the colours of their labels."""
    traces = []
    for label in np.unique(labels).tolist():
        colour = COLOURS[label]
        look: Json = {"color": colour, "size": 5 if small else 7, "line": EDGE}
        if hollow:
            look = {"color": colour, "size": 5, "symbol": "circle-open", "opacity": 0.7}
        x, y = points[labels == label].T.round(3).tolist()
        hover = f"{name} · {'ABCDEF'[label]}<extra></extra>"
        traces.append(markers(f"{uid}-{label}", x, y, marker=look, hovertemplate=hover, showlegend=False))
    return traces


def _draw_legend(translate: Translate, *, has_wrong: bool, has_test: bool) -> list[Json]:
    """Draw entries of the legend that say what a mark is, whatever its colour."""
    entries = [("train", translate("train"), {"color": NOTE, "size": 8})]
    if has_test:
        entries.append(("test", translate("test"), {"color": NOTE, "size": 7, "symbol": "circle-open"}))
    if has_wrong:
        ring = {"color": NOTE, "size": 11, "symbol": "circle-open", "line": {"width": 2}}
        entries.append(("wrong", translate("wrong label"), ring))
    return [markers(f"legend-{uid}", [None], [None], name=name, marker=look) for uid, name, look in entries]
