"""The loss surface around the paths of runs: contours of equal ratio, with the paths and their evaluations."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from mlpcore.analysis.replay.loss_surface import LossSurface, WeightPath
from mlpcore.charts.annotations import legend
from mlpcore.charts.axes import axis
from mlpcore.charts.downsampling import rounded
from mlpcore.charts.surfaces import EDGE, ENDS
from mlpcore.charts.traces import NOTE, Figure, Json, Translate, find_look, line, markers
from mlpcore.numbers import short_number
from mlpcore.runs.records import Evaluation

CONTOURS, TICKS = 16, 6
SHADE = "rgba(138,148,160,{})"  # NOTE, with an opacity: darker where the loss is higher, on any background
DARKEST = 0.5  # opacity
HIGHEST = 100.0  # times the lowest loss: what is higher has the darkest shade


@dataclass(frozen=True)
class PathOfRun:
    """A run whose path is drawn: its name, its place among all runs of a comparison, and its evaluations."""

    name: str
    place: int
    evaluations: Sequence[Evaluation]


def loss_surface_chart(surface: LossSurface, runs: Sequence[PathOfRun], *, translate: Translate = str) -> Figure:
    """Draw the paths of runs over the contours of the loss. Hovering over an evaluation tells the network's own loss.

    runs: in the order of the surface's paths.
    """
    data: list[Json] = [_draw_contours(surface, translate)]
    drawn = list(zip(runs, surface.paths, ENDS, strict=False))
    for run, path, symbol in drawn:
        data += _draw_path(run, path, symbol, translate)
    for run, path, symbol in drawn:  # above all paths
        data.append(_draw_end(run, path, symbol, translate))
    first, second = surface.explained
    direction = translate("direction {number}: {share:.0%} of the variance")
    return {
        "data": data,
        "layout": {
            "margin": {"l": 52, "r": 8, "t": 40, "b": 44},
            "meta": {"narrow": {"margin": {"l": 42, "r": 4, "t": 40 if len(runs) == 1 else 84}}},
            "hovermode": "closest",
            "legend": legend(),
            "xaxis": axis(direction.format(number=1, share=first), range=[surface.xs[0], surface.xs[-1]], nticks=8),
            "yaxis": axis(direction.format(number=2, share=second), range=[surface.ys[0], surface.ys[-1]], nticks=7),
            "annotations": [],
        },
    }


def _draw_contours(surface: LossSurface, translate: Translate) -> Json:
    heights, ticks = _find_heights(surface.losses)
    low, high = float(heights.min()), float(heights.max())
    bar: Json = {
        "title": {"text": translate("loss"), "side": "top", "font": {"size": 11}},
        "tickmode": "array",
        "tickvals": [float(np.log10(tick)) for tick in ticks],
        "ticktext": [short_number(tick) for tick in ticks],
        "thickness": 10,
        "outlinewidth": 0,
        "len": 1.0,
        "xpad": 4,
    }
    return {
        "uid": "surface",
        "type": "contour",
        "x": rounded(surface.xs),
        "y": rounded(surface.ys),
        "z": [rounded(row) for row in heights],
        "autocontour": False,
        "contours": {"coloring": "heatmap", "start": low, "end": high, "size": max((high - low) / CONTOURS, 1e-9)},
        "zmin": low,
        "zmax": high,
        "colorscale": [[0, SHADE.format(0)], [1, SHADE.format(DARKEST)]],
        "line": {"width": 0.8, "color": NOTE},
        "colorbar": bar,
        "text": [[short_number(loss) if np.isfinite(loss) else "∞" for loss in row] for row in surface.losses.tolist()],
        "hovertemplate": f"{translate('loss')} %{{text}}<extra></extra>",
    }


def _find_heights(losses: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[float]]:
    """Return the heights that are drawn, logarithms of losses up to HIGHEST, and losses that the colour bar names."""
    positive = np.maximum(losses, np.finfo(np.float32).tiny)
    lowest = float(positive.min())
    highest = min(float(positive[np.isfinite(positive)].max()), HIGHEST * lowest)
    ticks = dict.fromkeys(float(f"{tick:.2g}") for tick in np.geomspace(lowest, highest, TICKS))
    inside = [tick for tick in ticks if lowest <= tick <= highest]
    return np.log10(np.minimum(positive, highest)), inside


def _draw_path(run: PathOfRun, path: WeightPath, symbol: str, translate: Translate) -> list[Json]:
    """Draw a path with a marker at each evaluation, and an open circle where it starts."""
    measured = {evaluation.step: evaluation for evaluation in run.evaluations}
    shown = [_describe(step, measured.get(step)) for step in path.steps]
    look = find_look(run.place)
    hover = f"{translate('step')} %{{customdata[0]:,d}}<br>{translate('train loss')} %{{customdata[1]}}"
    hover = f"{hover}<br>{translate('test accuracy')} %{{customdata[2]}}<extra>{escape(run.name)}</extra>"
    x, y = rounded(path.xs), rounded(path.ys)
    drawn = line(f"path-{run.place}", escape(run.name), x, y, look.colour, dash=look.dash, width=2, customdata=shown)
    drawn |= {"mode": "lines+markers", "marker": {"size": 5}, "hovertemplate": hover}
    start: Json = {"size": 10, "symbol": f"{symbol}-open", "color": look.colour}
    start["line"] = {"width": 2}
    first = markers(f"start-{run.place}", x[:1], y[:1], showlegend=False, marker=start)
    name = translate("start")
    return [drawn, first | {"hovertemplate": f"{name}<extra>{escape(run.name)}</extra>"}]


def _draw_end(run: PathOfRun, path: WeightPath, symbol: str, translate: Translate) -> Json:
    measured = {evaluation.step: evaluation for evaluation in run.evaluations}
    step, loss, accuracy = _describe(path.steps[-1], measured.get(path.steps[-1]))
    look: Json = {"size": 12, "symbol": symbol, "color": find_look(run.place).colour, "line": EDGE}
    x, y = rounded(path.xs[-1:]), rounded(path.ys[-1:])
    told = (
        f"{translate('step')} {step:,}<br>{translate('train loss')} {loss}<br>{translate('test accuracy')} {accuracy}"
    )
    end = markers(f"end-{run.place}", x, y, showlegend=False, marker=look)
    return end | {"hovertemplate": f"{told}<extra>{escape(run.name)}</extra>"}


def _describe(step: int, evaluation: Evaluation | None) -> tuple[int, str, str]:
    """Return a moment's step, the network's own loss on the sample of training images, and its test accuracy."""
    if evaluation is None:
        return step, "–", "–"
    return step, f"{evaluation.train_eval_loss:.3f}", f"{evaluation.test_acc:.1%}"
