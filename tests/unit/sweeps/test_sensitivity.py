"""Curves over the learning rate, one per row: what they are made of, fresh seeds, and edges."""

from mlpcore.analysis.sweeps.edges import Edge
from mlpcore.recipes.recipe import SGD, Adam
from mlpcore.sweeps.definition import Definition
from mlpcore.sweeps.sensitivity import (
    build_curves,
    find_edges,
    fresh_accuracies,
    merge_rates,
)
from mlpcore.sweeps.trials import Trial, come_to_nothing
from tests.support.sweeps import BASE, define, trial


def two_rows(**values: object) -> Definition:
    rows = (BASE.replace(optimizer=SGD(weight_decay=0.0)), BASE.replace(optimizer=Adam()))
    return define(*rows, **values)


class TestCurves:
    TRIALS = (
        *(trial(place, {"row": 0, "lr": lr}, acc) for place, (lr, acc) in enumerate([(0.1, 0.3), (0.001, 0.1)])),
        *(trial(place + 2, {"row": 1, "lr": lr}, acc) for place, (lr, acc) in enumerate([(0.1, 0.2), (0.001, 0.5)])),
    )

    def test_each_row_has_a_curve_in_the_order_of_its_rates(self):
        curves = build_curves(two_rows(), self.TRIALS)
        assert [curve.label for curve in curves] == ["SGD", "Adam"]
        assert [[(one.lr, one.mean, one.trial) for one in curve.results] for curve in curves] == [
            [(0.001, 0.1, 1), (0.1, 0.3, 0)],
            [(0.001, 0.5, 3), (0.1, 0.2, 2)],
        ]

    def test_a_row_that_was_given_a_name_keeps_it(self):
        curves = build_curves(two_rows(names=["mine", ""]), self.TRIALS)
        assert [curve.label for curve in curves] == ["mine", "Adam"]

    def test_trials_without_a_result_or_with_values_that_do_not_fit_are_left_out(self):
        waiting = Trial(0, {"momentum": 0.9, "lr": 0.1}, ("a",))
        refused = Trial(1, {"momentum": 0.0, "lr": 0.1}, (), result=come_to_nothing("refused"))
        definition = define(space={"lr": [0.1], "momentum": [0.0, 0.9]})
        assert [(curve.results, curve.good) for curve in build_curves(definition, [waiting, refused])] == [([], None)]

    def test_fresh_seeds_are_those_of_the_best_rate_only(self):
        definition = two_rows(seeds=1, fresh_seeds=2)
        earlier = trial(4, {"row": 0, "lr": 0.001}, 0.7, 0.7, is_fresh=True)  # the best before the grid was widened
        fresh = trial(5, {"row": 0, "lr": 0.1}, 0.4, 0.6, is_fresh=True)
        assert fresh_accuracies(definition, [*self.TRIALS, earlier, fresh]) == {"SGD": {1: 0.4, 2: 0.6}}

    def test_fresh_seeds_of_which_a_run_was_deleted_are_left_out(self):
        fresh = trial(4, {"row": 0, "lr": 0.1}, 0.4, is_fresh=True)  # one result, and nobody knows of which seed
        assert fresh_accuracies(two_rows(seeds=1, fresh_seeds=2), [*self.TRIALS, fresh]) == {}

    def test_edges_are_those_of_every_row(self):
        assert find_edges(build_curves(two_rows(), self.TRIALS)) == {Edge.LOW, Edge.HIGH}


def test_rows_that_differ_only_in_the_learning_rate_become_one():
    rows = [BASE.replace(optimizer=one) for one in (SGD(lr=0.1), SGD(lr=0.01), Adam(lr=0.1))]
    merged, names = merge_rates(rows, ["a", "b", "c"])
    assert [row.optimizer.name for row in merged] == ["SGD", "Adam"]
    assert names == ["a", "c"]
