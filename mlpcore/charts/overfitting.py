"""The overfitting lab's figures: train against test with the gap shaded, the weights' size, remedies side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpcore.charts.axes import INTERVALS, axis, five_steps
from mlpcore.charts.compare import COLOURS
from mlpcore.charts.downsampling import evenly, finite, rounded
from mlpcore.charts.run import (
    ACCURACY,
    LOSS,
    NOTE,
    NOTHING,
    Figure,
    Translate,
    faded,
    legend,
    line,
    note,
    step_line,
    waiting,
)
from mlpcore.runs.records import Evaluation

SHADE = 0.14  # opacity of the gap
ACCURACY_AXIS = {"range": [0, 1], "tickformat": ".0%", "nticks": INTERVALS + 1}


def loss_gap_chart(
    evaluations: Sequence[Evaluation],
    *,
    train_iter: int,
    best_step: int | None,
    translate: Translate = str,
    **view: Any,
) -> Figure:
    """Draw train and test loss, both in eval mode, with the gap shaded and the best step marked.

    best_step: None for no mark. `show_test=False` draws nothing of the test images.
    """
    losses = [each.train_eval_loss for each in evaluations], [each.test_loss for each in evaluations]
    figure = _gap_chart(
        evaluations, *losses, colour=LOSS, form=".3f", train_iter=train_iter, translate=translate, **view
    )
    shown = losses if view.get("show_test", True) else losses[:1]
    top = five_steps(finite([value for curve in shown for value in curve]), default=2.5)
    figure["layout"]["yaxis"] = axis(translate("loss"), range=top, nticks=INTERVALS + 1)
    if best_step is not None:
        figure["layout"]["shapes"].append(step_line(best_step))  # named in the accuracy's chart, where there is room
    return figure


def accuracy_gap_chart(
    evaluations: Sequence[Evaluation],
    *,
    train_iter: int,
    best_step: int | None,
    chance: float | None = None,
    translate: Translate = str,
    **view: Any,
) -> Figure:
    """Draw train and test accuracy likewise; chance, where it is known, is a dotted line."""
    accuracies = [each.train_acc for each in evaluations], [each.test_acc for each in evaluations]
    figure = _gap_chart(
        evaluations, *accuracies, colour=ACCURACY, form=".1%", train_iter=train_iter, translate=translate, **view
    )
    layout = figure["layout"]
    layout["yaxis"] = axis(translate("accuracy")) | ACCURACY_AXIS
    if chance is not None:
        layout["shapes"].append(
            {"type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": chance, "y1": chance}
            | {"line": {"color": NOTE, "width": 1, "dash": "dot"}, "layer": "below"}
        )
        layout["annotations"].append(
            note(translate("chance"), x=0, y=chance, xref="paper", yref="y", xanchor="left", yanchor="top")
            | {"xshift": 3, "font": {"color": NOTE, "size": 11}}
        )
    return _mark_best(figure, best_step, train_iter, translate)


def _gap_chart(
    evaluations: Sequence[Evaluation],
    train: Sequence[float],
    test: Sequence[float],
    *,
    colour: str,
    form: str,
    train_iter: int,
    translate: Translate,
    show_test: bool = True,
) -> Figure:
    kept = evenly(len(evaluations))
    steps = [evaluations[i].step for i in kept]
    data = []
    for uid, name, values, dash in (
        ("train", translate("train"), train, "dot"),
        ("test", translate("test"), test, "solid"),
    ):
        trace = line(uid, name, steps, rounded(finite(values)[kept]), colour, width=2, dash=dash)
        trace |= {"hovertemplate": f"%{{y:{form}}}", "showlegend": True}
        if not steps or (uid == "test" and not show_test):
            trace |= NOTHING
        elif uid == "test":
            trace |= {"fill": "tonexty", "fillcolor": faded(colour, SHADE)}
        data.append(trace)
    return {
        "data": data,
        "layout": {
            "margin": {"l": 54, "r": 14, "t": 26, "b": 38},
            "meta": {"narrow": {"margin": {"l": 38, "r": 10}}},
            "hovermode": "x unified",
            "legend": legend(itemdoubleclick=False, traceorder="normal"),
            "xaxis": _step_axis(train_iter, translate),
            "shapes": [],
            "annotations": [] if evaluations else [waiting(translate)],
        },
    }


def _mark_best(figure: Figure, step: int | None, train_iter: int, translate: Translate) -> Figure:
    if step is None:
        return figure
    left = step < train_iter / 2
    figure["layout"]["shapes"].append(step_line(step))
    figure["layout"]["annotations"].append(
        note(f"{translate('best step')} {step:,}", x=step, y=0.5, xref="x", yref="paper")  # within the gap
        | {"xanchor": "left" if left else "right", "xshift": 3 if left else -3, "font": {"color": NOTE, "size": 11}}
    )
    return figure


def norms_chart(evaluations: Sequence[Evaluation], *, train_iter: int, translate: Translate = str) -> Figure:
    """Draw the Euclidean norm of each layer's weight matrix."""
    kept = [evaluations[i] for i in evenly(len(evaluations)) if evaluations[i].weight_norms]
    layers = len(kept[-1].weight_norms) if kept else 0
    data = []
    for layer in range(layers):
        norms = [evaluation.weight_norms[layer] for evaluation in kept]
        name = translate("layer {n}").format(n=layer + 1)
        steps = [evaluation.step for evaluation in kept]
        colour = COLOURS[(layer + 2) % len(COLOURS)]  # the first two stand for loss and accuracy here
        trace = line(f"norm-{layer}", name, steps, rounded(norms), colour, hovertemplate="%{y:.2f}")
        data.append(trace)
    every = np.array([norm for evaluation in kept for norm in evaluation.weight_norms])
    return {
        "data": data or [line("norm-0", "", [], [], NOTE) | NOTHING],
        "layout": {
            "margin": {"l": 54, "r": 14, "t": 30, "b": 38},
            "meta": {"narrow": {"margin": {"l": 38, "r": 10}}},
            "hovermode": "x unified",
            "showlegend": bool(data),
            "legend": legend(itemdoubleclick=False),
            "xaxis": _step_axis(train_iter, translate),
            "yaxis": axis(translate("norm"), range=five_steps(finite(every), default=5.0), nticks=4),
            "annotations": [] if data else [waiting(translate)],
        },
    }


