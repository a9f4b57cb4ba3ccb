"""The points that samplers draw: all of a grid, Sobol's, and TPE's, which follow from the trials before."""

import math
from collections import Counter
from typing import Any

import pytest

from mlpcore.sweeps.definition import Definition, Point, read_definition
from mlpcore.sweeps.samplers import BATCH, draw_batch, grid, sobol

WIDE = {
    "optimizer": ["SGD", "Adam"],
    "lr": {"low": 1e-4, "high": 1.0},
    "momentum": {"high": 0.99},
    "betas": [[0.9, 0.999], [0.8, 0.99]],
    "batch_size": {"low": 16, "high": 128},
}


def read(space: dict[str, Any], **values: object) -> Definition:
    return read_definition({"base": {"validation_size": 9}, "space": space} | values)


def number(point: Point, name: str) -> float:
    value = point[name]
    assert isinstance(value, float)
    return value


def score(point: Point) -> float:
    """Highest, 1, for Adam at lr 0.1."""
    return 1 - abs(number(point, "lr") - 0.1) - 0.2 * (point["optimizer"] == "SGD")


def draw_all(definition: Definition, before: list[tuple[Point, float]] | None = None) -> list[tuple[Point, float]]:
    drawn = list(before or [])
    while batch := draw_batch(definition, drawn):
        drawn += [(point, score(point)) for point in batch]
    return drawn


class TestGrid:
    def test_every_combination_is_listed_and_what_an_optimizer_lacks_is_left_out(self):
        space = {"optimizer": ["SGD", "Adam"], "lr": [0.1, 0.2], "momentum": [0.5, 0.9]}
        assert grid(read(space)) == [
            {"optimizer": "SGD", "lr": 0.1, "momentum": 0.5},
            {"optimizer": "SGD", "lr": 0.1, "momentum": 0.9},
            {"optimizer": "SGD", "lr": 0.2, "momentum": 0.5},
            {"optimizer": "SGD", "lr": 0.2, "momentum": 0.9},
            {"optimizer": "Adam", "lr": 0.1},
            {"optimizer": "Adam", "lr": 0.2},
        ]

    def test_a_log_range_has_round_half_decades(self):
        rates = grid(read({"lr": {"low": 1e-4, "high": 1, "log": True, "points": 9}}))
        assert [point["lr"] for point in rates] == [
            *(1e-4, 0.0003162, 0.001, 0.003162, 0.01, 0.03162, 0.1, 0.3162, 1.0),
        ]

    def test_whole_numbers_stay_whole_and_none_comes_twice(self):
        sizes = grid(read({"batch_size": {"low": 1, "high": 4, "points": 9}}))
        assert [point["batch_size"] for point in sizes] == [1, 2, 3, 4]
        assert {type(point["batch_size"]) for point in sizes} == {int}

    def test_it_is_drawn_in_batches_to_its_end(self):
        definition = read({"lr": {"points": 10}, "dropout": {"points": 4}})
        drawn: list[tuple[Point, float]] = []
        sizes = []
        while batch := draw_batch(definition, drawn):
            drawn += [(point, 0.5) for point in batch]
            sizes.append(len(batch))
        assert sizes == [16, 16, 8]
        assert [point for point, _accuracy in drawn] == grid(definition)
        assert definition.count_trials() == 40

    def test_one_that_was_widened_draws_only_what_is_new(self):
        drawn: list[tuple[Point, float]] = [({"lr": rate}, 0.5) for rate in (0.01, 0.1)]
        assert draw_batch(read({"lr": [0.001, 0.01, 0.1, 1.0]}), drawn) == [{"lr": 0.001}, {"lr": 1.0}]


class TestSobol:
    def test_a_longer_sweep_begins_with_the_same_points(self):
        short, long = (read(WIDE, sampler="sobol", trials=trials) for trials in (20, 100))
        assert sobol(long)[:20] == sobol(short)
        assert draw_all(long, draw_all(short)) == draw_all(long)

    def test_each_eighth_of_a_range_has_its_share_of_the_points(self):
        space = {"lr": {"low": 1e-4, "high": 1.0}, "dropout": {"high": 0.8}}
        points = sobol(read(space, sampler="sobol", trials=64))
        shares = [(10 * number(point, "dropout"), 4 + math.log10(number(point, "lr"))) for point in points]
        assert Counter(int(dropout) for dropout, _decade in shares) == dict.fromkeys(range(8), 8)
        assert Counter(int(decade) for _dropout, decade in shares) == dict.fromkeys(range(4), 16)

    def test_another_seed_draws_other_points(self):
        assert sobol(read(WIDE, sampler="sobol")) != sobol(read(WIDE, sampler="sobol", seed=1))

    def test_a_point_has_only_what_its_optimizer_has(self):
        points = sobol(read(WIDE, sampler="sobol", trials=32))
        assert {(point["optimizer"], "momentum" in point, "betas" in point) for point in points} == {
            ("SGD", True, False),
            ("Adam", False, True),
        }

    def test_in_studies_each_row_gets_the_same_points_and_each_study_other_ones(self):
        base, space = {"validation_size": 9}, {"lr": {"low": 1e-4, "high": 1.0}, "dropout": {}}
        given = {"rows": [base, base | {"optimizer": {"name": "Adam"}}], "space": space, "sampler": "sobol"}
        definition = read_definition(given | {"trials": 6, "studies": 3})
        points = sobol(definition)
        assert definition.count_trials() == len(points) == 12
        assert [point["row"] for point in points] == [0, 0, 1, 1] * 3
        rates = [point["lr"] for point in points]
        assert [rates[start : start + 2] for start in (0, 4, 8)] == [rates[start : start + 2] for start in (2, 6, 10)]
        assert len(set(rates)) == 6


class TestTPE:
    def test_the_same_seed_draws_the_same_trials_and_another_seed_others(self):
        definition = read(WIDE, sampler="tpe", trials=40)
        assert draw_all(definition) == draw_all(definition)
        assert len(draw_all(definition)) == 40
        assert draw_all(definition.replace(seed=1)) != draw_all(definition)

    @pytest.mark.parametrize("batches", [1, 2])
    def test_a_sweep_that_is_taken_up_goes_on_as_it_would_have(self, batches):
        definition = read(WIDE, sampler="tpe", trials=40)
        whole = draw_all(definition)
        assert draw_all(definition, whole[: batches * BATCH]) == whole

    def test_one_that_is_extended_twice_is_the_longer_one_also_from_within_a_batch(self):
        short, middle, long = (read(WIDE, sampler="tpe", trials=trials) for trials in (20, 27, 50))
        assert draw_all(long, draw_all(middle, draw_all(short))) == draw_all(long)

    def test_it_comes_nearer_to_the_best_than_its_random_start(self):
        drawn = draw_all(read(WIDE, sampler="tpe", trials=64))
        assert sum(accuracy for _point, accuracy in drawn[-16:]) > sum(accuracy for _point, accuracy in drawn[:16])

    def test_the_points_of_a_batch_keep_apart(self):
        definition = read({"lr": {"low": 1e-4, "high": 1.0}}, sampler="tpe", trials=48)
        drawn: list[tuple[Point, float]] = []
        while batch := draw_batch(definition, drawn):
            assert len({point["lr"] for point in batch}) == 16
            drawn += [(point, 0.5) for point in batch]

    def test_a_point_has_only_what_its_optimizer_has(self):
        points = [point for point, _accuracy in draw_all(read(WIDE, sampler="tpe", trials=32))]
        assert all(("momentum" in point) == (point["optimizer"] == "SGD") for point in points)
        assert {type(point["batch_size"]) for point in points} == {int}
