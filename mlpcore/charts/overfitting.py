"""The overfitting lab's figures: train against test with the gap shaded, the weights' norms, remedies side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from mlpcore.charts.annotations import legend, note, vertical_line, waiting_note
from mlpcore.charts.axes import INTERVALS, axis, five_steps
from mlpcore.charts.downsampling import evenly, finite, rounded
from mlpcore.charts.traces import (
    ACCURACY,
    LOSS,
    NOTE,
    NOTHING,
    Figure,
    Json,
    Look,
    Translate,
    faded,
    find_look,
    line,
    look_line,
    markers,
)
from mlpcore.runs.records import Evaluation

SHADE = 0.22  # opacity of the gap: less cannot be seen on a dark page
LETTER = 0.016  # of the panel's width, a letter of a note: 6 pixels of 380
HEIGHTS = (0.5, 0.65, 0.35, 0.8, 0.2, 0.93, 0.07)  # at which a note may stand, shares of the panel's height
SMALL_NOTE = {"font": {"color": NOTE, "size": 11}}


def loss_gap_chart(
    evaluations: Sequence[Evaluation],
    *,
    train_iter: int,
    lowest: Evaluation | None,
    show_test: bool = True,
    translate: Translate = str,
) -> Figure:
    """Draw train and test loss, both in eval mode, with the gap shaded and the lowest test loss marked.

    lowest: None for no mark. show_test: whether anything of the test images is drawn.
    """
    train, test = [each.train_eval_loss for each in evaluations], [each.test_loss for each in evaluations]
    curves = _gap_curves(evaluations, train, test if show_test else None, LOSS, ".3f", translate)
    values = finite(train + test if show_test else train)
    shapes, notes = [], [] if evaluations else [waiting_note(translate)]
    scale = five_steps(values, default=2.5)
    if lowest is not None:
        shapes.append(vertical_line(lowest.step))
        text = f"{translate('lowest test loss')} {lowest.step:,}"
        notes.append(_step_note(text, lowest.step, curves, train_iter, top=scale[1]))
        curves.append(_optimum(lowest.step, lowest.test_loss, LOSS, translate("lowest test loss"), ".3f"))
    return _step_chart(
        curves,
        axis(translate("loss"), range=scale, nticks=INTERVALS + 1),
        train_iter,
        translate,
        shapes=shapes,
        annotations=notes,
    )


def accuracy_gap_chart(
    evaluations: Sequence[Evaluation],
    *,
    train_iter: int,
    best: Evaluation | None,
    chance: float | None = None,
    show_test: bool = True,
    translate: Translate = str,
) -> Figure:
    """Draw train and test accuracy likewise, and the best step; chance, if known, as a dotted line."""
    train, test = [each.train_acc for each in evaluations], [each.test_acc for each in evaluations]
    curves = _gap_curves(evaluations, train, test if show_test else None, ACCURACY, ".1%", translate)
    shapes, notes = [], [] if evaluations else [waiting_note(translate)]
    if chance is not None:
        shapes.append(
            {"type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": chance, "y1": chance}
            | {"line": {"color": NOTE, "width": 1, "dash": "dot"}, "layer": "below"}
        )
        place = {"x": 1, "y": chance, "xref": "paper", "yref": "y", "xanchor": "right", "yanchor": "top"}
        notes.append(note(translate("chance"), **place) | {"xshift": -3} | SMALL_NOTE)
    if best is not None:
        shapes.append(vertical_line(best.step))
        text = f"{translate('best step')} {best.step:,}"
        guess = [] if chance is None else [{"x": curves[0]["x"], "y": [chance] * len(evaluations)}]
        notes.append(_step_note(text, best.step, curves + guess, train_iter, top=1.0))
        curves.append(_optimum(best.step, best.test_acc, ACCURACY, translate("best step"), ".1%"))
    scale = {"range": [0, 1], "tickformat": ".0%", "nticks": INTERVALS + 1}
    return _step_chart(
        curves, axis(translate("accuracy")) | scale, train_iter, translate, shapes=shapes, annotations=notes
    )


def norms_chart(evaluations: Sequence[Evaluation], *, train_iter: int, translate: Translate = str) -> Figure:
    """Draw the Euclidean norm of each layer's weight matrix."""
    kept = [evaluations[i] for i in evenly(len(evaluations)) if evaluations[i].weight_norms]
    steps = [evaluation.step for evaluation in kept]
    layers = list(zip(*(evaluation.weight_norms for evaluation in kept), strict=True))
    data = []
    for layer, norms in enumerate(layers):
        name = translate("layer {n}").format(n=layer + 1)
        look = Look(find_look(layer + 2).colour, find_look(layer).dash, "")  # two colours mean loss and accuracy here
        data.append(look_line(f"norm-{layer}", name, steps, rounded(norms), look, hovertemplate="%{y:.2f}"))
    return _step_chart(
        data or [line("norm-0", "", [], [], NOTE) | NOTHING],
        axis(translate("norm"), range=five_steps(finite(list(chain(*layers))), default=5.0), nticks=4),
        train_iter,
        translate,
        margin={"t": 30},
        showlegend=bool(data),
        legend=legend(itemdoubleclick=False),
        annotations=[] if data else [waiting_note(translate)],
    )


