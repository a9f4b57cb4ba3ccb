"""Surfaces and trajectories: torch.optim takes the steps, what diverges is cut, and the figure is plain JSON."""

import json
import math
from itertools import pairwise

import pytest
import torch

from mlpcore.charts.surfaces import trajectory_chart
from mlpcore.concepts.surfaces import (
    DIVERGED,
    SURFACES,
    Surface,
    apply_gradients,
    compute_trajectory,
    evaluate_surface,
    sample_surface,
)
from mlpcore.recipes.optimizers import Muon
from mlpcore.recipes.recipe import SGD, Adam, AnyOptimizer
from tests.support.present import present

PLAIN = SGD(lr=0.03, momentum=0.0, weight_decay=0.0, nesterov=False)
MOMENTUM = SGD(lr=0.03, momentum=0.9, weight_decay=0.0, nesterov=False)
NESTEROV = SGD(lr=0.03, momentum=0.9, weight_decay=0.0, nesterov=True)
ADAM = Adam(lr=0.1)


@pytest.mark.parametrize("optimizer_recipe", [PLAIN, MOMENTUM, NESTEROV, ADAM])
@pytest.mark.parametrize("surface", SURFACES.values(), ids=list(SURFACES))
class TestTrajectory:
    def test_every_step_is_torchs(self, optimizer_recipe: AnyOptimizer, surface: Surface) -> None:
        place = torch.nn.Parameter(torch.tensor(surface.start, dtype=torch.float64))
        settings = optimizer_recipe.model_dump(exclude={"name"})
        optimizer = getattr(torch.optim, optimizer_recipe.name)([place], foreach=False, **settings)
        expected = [surface.start]
        for _step in range(30):
            optimizer.zero_grad()
            surface.function(place[0], place[1]).backward()
            optimizer.step()
            expected.append(tuple(place.tolist()))
        positions = compute_trajectory(optimizer_recipe, surface, surface.start, 30)
        assert len(positions) == 31
        for position, other in zip(positions, expected, strict=True):
            assert position == pytest.approx(other, rel=1e-9)

    def test_with_the_rates_the_page_begins_with_it_goes_downhill_within_the_frame(
        self, optimizer_recipe: AnyOptimizer, surface: Surface
    ) -> None:
        positions = compute_trajectory(optimizer_recipe, surface, surface.start, 300)
        assert len(positions) == 301
        assert all(surface.contains(position) for position in positions)
        first, *_between, last = evaluate_surface(surface, positions)
        assert last < first / 3


@pytest.mark.parametrize("surface", SURFACES.values(), ids=list(SURFACES))
def test_minima_have_zero_gradient_and_the_least_value(surface: Surface) -> None:
    xs, ys, rows = sample_surface(surface, 81)
    assert len(rows) == len(ys) == len(xs) == 81
    for x, y in surface.minima:
        place = torch.tensor([x, y], dtype=torch.float64, requires_grad=True)
        lowest = surface.function(*place)
        lowest.backward()
        assert present(place.grad).tolist() == [0.0, 0.0]
        assert lowest.item() <= min(map(min, rows))
    assert evaluate_surface(surface, [(xs[3], ys[7])]) == [pytest.approx(rows[7][3])]


def test_plain_descent_on_the_valley_shrinks_each_coordinate_by_its_own_factor() -> None:
    positions = compute_trajectory(PLAIN, SURFACES["valley"], (-9.0, 2.0), 5)
    for (x, y), (next_x, next_y) in pairwise(positions):
        assert (next_x / x, next_y / y) == (pytest.approx(1 - 0.03), pytest.approx(1 - 0.03 * 25))


def test_momentum_leaves_the_saddle_long_before_plain_descent() -> None:
    def steps_to_leave(optimizer_recipe: AnyOptimizer) -> int:
        positions = compute_trajectory(optimizer_recipe, SURFACES["saddle"], (-2.5, 0.01), 300)
        return next(step for step, (_x, y) in enumerate(positions) if y > 0.5)

    assert steps_to_leave(ADAM) < steps_to_leave(MOMENTUM) < steps_to_leave(PLAIN)


