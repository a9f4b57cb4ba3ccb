"""The trials of a sweep over their number, with the best so far, and over one hyperparameter."""

from collections.abc import Sequence

import numpy as np

from mlpcore.charts.axes import axis, five_steps
from mlpcore.charts.downsampling import rounded
from mlpcore.charts.sweeps.points import Scale, TrialPoint, describe_trial, empty_note, ring
from mlpcore.charts.traces import ACCURACY, NOTE, Figure, Json, Translate, band, faded, line, markers

MARGIN = {"l": 54, "r": 14, "t": 14, "b": 44}


def best_chart(
    trials: Sequence[TrialPoint],
    whole: int,
    *,
    expected: tuple[Sequence[float], Sequence[float], Sequence[float]] | None = None,
    chosen: int | None = None,
    translate: Translate = str,
) -> Figure:
    """Draw each trial's accuracy in the order in which they were drawn, and the best so far.

    Args:
        whole: How many trials there will be.
        expected: For 1, 2, … trials drawn at random from these: the lower end, the middle and the upper end of the best
            that is to be expected.
        chosen: The number of a trial that stands out.
    """
    known = [(trial, trial.accuracy) for trial in trials if trial.accuracy is not None]
    numbers, values = [trial.number + 1 for trial, _ in known], [value for _, value in known]
    best = np.maximum.accumulate(values).tolist() if values else []
    data: list[Json] = []
    if expected is not None:
        low, middle, high = expected
        along = list(range(1, len(middle) + 1))
        data.append(band("band", along, rounded(low), rounded(high), NOTE))
        name = translate("expected best of so many trials")
        data.append(line("expected", name, along, rounded(middle), NOTE, dash="dash", hovertemplate="%{y:.1%}"))
    step = line("best", translate("best so far"), numbers, rounded(best), ACCURACY, hoverinfo="skip")
    step["line"]["shape"] = "hv"
    data += [step, *_points(numbers, known, chosen, translate)]  # a trial that is the best can be clicked too
    layout: Json = {
        "margin": MARGIN,
        "hovermode": "closest",
        "showlegend": False,
        "annotations": [] if known else [empty_note(translate)],
        "xaxis": axis(translate("trial"), range=[0, whole + 1], tickformat=",d"),
        "yaxis": _accuracy_axis(values, translate),
    }
    return {"data": data, "layout": layout}


def slice_chart(
    trials: Sequence[TrialPoint], scale: Scale, *, chosen: int | None = None, translate: Translate = str
) -> Figure:
    """Draw the accuracy of each trial over one hyperparameter; trials that do not have it are left out.

    chosen: The number of a trial that stands out.
    """
    known = [(one, one.accuracy) for one in trials if one.accuracy is not None and scale.name in one.values]
    along = [scale.along(trial.values[scale.name]) for trial, _ in known]
    layout: Json = {
        "margin": MARGIN,
        "hovermode": "closest",
        "showlegend": False,
        "annotations": [] if known else [empty_note(translate)],
        "xaxis": scale.axis(),
        "yaxis": _accuracy_axis([value for _, value in known], translate),
    }
    return {"data": _points(along, known, chosen, translate), "layout": layout}


def _points(
    along: Sequence[float], known: Sequence[tuple[TrialPoint, float]], chosen: int | None, translate: Translate
) -> list[Json]:
    values = [value for _, value in known]
    look: Json = {"size": 7, "color": faded(ACCURACY, 0.45)}
    trace = markers("trials", list(along), rounded(values), marker=look, ids=[str(one.number) for one, _ in known])
    trace |= {
        "cliponaxis": False,
        "text": [describe_trial(one) for one, _ in known],
        "hovertemplate": "%{text}<extra></extra>",
    }
    places = [(x, y) for x, (one, y) in zip(along, known, strict=True) if one.number == chosen]
    return [trace | {"name": translate("trials")}, ring([x for x, _ in places], [y for _, y in places])]


def _accuracy_axis(values: Sequence[float], translate: Translate) -> Json:
    scale = five_steps(np.array(values), default=0.5, may_rise=True)
    return axis(translate("validation accuracy"), range=scale, tickformat=".0%", nticks=6)
