"""The chart of a learning-rate test."""

from typing import Any

import numpy as np
import pytest
from plotly import graph_objects

from mlpcore.analysis.learning_rate.lr_test import LrTest
from mlpcore.analysis.learning_rate.suggestions import suggest_rates
from mlpcore.charts.lr_test import lr_test_chart

RATES = tuple(np.geomspace(1e-6, 10, 100).tolist())
FALL = np.interp(np.log10(RATES), [-6, -4, -1, 0, 1], [2.3, 2.3, 1.1, 3.3, 3.3])
TEST = LrTest(RATES, (tuple(FALL.tolist()), tuple((FALL + 0.1).tolist()), (*(FALL + 0.2).tolist()[:80], 1e9)))


@pytest.fixture
def figure() -> dict[str, Any]:
    return lr_test_chart(TEST, suggest_rates(TEST))


def trace(figure: dict[str, Any], uid: str) -> dict[str, Any]:
    return next(one for one in figure["data"] if one["uid"] == uid)


def test_figure_is_one_that_plotly_accepts(figure: dict[str, Any]) -> None:
    graph_objects.Figure(figure)


def test_mean_of_the_seeds_lies_in_their_band(figure: dict[str, Any]) -> None:
    mean, band = trace(figure, "loss"), trace(figure, "band")
    high, low = band["y"][:100], band["y"][:99:-1]
    assert mean["y"][0] == pytest.approx(2.4)
    assert (low[0], high[0]) == pytest.approx((2.3, 2.5))
    assert all(one <= two <= three for one, two, three in zip(low, mean["y"], high, strict=True))


def test_measured_losses_of_each_seed_are_drawn_behind(figure: dict[str, Any]) -> None:
    measured = trace(figure, "measured")
    assert measured["y"].count(None) == 3
    assert len(measured["y"]) == 100 + 100 + 81 + 3
    assert figure["data"][0] is measured


def test_each_rule_marks_its_rate_on_the_curve(figure: dict[str, Any]) -> None:
    for suggestion in suggest_rates(TEST):
        mark = trace(figure, f"mark-{suggestion.rule.name.lower()}")
        assert mark["x"] == [suggestion.rate]
        assert 1.1 < mark["y"][0] < 2.5
    assert len({mark["marker"]["symbol"] for mark in figure["data"][3:]}) == 3


def test_rule_without_a_rate_has_no_mark() -> None:
    flat = LrTest(RATES, ((2.3,) * 100, (2.3,) * 100))
    figure = lr_test_chart(flat, suggest_rates(flat))
    assert trace(figure, "mark-valley")["x"] == []


def test_explosion_leaves_the_chart_at_its_top(figure: dict[str, Any]) -> None:
    assert figure["layout"]["yaxis"]["range"][1] <= 3
    assert figure["layout"]["xaxis"]["range"] == pytest.approx([-6, 1])
