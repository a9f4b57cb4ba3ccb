"""Charts of a search: heat maps, contours and parallel coordinates, with what diverged and what is missing."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from scipy.interpolate import griddata

from mlpcore.analysis.sweeps.contour import CELLS, interpolate
from mlpcore.analysis.sweeps.sensitivity import RateResult
from mlpcore.charts.sweeps.maps import heat_chart, map_chart
from mlpcore.charts.sweeps.parallel import LACKING, parallel_chart
from mlpcore.charts.sweeps.points import Scale, TrialPoint
from mlpcore.charts.sweeps.sensitivity import RateCurve, sensitivity_chart
from mlpcore.charts.sweeps.trials import best_chart, slice_chart

LR = Scale("lr", low=1e-4, high=1.0, is_log=True)
DROPOUT = Scale("dropout", low=0.0, high=0.5)
RATES, SIZES = Scale("lr", options=(0.01, 0.1)), Scale("batch_size", options=(16, 32, 64))


def trace(figure: dict[str, Any], uid: str) -> dict[str, Any]:
    go.Figure({"data": figure["data"], "layout": {**figure["layout"], "meta": None}})  # Plotly accepts it
    (found,) = (one for one in figure["data"] if one["uid"] == uid)
    return found


def cell(number: int, lr: float, size: int, accuracy: float | None) -> TrialPoint:
    return TrialPoint(number, {"lr": lr, "batch_size": size}, accuracy)


class TestHeatMap:
    CELLS = (
        cell(0, 0.01, 16, 0.4),
        cell(1, 0.01, 16, 0.5),  # differs in something else, and is better
        cell(2, 0.1, 16, None),
        cell(3, 0.01, 64, 0.3),
    )

    def test_a_cell_has_its_best_trial_and_stays_empty_where_none_was_trained(self) -> None:
        heat = trace(heat_chart(self.CELLS, RATES, SIZES), "cells")
        assert heat["z"] == [[0.5, None], [None, None], [0.3, None]]
        assert heat["ids"] == [["1", "2"], [None, None], ["3", None]]
        assert heat["text"][0][0] == "<b>2: 50.0%</b><br>lr 0.01<br>batch_size 16"

    def test_a_cell_of_which_every_trial_came_to_nothing_has_a_cross(self) -> None:
        lost = trace(heat_chart(self.CELLS, RATES, SIZES), "lost")
        assert (lost["x"], lost["y"], lost["ids"]) == ([1.0], [0.0], ["2"])

    def test_accuracies_are_written_into_cells_until_there_are_too_many_for_that(self) -> None:
        assert trace(heat_chart(self.CELLS, RATES, SIZES), "cells")["showscale"] is False
        many = Scale("lr", options=tuple(float(n) for n in range(1, 61)))
        heat = trace(heat_chart([cell(0, 1.0, 16, 0.4)], many, SIZES), "cells")
        assert (heat["showscale"], "texttemplate" in heat) == (True, False)

    def test_the_chosen_trial_has_a_ring(self) -> None:
        ring = trace(heat_chart(self.CELLS, RATES, SIZES, chosen=3), "chosen")
        assert (ring["x"], ring["y"]) == ([0.0], [2.0])
        assert trace(heat_chart(self.CELLS, RATES, SIZES), "chosen")["x"] == []


class TestContour:
    RNG = np.random.default_rng(0)
    PLACES = tuple(map(tuple, RNG.uniform(size=(40, 2)).tolist()))
    ACCURACIES = tuple(RNG.uniform(size=40).tolist())

    def test_it_is_what_scipys_griddata_interpolates(self) -> None:
        found = interpolate(self.PLACES, self.ACCURACIES)
        assert found is not None
        low, high = np.min(self.PLACES, axis=0), np.max(self.PLACES, axis=0)
        unit = (np.array(self.PLACES) - low) / (high - low)
        side = np.linspace(0, 1, CELLS)
        expected = griddata(unit, self.ACCURACIES, tuple(np.meshgrid(side, side)), method="linear")
        measured = np.array(found.accuracies, float)
        np.testing.assert_allclose(measured, expected, atol=1e-4)
        assert found.across == pytest.approx(np.linspace(low[0], high[0], CELLS).tolist())

    def test_nothing_is_said_outside_the_trials(self) -> None:
        circle = [(np.cos(angle), np.sin(angle)) for angle in np.linspace(0, 6, 12)]
        found = interpolate(circle, [0.5] * 12)
        assert found is not None
        corners = [found.accuracies[y][x] for y in (0, -1) for x in (0, -1)]
        assert corners == [None] * 4
        assert found.accuracies[CELLS // 2][CELLS // 2] == 0.5

    def test_there_is_none_between_fewer_than_ten_places_and_along_a_line(self) -> None:
        assert interpolate(self.PLACES[:9], self.ACCURACIES[:9]) is None
        assert interpolate(self.PLACES[:10], self.ACCURACIES[:10]) is not None
        assert interpolate(self.PLACES[:1] * 12, self.ACCURACIES[:12]) is None
        assert interpolate([(n, 2.0 * n) for n in range(12)], self.ACCURACIES[:12]) is None
        assert interpolate([(n, 1.0) for n in range(12)], self.ACCURACIES[:12]) is None
        assert interpolate([], []) is None

    def test_it_lies_below_the_trials_on_their_log_axis(self) -> None:
        trials = [
            TrialPoint(n, {"lr": 10 ** (-4 * x), "dropout": y / 2}, accuracy)
            for n, ((x, y), accuracy) in enumerate(zip(self.PLACES, self.ACCURACIES, strict=True))
        ]
        places = [(LR.place(one.values["lr"]), DROPOUT.place(one.values["dropout"])) for one in trials]
        lost = TrialPoint(40, {"lr": 0.5, "dropout": 0.1}, None)
        chart = map_chart([*trials, lost], LR, DROPOUT, contour=interpolate(places, self.ACCURACIES), chosen=40)
        contour, known = trace(chart, "contour"), trace(chart, "known")
        assert [one["uid"] for one in chart["data"]] == ["contour", "known", "lost", "chosen"]
        assert contour["x"][0] == pytest.approx(min(known["x"]), rel=1e-4)
        assert contour["x"][-1] == pytest.approx(max(known["x"]), rel=1e-4)
        assert (contour["zmin"], contour["zmax"]) == (min(self.ACCURACIES), max(self.ACCURACIES))
        assert chart["layout"]["xaxis"]["type"] == "log"
        assert trace(chart, "lost")["ids"] == ["40"]
        assert trace(chart, "chosen")["x"] == pytest.approx([0.5])


class TestParallelCoordinates:
    TRIALS = (
        TrialPoint(0, {"lr": 1e-4, "dropout": 0.0}, 0.1),
        TrialPoint(1, {"lr": 1.0, "dropout": 0.5}, 0.5),
        TrialPoint(2, {"lr": 0.01}, 0.3),
        TrialPoint(3, {"lr": 0.01, "dropout": 0.1}, None),
    )

    def draw(self, **options: Any) -> dict[str, Any]:
        return parallel_chart(self.TRIALS, [LR, DROPOUT], best=2, **options)

    def test_the_best_are_thick_and_in_colour_and_the_others_thin_and_grey(self) -> None:
        chart = self.draw()
        best, good, others = (trace(chart, uid) for uid in ("best", "good", "others"))
        assert [set(one["ids"]) for one in (best, good, others)] == [{"1"}, {"2"}, {"0"}]
        assert [one["line"]["width"] for one in (best, good, others)] == [4, 2, 1]
        assert best["line"]["color"] == good["line"]["color"] != others["line"]["color"]

    def test_a_line_goes_through_the_values_to_the_accuracy_and_ends_in_a_gap(self) -> None:
        best = trace(self.draw(), "best")
        assert (best["x"], best["y"]) == ([0, 1, 2, None], [1.0, 1.0, 1.0, None])

    def test_a_trial_passes_below_what_it_does_not_have(self) -> None:
        chart = self.draw()
        assert trace(chart, "good")["y"][:2] == [0.5, LACKING]
        assert chart["layout"]["yaxis"]["range"][0] < LACKING

    def test_the_chosen_trial_stands_out_and_what_came_to_nothing_is_left_out(self) -> None:
        assert set(trace(self.draw(chosen=0), "chosen")["ids"]) == {"0"}
        assert trace(self.draw(chosen=3), "chosen")["showlegend"] is False
        assert "3" not in {number for one in self.draw()["data"] for number in one["ids"]}

    def test_without_a_result_it_says_so(self) -> None:
        (note,) = parallel_chart([], [LR, DROPOUT], best=5)["layout"]["annotations"]
        assert note["text"] == "No trial has an accuracy."


@pytest.mark.parametrize("chosen", [None, 1])
def test_a_ring_marks_the_chosen_trial_over_numbers_and_over_one_hyperparameter(chosen: int | None) -> None:
    trials = [TrialPoint(0, {"lr": 0.01}, 0.4), TrialPoint(1, {"lr": 0.1}, 0.5)]
    along = [
        trace(best_chart(trials, 2, chosen=chosen), "chosen"),
        trace(slice_chart(trials, LR, chosen=chosen), "chosen"),
    ]
    assert [one["y"] for one in along] == [[] if chosen is None else [0.5]] * 2


def test_the_line_of_the_best_so_far_lies_below_the_trials_and_takes_no_click_from_them() -> None:
    chart = best_chart([TrialPoint(0, {"lr": 0.01}, 0.4), TrialPoint(1, {"lr": 0.1}, 0.3)], 2)
    assert [one["uid"] for one in chart["data"]] == ["best", "trials", "chosen"]
    assert (trace(chart, "best")["y"], trace(chart, "best")["hoverinfo"]) == ([0.4, 0.4], "skip")


def test_ticks_are_decades_of_a_log_range_and_the_options_of_a_list() -> None:
    assert LR.list_ticks(6) == [1e-4, 1e-3, 1e-2, 0.1, 1.0]
    assert Scale("lr", low=0.02, high=0.05, is_log=True).list_ticks(6) == [0.02, 0.05]
    assert DROPOUT.list_ticks(6) == [0.0, 0.25, 0.5]
    assert SIZES.list_ticks(2) == [16, 64]


@pytest.mark.parametrize(
    ("results", "of_accuracies", "of_steps"),
    [
        ([], ["The curves appear here as the sweep goes on."], ["The curves appear here as the sweep goes on."]),
        ([RateResult(0.1, (None,))], ["No trial has an accuracy."], []),  # crosses say that it was never reached
        ([RateResult(0.1, (0.3,))], [], []),
        ([RateResult(0.1, (0.3,), steps=80)], [], []),
    ],
)
def test_without_a_curve_over_the_rate_it_says_why(
    results: list[RateResult], of_accuracies: list[str], of_steps: list[str]
) -> None:
    for by_steps, expected in ((False, of_accuracies), (True, of_steps)):
        layout = sensitivity_chart([RateCurve("SGD", results, None)], [1e-3, 1.0], by_steps=by_steps)["layout"]
        assert [note["text"] for note in layout["annotations"]] == expected
