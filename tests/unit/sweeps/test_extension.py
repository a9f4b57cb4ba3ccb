"""Sweeps that go further: bests at an edge of what was tried, and ranges, lists and grids that are widened."""

from typing import Any

import pytest

from mlpcore.analysis.sweeps.edges import Edge, EdgeBest
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Adam
from mlpcore.sweeps.definition import Definition, Point
from mlpcore.sweeps.extension import list_edges, widen
from mlpcore.sweeps.samplers import draw_batch
from mlpcore.sweeps.sensitivity import define_sensitivity, rates_of
from mlpcore.sweeps.space import Range
from tests.support.sweeps import BASE, define, trial

LR: dict[str, Any] = {"low": 1e-4, "high": 1.0, "log": True}


def search(**space: Any) -> Definition:
    return define(space=space, sampler="sobol")


def widened(definition: Definition, name: str, *ends: Edge) -> Range:
    wider = widen(definition, {name: ends}).space[name]
    assert isinstance(wider, Range)
    return wider


class TestBests:
    def test_each_hyperparameter_of_the_best_trial_that_lies_at_an_edge_is_named(self):
        definition = search(
            lr=LR, weight_decay={"low": 1e-6, "high": 0.1, "log": True}, dropout={"low": 0.1, "high": 0.5}
        )
        best = trial(0, {"lr": 0.9, "weight_decay": 1e-3, "dropout": 0.11}, 0.6)
        other = trial(1, {"lr": 1e-4, "weight_decay": 1e-6, "dropout": 0.5}, 0.5)
        assert list_edges(definition, [best, other]) == [
            EdgeBest("lr", 0.9, 1e-4, 1.0, Edge.HIGH),
            EdgeBest("dropout", 0.11, 0.1, 0.5, Edge.LOW),
        ]

    def test_where_optimizers_differ_the_best_of_each_counts(self):
        definition = search(optimizer=["SGD", "Adam"], lr=LR)
        trials = [
            trial(0, {"optimizer": "SGD", "lr": 0.9}, 0.5),
            trial(1, {"optimizer": "Adam", "lr": 0.01}, 0.6),
            trial(2, {"optimizer": "Adam", "lr": 0.9}, None),
        ]
        assert list_edges(definition, trials) == [EdgeBest("lr", 0.9, 1e-4, 1.0, Edge.HIGH, "SGD")]

    def test_an_end_at_which_the_field_itself_ends_is_no_edge(self):
        definition = search(dropout={"low": 0.0, "high": 0.5}, lr={"low": 1e-6, "high": 10.0})
        assert list_edges(definition, [trial(0, {"dropout": 0.0, "lr": 10.0}, 0.5)]) == []

    @pytest.mark.parametrize(("lr", "edge"), [(0.001, Edge.LOW), (0.002, None), (0.1, Edge.HIGH)])
    def test_of_values_that_are_listed_only_the_outermost_lie_at_an_edge(self, lr, edge):
        for definition in (define(space={"lr": [0.1, 0.001, 0.002]}), search(lr=[0.1, 0.001, 0.002])):
            assert [one.edge for one in list_edges(definition, [trial(0, {"lr": lr}, 0.5)])] == [edge] * (
                edge is not None
            )

    def test_names_switches_and_two_values_have_no_edges(self):
        definition = search(activation=["relu", "tanh"], nesterov=[True, False], momentum=[0.8, 0.9], lr=LR)
        point: Point = {"activation": "relu", "nesterov": True, "momentum": 0.9, "lr": 0.01}
        assert list_edges(definition, [trial(0, point, 0.5)]) == []

    def test_a_search_without_a_result_has_no_edges(self):
        assert list_edges(search(lr=LR), [trial(0, {"lr": 1.0}, None)]) == []


