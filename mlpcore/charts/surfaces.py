"""Paths of optimizers over the contours of a surface."""

from collections.abc import Sequence

import numpy as np

from mlpcore.charts.annotations import legend
from mlpcore.charts.axes import axis
from mlpcore.charts.downsampling import evenly, rounded
from mlpcore.charts.traces import NOTE, Figure, Json, Translate, find_look, line, markers

LEVELS = 14  # contours, closer where the surface is low
# where the paths end: shapes tell them apart without colour
ENDS = ("circle", "square", "diamond", "triangle-up", "cross", "pentagon", "hexagon", "triangle-down")
MOST_PATHS = len(ENDS)
EDGE = {"width": 1.5, "color": "#FFFFFF"}
Position = tuple[float, float]


def trajectory_chart(
    surface: tuple[Sequence[float], Sequence[float], Sequence[Sequence[float]]],
    paths: Sequence[tuple[str, Sequence[Position]]],
    *,
    minima: Sequence[Position],
    translate: Translate = str,
) -> Figure:
    """Draw paths, by name and in the order of the palette, over the contours of a surface.

    surface: xs, ys and a row of heights for each y. The frame is the surface's: a path that leaves it is cut there.
    Contours are drawn at equal steps of the root of the height, so that a valley's floor is not empty.
    """
    xs, ys, rows = surface
    values = np.array(rows)
    shades = np.sqrt(values - values.min())
    hover = f"{translate('step')} %{{customdata}}<br>x %{{x:.3f}} · y %{{y:.3f}}"
    data: list[Json] = [
        {
            "uid": "surface",
            "type": "contour",
            "x": rounded(xs),
            "y": rounded(ys),
            "z": [rounded(row) for row in shades],
            "autocontour": False,
            "contours": {"coloring": "lines", "start": 0, "end": float(shades.max())}
            | {"size": float(shades.max()) / LEVELS},
            "colorscale": [[0, NOTE], [1, NOTE]],
            "line": {"width": 1},
            "opacity": 0.45,
            "showscale": False,
            "hoverinfo": "skip",
        }
    ]
    for place, (name, points) in enumerate(paths):
        kept = evenly(len(points))
        x, y = (rounded([points[step][side] for step in kept]) for side in (0, 1))
        look = find_look(place)
        path = line(f"path-{place}", name, x, y, look.colour, dash=look.dash, width=2, customdata=kept)
        data.append(
            path | {"mode": "lines+markers", "marker": {"size": 3.5}, "hovertemplate": f"{hover}<extra>{name}</extra>"}
        )
    for place, (name, points) in enumerate(paths):  # above all paths
        x, y = ([value] for value in rounded(points[-1]))
        data.append(
            markers(f"end-{place}", x, y, showlegend=False)
            | {"marker": {"size": 11, "symbol": ENDS[place], "color": find_look(place).colour, "line": EDGE}}
            | {"customdata": [len(points) - 1], "hovertemplate": f"{hover}<extra>{name}</extra>"}
        )
    x, y = (rounded([minimum[side] for minimum in minima]) for side in (0, 1))
    data.append(
        markers("minima", x, y, name=translate("minimum"), showlegend=False)
        | {"marker": {"symbol": "star", "size": 12, "color": NOTE}}
        | {"hovertemplate": f"{translate('minimum')} · x %{{x}} · y %{{y}}<extra></extra>"}
    )
    return {
        "data": data,
        "layout": {
            "margin": {"l": 48, "r": 14, "t": 52, "b": 40},
            "meta": {"narrow": {"margin": {"l": 38, "r": 8}}},
            "hovermode": "closest",
            "legend": legend(),
            "xaxis": axis("x", range=[xs[0], xs[-1]], nticks=8),
            "yaxis": axis("y", range=[ys[0], ys[-1]], nticks=7),
            "annotations": [],
        },
    }