@dataclass(frozen=True)
class RemedyCurve:
    """A line of the remedies' chart."""

    label: str
    look: Look
    evaluations: Sequence[Evaluation]


def remedies_chart(curves: Sequence[RemedyCurve], *, train_iter: int, translate: Translate = str) -> Figure:
    """Draw the test accuracy of the base and of each remedy, one look each."""
    data, every = [], []
    hover = f"%{{y:.1%}} · {translate('step')} %{{x:,d}}<extra>%{{fullData.name}}</extra>"
    for number, curve in enumerate(curves):
        kept = [curve.evaluations[i] for i in evenly(len(curve.evaluations))]
        accuracies = [evaluation.test_acc for evaluation in kept]
        every += accuracies
        steps = [evaluation.step for evaluation in kept]
        values = rounded(finite(accuracies))
        trace = look_line(f"remedy-{number}", curve.label, steps, values, curve.look, width=2, hovertemplate=hover)
        data.append(trace)
    scale = {"range": five_steps(finite(every), default=0.5), "tickformat": ".0%", "nticks": INTERVALS + 1}
    return _step_chart(
        data,
        axis(translate("test accuracy")) | scale,
        train_iter,
        translate,
        margin={"t": 10, "b": 84},
        hovermode="closest",
        legend=legend(y=-0.2, yanchor="top"),
        annotations=[],
    )


def _gap_curves(
    evaluations: Sequence[Evaluation],
    train: Sequence[float],
    test: Sequence[float] | None,
    colour: str,
    form: str,
    translate: Translate,
) -> list[Json]:
    """Draw the train and the test curve with the gap between them shaded; an empty test curve without `test`."""
    kept = evenly(len(evaluations))
    steps = [evaluations[i].step for i in kept]
    common: Json = {"width": 2, "hovertemplate": f"%{{y:{form}}}", "showlegend": True}
    curves = [
        line(uid, name, steps, rounded(finite(values)[kept]), colour, dash=dash, **common)
        for uid, name, values, dash in (
            ("train", translate("train"), train, "dot"),
            ("test", translate("test"), train if test is None else test, "solid"),
        )
    ]
    if not steps:
        return [curve | NOTHING for curve in curves]
    fill = NOTHING if test is None else {"fill": "tonexty", "fillcolor": faded(colour, SHADE)}
    return [curves[0], curves[1] | fill]


def _optimum(step: int, value: float, colour: str, name: str, form: str) -> Json:
    """Mark the best point of a curve with a ring that is no colour of its own."""
    ring = {"color": colour, "size": 9, "symbol": "circle-open", "line": {"width": 2}}
    look = {"marker": ring, "name": name, "showlegend": False, "hovertemplate": f"%{{y:{form}}}"}
    return markers("optimum", [step], rounded(finite([value])), **look)


def _step_note(text: str, step: int, curves: Sequence[Json], train_iter: int, *, top: float) -> Json:
    """Name a step beside its line, at the height where the curves leave most room for the text."""
    is_left = step > train_iter / 2
    span = train_iter * LETTER * len(text)
    first, last = (step - span, step) if is_left else (step, step + span)
    crossed = [
        value / top
        for curve in curves
        for x, value in zip(curve["x"], curve["y"], strict=True)
        if value is not None and first <= x <= last
    ]
    height = max(HEIGHTS, key=lambda height: min((abs(height - value) for value in crossed), default=1.0))
    place = {"x": step, "y": height, "xref": "x", "yref": "paper", "yanchor": "middle"}
    side = {"xanchor": "right", "xshift": -3} if is_left else {"xanchor": "left", "xshift": 3}
    return note(text, **place) | side | SMALL_NOTE


def _step_chart(
    data: list[Json],
    yaxis: Json,
    train_iter: int,
    translate: Translate,
    *,
    margin: dict[str, int] | None = None,
    **rest: Any,
) -> Figure:
    """Lay out a chart over the steps of a run. margin: what differs from the usual one, in pixels."""
    layout = {
        "margin": {"l": 54, "r": 14, "t": 26, "b": 38} | (margin or {}),
        "meta": {"narrow": {"margin": {"r": 10}}},  # left as wide: "100%" and the axis' title need it
        "hovermode": "x unified",
        "legend": legend(itemdoubleclick=False, traceorder="normal"),
        "xaxis": axis(translate("iteration"), range=[0, train_iter], nticks=6, tickformat=",d")
        | {"unifiedhovertitle": {"text": f"{translate('step')} %{{x:,d}}"}},
        "yaxis": yaxis,
    }
    return {"data": data, "layout": layout | rest}