class TestWideningRanges:
    def test_a_range_grows_by_a_quarter_at_its_edge_to_a_round_number(self):
        definition = search(lr=LR, label_noise={"low": 0.1, "high": 0.5})
        assert widened(definition, "lr", Edge.HIGH) == Range(low=1e-4, high=10.0, log=True)
        assert widened(definition, "lr", Edge.LOW) == Range(low=1e-5, high=1.0, log=True)
        assert widened(definition, "label_noise", Edge.HIGH) == Range(low=0.1, high=0.6)

    def test_it_ends_at_the_bounds_of_the_field(self):
        definition = search(lr={"low": 2e-6, "high": 9.0, "log": True}, dropout={"low": 0.05, "high": 0.85})
        assert widened(definition, "lr", Edge.LOW, Edge.HIGH) == Range(low=1e-6, high=10.0, log=True)
        assert widened(definition, "dropout", Edge.LOW, Edge.HIGH) == Range(low=0.0, high=0.95)

    def test_whole_numbers_stay_whole_and_a_log_range_begins_above_0(self):
        definition = search(batch_size={"low": 16, "high": 256, "log": True})
        wider = widened(definition, "batch_size", Edge.LOW, Edge.HIGH)
        assert (wider.low, wider.high, wider.is_whole) == (8, 500, True)
        narrow = search(warmup_iters={"low": 1, "high": 100, "log": True}, scheduler=["StepLR"])
        assert list_edges(narrow, [trial(0, {"warmup_iters": 1, "scheduler": "StepLR"}, 0.5)]) == []


class TestWideningGrids:
    def test_two_points_are_added_at_each_edge_and_the_old_rates_stay(self):
        definition = define_sensitivity([BASE], seeds=1)
        assert rates_of(definition) == [1e-4, 0.0003162, 0.001, 0.003162, 0.01, 0.03162, 0.1, 0.3162, 1.0]
        wider = widen(definition, {"lr": {Edge.LOW, Edge.HIGH}})
        assert rates_of(wider) == [1e-5, 3.162e-5, *rates_of(definition), 3.162, 10.0]

    @pytest.mark.parametrize("rates", [{"low": 2e-4, "high": 0.05, "points": 4, "log": True}, [0.003, 0.03, 0.3]])
    def test_trials_are_kept_whatever_the_rates(self, rates):
        definition = define(space={"lr": rates})
        drawn = [(point, 0.5) for point in draw_batch(definition, [])]
        wider = widen(definition, {"lr": {Edge.LOW}})
        assert rates_of(wider)[2:] == rates_of(definition)
        assert [point["lr"] for point in draw_batch(wider, drawn)] == rates_of(wider)[:2]
        assert wider.count_trials() == definition.count_trials() + 2

    def test_it_ends_at_the_bounds_of_the_learning_rate(self):
        definition = define_sensitivity([BASE], seeds=1, low=1e-6, high=1.0)
        assert widen(definition, {"lr": {Edge.LOW}}) == definition
        once = widen(definition, {"lr": {Edge.HIGH}})
        assert rates_of(widen(once, {"lr": {Edge.HIGH}}))[-3:] == [1.0, 3.162, 10.0]

    def test_a_list_goes_on_by_its_ratio_or_by_its_distance(self):
        lists = {"batch_size": [32, 64, 128], "label_noise": [0.1, 0.2, 0.3], "lr": [0.01]}
        wider = widen(search(**lists), dict.fromkeys(lists, (Edge.HIGH,))).space
        assert wider == {
            "batch_size": (32, 64, 128, 256, 512),
            "label_noise": (0.1, 0.2, 0.3, 0.4, 0.5),
            "lr": (0.01,),  # says nothing of how far apart the next would be
        }

    def test_a_bound_is_that_of_every_optimizer_that_has_the_hyperparameter(self):
        definition = define(BASE, BASE.replace(optimizer=Adam()), space={"lr": [0.1, 1.0, 10.0]})
        assert widen(definition, {"lr": {Edge.HIGH}}) == definition

    def test_a_grid_that_would_have_too_many_points_is_refused_in_a_sentence(self):
        definition = define(space={"lr": LR | {"points": 31}, "dropout": {"points": 31, "low": 0.1}})
        with pytest.raises(SentenceError, match=r"The grid has 1,023 points: a sweep may have at most 1,000 trials"):
            widen(definition, {"lr": {Edge.HIGH}})