@dataclass(frozen=True)
class RemedyCurve:
    """A line of the remedies' chart."""

    label: str
    colour: str
    evaluations: Sequence[Evaluation]


def remedies_chart(curves: Sequence[RemedyCurve], *, train_iter: int, translate: Translate = str) -> Figure:
    """Draw the test accuracy of the base and of each remedy, one colour each."""
    data, every = [], []
    for number, curve in enumerate(curves):
        kept = [curve.evaluations[i] for i in evenly(len(curve.evaluations))]
        accuracies = finite([evaluation.test_acc for evaluation in kept])
        every += accuracies.tolist()
        steps = [evaluation.step for evaluation in kept]
        trace = line(f"remedy-{number}", curve.label, steps, rounded(accuracies), curve.colour, width=2)
        trace |= {"hovertemplate": f"%{{y:.1%}} · {translate('step')} %{{x:,d}}<extra>%{{fullData.name}}</extra>"}
        data.append(trace | ({} if steps else NOTHING))
    bounds = five_steps(finite(every), default=0.5)
    return {
        "data": data,
        "layout": {
            "margin": {"l": 54, "r": 14, "t": 10, "b": 84},
            "meta": {"narrow": {"margin": {"l": 38, "r": 10}}},
            "hovermode": "closest",
            "legend": legend(y=-0.2, yanchor="top"),
            "xaxis": _step_axis(train_iter, translate),
            "yaxis": axis(translate("test accuracy"), range=bounds, tickformat=".0%", nticks=INTERVALS + 1),
            "annotations": [],
        },
    }


def _step_axis(train_iter: int, translate: Translate) -> dict[str, Any]:
    return axis(translate("iteration"), range=[0, train_iter], nticks=6, tickformat=",d") | {
        "unifiedhovertitle": {"text": f"{translate('step')} %{{x:,d}}"}
    }
