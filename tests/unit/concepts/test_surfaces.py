"""Surfaces and races: torch.optim takes the steps, what diverges is cut, and the figure is plain JSON."""

import json
import math
from itertools import pairwise

import pytest
import torch

from mlpcore.charts.surfaces import trajectory_chart
from mlpcore.concepts.surfaces import FAR, SURFACES, Surface, apply_gradients, grid, heights, race
from mlpcore.recipes.recipe import SGD, Adam, AnyOptimizer

PLAIN = SGD(lr=0.03, momentum=0.0, weight_decay=0.0, nesterov=False)
MOMENTUM = SGD(lr=0.03, momentum=0.9, weight_decay=0.0, nesterov=False)
NESTEROV = SGD(lr=0.03, momentum=0.9, weight_decay=0.0, nesterov=True)
ADAM = Adam(lr=0.1)


@pytest.mark.parametrize("knobs", [PLAIN, MOMENTUM, NESTEROV, ADAM])
@pytest.mark.parametrize("surface", SURFACES.values(), ids=list(SURFACES))
class TestRace:
    def test_every_step_is_torchs(self, knobs: AnyOptimizer, surface: Surface) -> None:
        place = torch.nn.Parameter(torch.tensor(surface.start, dtype=torch.float64))
        settings = knobs.model_dump(exclude={"name"})
        optimizer = getattr(torch.optim, knobs.name)([place], foreach=False, **settings)
        expected = [surface.start]
        for _step in range(30):
            optimizer.zero_grad()
            surface.function(place[0], place[1]).backward()
            optimizer.step()
            expected.append(tuple(place.tolist()))
        points = race(knobs, surface, surface.start, 30)
        assert len(points) == 31
        for point, other in zip(points, expected, strict=True):
            assert point == pytest.approx(other, rel=1e-9)

    def test_with_the_rates_the_page_begins_with_it_goes_downhill_within_the_frame(
        self, knobs: AnyOptimizer, surface: Surface
    ) -> None:
        points = race(knobs, surface, surface.start, 300)
        assert len(points) == 301
        assert all(surface.holds(point) for point in points)
        first, *_between, last = heights(surface, points)
        assert last < first / 3


@pytest.mark.parametrize("surface", SURFACES.values(), ids=list(SURFACES))
def test_minima_are_where_they_are_said_to_be(surface: Surface) -> None:
    xs, ys, rows = grid(surface, 81)
    assert len(rows) == len(ys) == len(xs) == 81
    for x, y in surface.minima:
        place = torch.tensor([x, y], dtype=torch.float64, requires_grad=True)
        lowest = surface.function(*place)
        lowest.backward()
        assert place.grad.tolist() == [0.0, 0.0]
        assert lowest.item() <= min(map(min, rows))
    assert heights(surface, [(xs[3], ys[7])]) == [pytest.approx(rows[7][3])]


def test_plain_descent_on_the_valley_shrinks_each_coordinate_by_its_own_factor() -> None:
    points = race(PLAIN, SURFACES["valley"], (-9.0, 2.0), 5)
    for (x, y), (next_x, next_y) in pairwise(points):
        assert (next_x / x, next_y / y) == (pytest.approx(1 - 0.03), pytest.approx(1 - 0.03 * 25))


def test_momentum_leaves_the_saddle_long_before_plain_descent() -> None:
    def steps_to_leave(knobs: AnyOptimizer) -> int:
        points = race(knobs, SURFACES["saddle"], (-2.5, 0.01), 300)
        return next(step for step, (_x, y) in enumerate(points) if y > 0.5)

    assert steps_to_leave(ADAM) < steps_to_leave(MOMENTUM) < steps_to_leave(PLAIN)


def test_who_diverges_is_followed_to_the_last_point_within_reach() -> None:
    surface = SURFACES["valley"]
    points = race(PLAIN.model_copy(update={"lr": 0.2}), surface, (-9.0, 2.0), 300)
    assert [surface.holds(point) for point in points[:3]] == [True, False, False]
    assert 3 < len(points) < 20
    width = surface.x_range[1] - surface.x_range[0]
    assert width < math.hypot(*points[-1]) < FAR * width


def test_overflow_in_the_first_step_leaves_the_start() -> None:
    surface = SURFACES["Rosenbrock"]
    assert race(PLAIN.model_copy(update={"lr": 10.0}), surface, (2.0, -1.0), 50)[0] == (2.0, -1.0)
    assert all(
        math.isfinite(value)
        for point in race(PLAIN.model_copy(update={"lr": 10.0}), surface, (2.0, -1.0), 50)
        for value in point
    )


def test_given_gradients_are_torchs_too() -> None:
    assert apply_gradients(MOMENTUM, 1.0, [1.0, 1.0]) == pytest.approx([0.97, 0.97 - 0.03 * 1.9])


class TestChart:
    def draw(self, lr: float) -> dict:
        surface = SURFACES["valley"]
        paths = [("SGD", race(PLAIN.model_copy(update={"lr": lr}), surface, surface.start, 300))]
        paths.append(("Adam", race(ADAM, surface, surface.start, 300)))
        return trajectory_chart(grid(surface, 41), paths, minima=surface.minima)

    @pytest.mark.parametrize("lr", [0.03, 0.2, 10.0])
    def test_figure_is_json_without_nan(self, lr: float) -> None:
        json.dumps(self.draw(lr), allow_nan=False)

    def test_frame_is_the_surfaces_own_wherever_a_path_goes(self) -> None:
        for lr in (0.03, 0.2):
            layout = self.draw(lr)["layout"]
            assert (layout["xaxis"]["range"], layout["yaxis"]["range"]) == ([-10.0, 4.0], [-3.0, 3.0])

    def test_each_optimizer_has_its_colour_its_path_and_its_last_point(self) -> None:
        traces = {trace["uid"]: trace for trace in self.draw(0.03)["data"]}
        assert [traces[f"path-{place}"]["line"]["color"] for place in (0, 1)] == ["#0072B2", "#D55E00"]
        assert (traces["path-0"]["x"][0], traces["path-0"]["y"][0]) == (-9.0, 2.0)
        assert traces["path-0"]["customdata"] == list(range(301))
        assert traces["end-1"]["x"] == traces["path-1"]["x"][-1:]
        assert (traces["minima"]["x"], traces["minima"]["y"]) == ([0.0], [0.0])

    def test_contours_begin_at_the_lowest_point_of_the_frame(self) -> None:
        surface = self.draw(0.03)["data"][0]
        assert min(map(min, surface["z"])) == 0.0
        assert max(map(max, surface["z"])) == pytest.approx(surface["contours"]["end"], rel=1e-4)

    def test_words_are_translated(self) -> None:
        surface = SURFACES["saddle"]
        figure = trajectory_chart(grid(surface, 5), [("SGD", [(0.0, 0.0)])], minima=surface.minima, translate=str.upper)
        assert figure["data"][-1]["name"] == "MINIMUM"
