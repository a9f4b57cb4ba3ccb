"""The trials of a search over two of its hyperparameters: a heat map of a grid, or dots over a contour."""

from collections.abc import Callable, Sequence

import numpy as np

from mlpcore.analysis.sweeps.contour import Contour
from mlpcore.charts.downsampling import rounded
from mlpcore.charts.sweeps.points import Scale, TrialPoint, describe_trial, empty_note, ring
from mlpcore.charts.traces import NOTE, Figure, Json, Translate, markers

COLOURS = "Cividis"  # a scale that reads the same to colour-blind eyes, from dark (low) to bright (high)
CONTOUR_OPACITY = 0.45  # so that the dots stand out, which are what was measured
MOST_TEXTS = 150  # cells that have their accuracy written into them, and so need no scale


def map_chart(
    trials: Sequence[TrialPoint],
    across: Scale,
    up: Scale,
    *,
    contour: Contour | None = None,
    chosen: int | None = None,
    translate: Translate = str,
) -> Figure:
    """Draw the trials over two hyperparameters, with the accuracy as colour; what came to nothing is a cross.

    A click names the trial: its number is the point's id.

    Args:
        contour: The accuracy between them, at places of the two scales.
        chosen: The number of a trial that stands out.
    """
    both = [one for one in trials if across.name in one.values and up.name in one.values]
    known = [(one, one.accuracy) for one in both if one.accuracy is not None]
    accuracies = [accuracy for _, accuracy in known]
    dots = _markers("known", [one for one, _ in known], across, up)
    dots["marker"] = {"size": 13, "line": {"width": 1, "color": NOTE}, "color": rounded(accuracies)}
    dots["marker"] |= _scale(accuracies, translate)
    lost = _crosses([one for one in both if one.accuracy is None], across, up)
    around = ring(*_places([one for one in both if one.number == chosen], across, up))
    below = [] if contour is None or not accuracies else [_contour(contour, accuracies, across, up)]
    layout = _layout(across, up, has_scale=True) | {"annotations": [] if both else [empty_note(translate)]}
    return {"data": [*below, dots, lost, around], "layout": layout}


def heat_chart(
    trials: Sequence[TrialPoint], across: Scale, up: Scale, *, chosen: int | None = None, translate: Translate = str
) -> Figure:
    """Draw the cells of a grid over two hyperparameters, each in the colour of its best trial.

    A cell of which every trial came to nothing has a cross, one that was not trained stays empty. A click names the
    trial: its number is the cell's id.

    chosen: The number of a trial whose cell stands out.
    """
    columns, rows = len(across.options), len(up.options)
    both = [one for one in trials if across.name in one.values and up.name in one.values]
    best: dict[tuple[float, float], TrialPoint] = {}
    for one in sorted(both, key=lambda one: one.accuracy or 0.0):
        best[up.place(one.values[up.name]), across.place(one.values[across.name])] = one

    def cells(write: Callable[[TrialPoint], object]) -> list[list[object]]:
        return [[write(best[y, x]) if (y, x) in best else None for x in range(columns)] for y in range(rows)]

    accuracies = [one.accuracy for one in best.values() if one.accuracy is not None]
    has_texts = columns * rows <= MOST_TEXTS
    heat: Json = {"type": "heatmap", "uid": "cells", "x": list(range(columns)), "y": list(range(rows))}
    heat |= {"z": cells(lambda one: one.accuracy), "ids": cells(lambda one: str(one.number)), "xgap": 2, "ygap": 2}
    heat |= {"text": cells(describe_trial), "hovertemplate": "%{text}<extra></extra>", "hoverongaps": False}
    heat |= {"texttemplate": "%{z:.0%}", "colorscale": COLOURS, "showscale": False} if has_texts else {}
    heat |= {} if has_texts else _scale(accuracies, translate)
    lost = _crosses([one for one in best.values() if one.accuracy is None], across, up)
    around = ring(*_places([one for one in both if one.number == chosen], across, up), size=40)
    layout = _layout(across, up, has_scale=not has_texts) | {"annotations": [] if both else [empty_note(translate)]}
    return {"data": [heat, lost, around], "layout": layout}


def _contour(contour: Contour, accuracies: Sequence[float], across: Scale, up: Scale) -> Json:
    x, y = (
        rounded(10.0 ** np.array(along) if scale.is_log else along)
        for scale, along in ((across, contour.across), (up, contour.up))
    )
    trace: Json = {"type": "contour", "uid": "contour", "x": x, "y": y, "z": contour.accuracies, "colorscale": COLOURS}
    trace |= {"zmin": min(accuracies), "zmax": max(accuracies), "showscale": False, "hoverinfo": "skip"}
    trace |= {"contours": {"coloring": "fill"}, "ncontours": 12, "line": {"width": 0}, "connectgaps": False}
    return trace | {"opacity": CONTOUR_OPACITY}


def _places(trials: Sequence[TrialPoint], across: Scale, up: Scale) -> tuple[list[float], list[float]]:
    x, y = ([scale.along(one.values[scale.name]) for one in trials] for scale in (across, up))
    return x, y


def _markers(uid: str, trials: Sequence[TrialPoint], across: Scale, up: Scale) -> Json:
    x, y = _places(trials, across, up)
    trace = markers(uid, x, y, ids=[str(one.number) for one in trials], showlegend=False)
    return trace | {"text": list(map(describe_trial, trials)), "hovertemplate": "%{text}<extra></extra>"}


def _crosses(trials: Sequence[TrialPoint], across: Scale, up: Scale) -> Json:
    """Draw what came to nothing."""
    return _markers("lost", trials, across, up) | {"marker": {"symbol": "x-thin-open", "size": 9, "color": NOTE}}


def _scale(accuracies: Sequence[float], translate: Translate) -> Json:
    """Build the scale from the lowest accuracy to the highest, as a heat map and as markers have it."""
    title: Json = {"text": translate("accuracy"), "side": "right"}
    bar: Json = {"title": title, "tickformat": ".0%", "thickness": 10, "outlinewidth": 0}
    return {"colorscale": COLOURS, "colorbar": bar, "showscale": bool(accuracies)}


def _layout(across: Scale, up: Scale, *, has_scale: bool) -> Json:
    layout: Json = {"margin": {"l": 64, "r": 70 if has_scale else 14, "t": 14, "b": 44}, "hovermode": "closest"}
    layout["meta"] = {"narrow": {"xaxis": {"automargin": True}}}  # slanted ticks
    return layout | {"xaxis": across.axis(), "yaxis": up.axis()}
