"""The figures of claims: a panel for each measure or data set, a line for each seed."""

import json
import math
from dataclasses import replace

import pytest

from mlpcore.analysis.claims.experiments import LEARNING_RATES
from mlpcore.charts.claims import accuracy_by_lr_chart, steps_chart
from mlpcore.charts.compare import Series
from mlpcore.runs.records import RunStatus
from tests.support.claim_runs import evaluation, plan, run


class TestCharts:
    def test_each_measure_has_a_panel_and_each_seed_a_line(self) -> None:
        recipes = plan("plateau")
        runs = [run(recipe, evaluation(100, loss=2.0), evaluation(200, loss=1.0)) for recipe in recipes]
        series = [Series("kept", 0, runs[:6]), Series("lowered", 1, runs[6:])]
        chart = steps_chart({"Shapes": series}, ("train_loss", "weights"), translate=str.upper)
        assert [(trace["name"], trace["yaxis"], trace["showlegend"]) for trace in chart["data"][:13:6]] == [
            ("kept", "y", True),
            ("lowered", "y", True),
            ("kept", "y2", False),
        ]
        assert len(chart["data"]) == 24
        assert (chart["data"][0]["x"], chart["data"][0]["y"]) == ([100, 200], [2.0, 1.0])
        assert chart["data"][12]["y"] == [10.0, 10.0]
        assert chart["layout"]["xaxis"]["range"] == [0, 1200]
        assert [entry["text"] for entry in chart["layout"]["annotations"]] == ["MINI-BATCH LOSS", "SIZE OF THE WEIGHTS"]

    def test_each_data_set_has_a_panel_with_its_name_and_recipes_keep_their_colours(self) -> None:
        recipes = plan("adam_not_always", "Shapes", "Tiny")
        runs = [run(recipe, evaluation(200)) for recipe in recipes]
        groups = {
            "Shapes": [Series("SGD", 0, runs[:6]), Series("Adam", 1, runs[6:12])],
            "<b>": [Series("SGD", 0, runs[12:18]), Series("Adam", 1, runs[18:])],
        }
        chart = steps_chart(groups, ("test_acc",))
        assert [entry["text"] for entry in chart["layout"]["annotations"]] == [
            "test accuracy",
            "Shapes",
            "test accuracy",
            "&lt;b&gt;",
        ]
        assert [(trace["line"]["color"], trace["yaxis"]) for trace in chart["data"][::6]] == [
            ("#0072B2", "y"),
            ("#D55E00", "y"),
            ("#0072B2", "y2"),
            ("#D55E00", "y2"),
        ]
        assert sum(trace["showlegend"] for trace in chart["data"]) == 2

    @pytest.mark.parametrize("loss", [math.nan, math.inf, 1e30])
    def test_figures_are_json_without_nan(self, loss: float) -> None:
        runs = [run(recipe, evaluation(100, loss=loss)) for recipe in plan("memorising")]
        empty = [run(recipe, status=RunStatus.RUNNING) for recipe in plan("memorising")]
        for of in (runs, empty):
            series = [Series("a", place, [one]) for place, one in enumerate(of)]
            json.dumps(steps_chart({"Shapes": series}, ("train_loss", "test_acc")), allow_nan=False)
        json.dumps(accuracy_by_lr_chart([replace(one, evaluations=()) for one in runs]), allow_nan=False)

    def test_accuracies_lie_over_their_rates_and_who_diverged_is_crossed_at_zero(self) -> None:
        runs = [run(recipe, evaluation(500, test_acc=0.3)) for recipe in plan("rates")]
        runs[8] = replace(runs[8], status=RunStatus.DIVERGED, evaluations=())
        runs[9] = replace(runs[9], status=RunStatus.RUNNING, evaluations=())
        sgd, adam = accuracy_by_lr_chart(runs)["data"]
        assert (sgd["name"], adam["name"]) == ("SGD", "Adam")
        assert sgd["x"] == list(LEARNING_RATES)
        assert sgd["y"] == [0.3] * 8 + [0.0]
        assert sgd["marker"]["symbol"] == ["circle"] * 8 + ["x"]
        assert adam["x"] == list(LEARNING_RATES[1:])