def test_diverging_trajectory_ends_with_the_last_position_within_the_limit() -> None:
    surface = SURFACES["valley"]
    positions = compute_trajectory(PLAIN.model_copy(update={"lr": 0.2}), surface, (-9.0, 2.0), 300)
    assert [surface.contains(position) for position in positions[:3]] == [True, False, False]
    assert 3 < len(positions) < 20
    width = surface.x_range[1] - surface.x_range[0]
    assert width < math.hypot(*positions[-1]) < DIVERGED * width


def test_overflow_in_the_first_step_leaves_the_start() -> None:
    surface = SURFACES["Rosenbrock"]
    assert compute_trajectory(PLAIN.model_copy(update={"lr": 10.0}), surface, (2.0, -1.0), 50)[0] == (2.0, -1.0)
    assert all(
        math.isfinite(value)
        for position in compute_trajectory(PLAIN.model_copy(update={"lr": 10.0}), surface, (2.0, -1.0), 50)
        for value in position
    )


@pytest.mark.parametrize("surface", SURFACES.values(), ids=list(SURFACES))
def test_muon_takes_a_position_as_a_matrix_of_one_row_and_all_its_steps_are_about_as_long(surface: Surface) -> None:
    row = torch.nn.Parameter(torch.tensor([surface.start], dtype=torch.float64))
    optimizer = torch.optim.Muon([row], lr=0.2, weight_decay=0.0)
    expected = [surface.start]
    for _step in range(30):
        optimizer.zero_grad()
        surface.function(row[0, 0], row[0, 1]).backward()
        optimizer.step()
        expected.append(tuple(row[0].tolist()))
    positions = compute_trajectory(Muon(lr=0.2, weight_decay=0.0), surface, surface.start, 30)
    assert positions == expected
    lengths = [math.dist(*pair) for pair in pairwise(positions)]
    assert (min(lengths), max(lengths)) == (pytest.approx(0.7 * 0.2, rel=0.03), pytest.approx(0.7 * 0.2, rel=0.03))


def test_given_gradients_are_torchs_too() -> None:
    assert apply_gradients(MOMENTUM, 1.0, [1.0, 1.0]) == pytest.approx([0.97, 0.97 - 0.03 * 1.9])


class TestChart:
    def draw(self, lr: float) -> dict:
        surface = SURFACES["valley"]
        paths = [("SGD", compute_trajectory(PLAIN.model_copy(update={"lr": lr}), surface, surface.start, 300))]
        paths.append(("Adam", compute_trajectory(ADAM, surface, surface.start, 300)))
        return trajectory_chart(sample_surface(surface, 41), paths, minima=surface.minima)

    @pytest.mark.parametrize("lr", [0.03, 0.2, 10.0])
    def test_figure_is_json_without_nan(self, lr: float) -> None:
        json.dumps(self.draw(lr), allow_nan=False)

    def test_frame_is_the_surfaces_own_wherever_a_path_goes(self) -> None:
        for lr in (0.03, 0.2):
            layout = self.draw(lr)["layout"]
            assert (layout["xaxis"]["range"], layout["yaxis"]["range"]) == ([-10.0, 4.0], [-3.0, 3.0])

    def test_each_optimizer_has_its_look_its_path_and_its_last_position(self) -> None:
        traces = {trace["uid"]: trace for trace in self.draw(0.03)["data"]}
        assert [traces[f"path-{place}"]["line"]["color"] for place in (0, 1)] == ["#0072B2", "#D55E00"]
        assert [traces[f"path-{place}"]["line"]["dash"] for place in (0, 1)] == ["solid", "dash"]
        assert [traces[f"end-{place}"]["marker"]["symbol"] for place in (0, 1)] == ["circle", "square"]
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
        figure = trajectory_chart(
            sample_surface(surface, 5), [("SGD", [(0.0, 0.0)])], minima=surface.minima, translate=str.upper
        )
        assert figure["data"][-1]["name"] == "MINIMUM"
