"""The charts of what is computed of replayed runs."""

from typing import Any

import numpy as np
import pytest
from plotly import graph_objects

from mlpcore.analysis.replay.loss_surface import LossSurface, WeightPath
from mlpcore.analysis.replay.sharpness import Sharpness
from mlpcore.charts.replay.loss_surface import PathOfRun, loss_surface_chart
from mlpcore.charts.replay.picture import picture_chart, picture_height
from mlpcore.charts.replay.sharpness import sharpness_chart
from mlpcore.charts.traces import find_look
from mlpcore.runs.records import Evaluation

XS, YS = tuple(np.linspace(-10, 5, 25).tolist()), tuple(np.linspace(-3, 3, 25).tolist())
LOSSES = 0.5 + np.add.outer(np.square(YS), np.square(XS))
FIRST = WeightPath((0, 10, 20), (-8.0, -4.0, 0.0), (-2.0, 1.0, 0.0))
SECOND = WeightPath((0, 20), (-8.0, 3.0), (-2.0, 2.0))


def evaluation(step: int) -> Evaluation:
    return Evaluation(step, 1.0, 2.0 - step / 20, 0.5, 1.5, 0.25 + step / 100, lr=0.1, seconds=1.0)


MEASURED = (evaluation(10), evaluation(20))


def trace(figure: dict[str, Any], uid: str) -> dict[str, Any]:
    return next(one for one in figure["data"] if one["uid"] == uid)


def draw(losses: np.ndarray = LOSSES, *paths: WeightPath) -> dict[str, Any]:
    shown = paths or (FIRST,)
    surface = LossSurface(XS, YS, losses, shown, (0.7, 0.2), 2_000)
    return loss_surface_chart(surface, [PathOfRun(f"run <{n}>", 3 * n, MEASURED) for n in range(len(shown))])


class TestLossSurface:
    def test_figure_is_one_that_plotly_accepts(self) -> None:
        graph_objects.Figure(draw(LOSSES, FIRST, SECOND))

    def test_contours_stand_at_equal_ratios_up_to_a_hundred_times_the_lowest_loss(self) -> None:
        surface = trace(draw(), "surface")
        heights = np.array(surface["z"])
        expected = np.log10(np.minimum(LOSSES, 100 * LOSSES.min()))
        assert np.allclose(heights, expected, atol=1e-3)
        assert surface["contours"]["size"] == pytest.approx(np.ptp(expected) / 16)
        assert surface["zmax"] - surface["zmin"] <= 2

    def test_overflow_has_the_darkest_shade_and_is_told(self) -> None:
        losses = LOSSES.copy()
        losses[0, 0] = np.inf
        surface = trace(draw(losses), "surface")
        assert surface["z"][0][0] == pytest.approx(surface["zmax"], abs=1e-3)
        assert surface["text"][0][0] == "∞"
        assert surface["text"][12][12] == "6.75"
        graph_objects.Figure(draw(losses))

    def test_bar_names_losses_of_two_digits(self) -> None:
        bar = trace(draw(), "surface")["colorbar"]
        assert bar["ticktext"] == ["0.5", "1.3", "3.2", "7.9", "20", "50"]
        assert bar["tickvals"] == pytest.approx(np.log10([0.5, 1.3, 3.2, 7.9, 20, 50]))

    def test_marks_tell_the_networks_own_loss(self) -> None:
        path = trace(draw(), "path-0")
        assert path["x"] == [-8, -4, 0]
        assert path["customdata"] == [(0, "–", "–"), (10, "1.500", "35.0%"), (20, "1.000", "45.0%")]

    def test_each_run_has_its_look_its_start_and_an_end_of_its_own(self) -> None:
        figure = draw(LOSSES, FIRST, SECOND)
        for number, symbol in ((0, "circle"), (1, "square")):
            look = find_look(3 * number)
            path, start, end = (trace(figure, f"{kind}-{3 * number}") for kind in ("path", "start", "end"))
            assert (path["line"]["color"], path["line"]["dash"]) == (look.colour, look.dash)
            assert (start["marker"]["symbol"], end["marker"]["symbol"]) == (f"{symbol}-open", symbol)
            assert path["name"] == f"run &lt;{number}&gt;"
            assert "<1>" not in end["hovertemplate"]
        assert figure["layout"]["xaxis"]["title"]["text"] == "direction 1: 70% of the variance"
        assert figure["layout"]["xaxis"]["range"] == [-10, 5]

    def test_ends_are_above_all_paths(self) -> None:
        uids = [one["uid"] for one in draw(LOSSES, FIRST, SECOND)["data"]]
        assert uids == ["surface", "path-0", "start-0", "path-3", "start-3", "end-0", "end-3"]


class TestSharpness:
    SHARPNESS = Sharpness((20, 40, 60), (5.0, 18.0, 21.0))

    def draw(self, limit: float = 20.0) -> dict[str, Any]:
        limits = [(step, limit) for step in range(20, 61, 10)]
        return sharpness_chart(self.SHARPNESS, limits, limit="2/lr", train_iter=60)

    def test_sharpness_and_its_limit_are_drawn(self) -> None:
        figure = self.draw()
        graph_objects.Figure(figure)
        assert trace(figure, "sharpness")["y"] == [5, 18, 21]
        assert trace(figure, "limit")["name"] == "2/lr"
        assert trace(figure, "limit")["y"] == [20] * 5
        assert figure["layout"]["yaxis"]["range"][1] >= 21

    def test_a_limit_far_above_leaves_the_chart(self) -> None:
        assert self.draw(2_000.0)["layout"]["yaxis"]["range"][1] < 100

    def test_a_long_run_has_few_points(self) -> None:
        limits = [(step, 20.0) for step in range(1, 5_001)]
        figure = sharpness_chart(self.SHARPNESS, limits, limit="2/lr", train_iter=5_000)
        assert len(trace(figure, "limit")["x"]) <= 500


class TestPicture:
    def test_classes_are_ordered_by_probability(self) -> None:
        figure = picture_chart([0.1, 0.7, 0.2], ["cat", "dog", "a very long name"])
        graph_objects.Figure(figure)
        (bars,) = figure["data"]
        assert bars["x"] == [0.7, 0.2, 0.1]
        assert bars["text"] == ["70.0%", "20.0%", "10.0%"]
        assert figure["layout"]["yaxis"]["ticktext"] == ["dog", "a very long…", "cat"]
        assert bars["customdata"] == ["dog", "a very long name", "cat"]

    def test_names_are_no_markup_and_many_classes_are_cut(self) -> None:
        figure = picture_chart([1 / 40] * 40, ["<b>"] * 40)
        assert figure["data"][0]["customdata"] == ["&lt;b&gt;"] * 10
        assert picture_height(40) == picture_height(10)


@pytest.mark.parametrize(
    "figure", [draw(LOSSES, FIRST, SECOND), TestSharpness().draw(), picture_chart([1.0, 0.0], ["a", "b"])]
)
def test_what_a_chart_changes_on_a_phone_is_known_to_plotly(figure: dict[str, Any]) -> None:
    meta = figure["layout"].get("meta", {})
    assert meta.keys() <= {"narrow"}
    graph_objects.Layout(meta.get("narrow", {}))
