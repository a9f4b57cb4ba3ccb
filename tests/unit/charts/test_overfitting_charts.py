"""The charts of the overfitting page: gaps between train and test, norms of the weights, remedies."""

import json
from typing import Any

import pytest
from plotly import graph_objects

from mlpcore.charts.overfitting import RemedyCurve, accuracy_gap_chart, loss_gap_chart, norms_chart, remedies_chart
from mlpcore.charts.traces import find_look
from tests.support.histories import evaluations


def trace(figure: dict, uid: str) -> dict:
    (found,) = [drawn for drawn in figure["data"] if drawn["uid"] == uid]
    return found


class TestFigures:
    HISTORY = evaluations([0.2, 0.4, 0.3], test_loss=6.2)

    @pytest.mark.parametrize("count", [0, 1, 3])
    @pytest.mark.parametrize("show_test", [True, False])
    def test_plotly_and_json_take_them(self, count: int, show_test: bool) -> None:
        some = self.HISTORY[:count]
        common: dict[str, Any] = {"train_iter": 60, "show_test": show_test}
        for figure in (
            loss_gap_chart(some, lowest=some[0] if some else None, **common),
            accuracy_gap_chart(some, best=some[0] if some else None, chance=0.1, **common),
            norms_chart(some, train_iter=60),
            remedies_chart([RemedyCurve("Base", find_look(0), some)], train_iter=60),
        ):
            graph_objects.Figure(figure)
            json.dumps(figure, allow_nan=False)

    def test_train_and_test_are_measured_in_eval_mode_and_the_gap_between_them_is_shaded(self) -> None:
        loss = loss_gap_chart(self.HISTORY, train_iter=60, lowest=None)
        assert (trace(loss, "train")["y"], trace(loss, "test")["y"]) == ([0.5] * 3, [6.2] * 3)
        assert [drawn.get("fill") for drawn in loss["data"]] == [None, "tonexty"]
        accuracy = accuracy_gap_chart(self.HISTORY, train_iter=60, best=None)
        assert (trace(accuracy, "train")["y"], trace(accuracy, "test")["y"]) == ([0.9] * 3, [0.2, 0.4, 0.3])

    def test_hidden_test_curve_leaves_no_trace_of_it_in_the_figure(self) -> None:
        common: dict[str, Any] = {"train_iter": 60, "show_test": False}
        loss = loss_gap_chart(self.HISTORY, lowest=None, **common)
        accuracy = accuracy_gap_chart(self.HISTORY, best=None, **common)
        assert trace(loss, "test")["y"] == trace(accuracy, "test")["y"] == [None]
        assert loss["layout"]["yaxis"]["range"] == [0, 2.5]  # nor does the axis give it away

    def test_best_step_is_marked_and_chance_drawn(self) -> None:
        figure = accuracy_gap_chart(self.HISTORY, train_iter=60, best=self.HISTORY[1], chance=0.1)
        layout, ring = figure["layout"], trace(figure, "optimum")
        assert (ring["x"], ring["y"]) == ([40], [0.4])
        assert [(shape["x0"], shape["y0"]) for shape in layout["shapes"]] == [(0, 0.1), (40, 0)]
        assert [note["text"] for note in layout["annotations"]] == ["chance", "best step 40"]

    def test_lowest_test_loss_is_marked_too(self) -> None:
        figure = loss_gap_chart(self.HISTORY, train_iter=60, lowest=self.HISTORY[0])
        assert [note["text"] for note in figure["layout"]["annotations"]] == ["lowest test loss 20"]
        assert (trace(figure, "optimum")["x"], trace(figure, "optimum")["y"]) == ([20], [6.2])

    @pytest.mark.parametrize(("train", "test"), [(0.5, 0.05), (0.9, 0.5), (0.7, 0.45), (0.1, 0.93)])
    def test_name_of_the_best_step_stands_away_from_the_curves(self, train: float, test: float) -> None:
        history = evaluations([test] * 30, train_acc=train)
        figure = accuracy_gap_chart(history, train_iter=600, best=history[3])
        (name,) = [note for note in figure["layout"]["annotations"] if note["text"].startswith("best step")]
        assert min(abs(name["y"] - train), abs(name["y"] - test)) >= 0.15

    def test_name_of_the_best_step_stands_away_from_chance(self) -> None:
        history = evaluations([0.36] * 30, train_acc=0.98)
        figure = accuracy_gap_chart(history, train_iter=600, best=history[5], chance=0.1)
        (name,) = [note for note in figure["layout"]["annotations"] if note["text"].startswith("best step")]
        assert name["y"] == 0.65

    def test_each_layer_has_its_curve(self) -> None:
        drawn = norms_chart(self.HISTORY, train_iter=60)["data"]
        assert [(curve["name"], curve["line"]["dash"], curve["y"]) for curve in drawn] == [
            ("layer 1", "solid", [3.0] * 3),
            ("layer 2", "dash", [2.0] * 3),
            ("layer 3", "dot", [1.0] * 3),
        ]

    def test_remedies_have_a_colour_and_a_dash_each(self) -> None:
        base, dropout = find_look(0), find_look(3)
        curves = [RemedyCurve("Base", base, self.HISTORY), RemedyCurve("Dropout", dropout, self.HISTORY[:1])]
        drawn = remedies_chart(curves, train_iter=60)["data"]
        assert [(curve["name"], curve["line"]["color"], curve["line"]["dash"], curve["y"]) for curve in drawn] == [
            ("Base", "#0072B2", "solid", [0.2, 0.4, 0.3]),
            ("Dropout", "#CC79A7", "dashdot", [0.2]),
        ]
