"""The strips of a run's health, one per layer."""

from dataclasses import replace

from plotly import graph_objects

from mlpcore.charts.layers.health import health_chart, health_height
from tests.support.histories import evaluation

MEASURED = [
    evaluation(10, update_ratios=(0.01, 0.001), gradient_norms=(2.0, 100.0), stuck_units=(0.25,)),
    evaluation(20, update_ratios=(0.1, 0.0), gradient_norms=(0.5, 10.0), stuck_units=(0.5,)),
]


def test_each_layer_has_a_strip_of_its_own_and_all_have_the_same_scale() -> None:
    figure = health_chart(MEASURED, "update_ratios", layers=2, train_iter=100)
    first, second = figure["data"]
    assert (first["x"], first["y"], second["y"]) == ([10, 20], [-2.0, -1.0], [-3.0, -9.0])
    assert (first["yaxis"], second["yaxis"]) == ("y", "y2")
    low, high = figure["layout"]["yaxis2"]["domain"], figure["layout"]["yaxis"]["domain"]
    assert 0 == low[0] < low[1] < high[0] < high[1] == 1
    assert figure["layout"]["yaxis"]["range"] == figure["layout"]["yaxis2"]["range"] == [-9.1, -0.9]
    graph_objects.Figure(figure)  # raises ValueError for what Plotly does not know


def test_a_line_marks_minus_three_in_every_strip_of_the_updates_and_in_no_other() -> None:
    lines = health_chart(MEASURED, "update_ratios", layers=2, train_iter=100)["layout"]["shapes"]
    assert [(one["yref"], one["y0"], one["y1"]) for one in lines] == [("y", -3, -3), ("y2", -3, -3)]
    assert health_chart(MEASURED, "gradient_norms", layers=2, train_iter=100)["layout"]["shapes"] == []


def test_stuck_units_are_shares_of_hidden_layers() -> None:
    (strip,) = health_chart(MEASURED, "stuck_units", layers=1, train_iter=100)["data"]
    assert (strip["y"], strip["hovertemplate"], strip["fill"]) == ([0.25, 0.5], "%{y:.0%}", "tozeroy")


def test_evaluations_of_older_versions_leave_the_strips_empty() -> None:
    old = [replace(one, update_ratios=(), gradient_norms=(), stuck_units=()) for one in MEASURED]
    figure = health_chart(old, "gradient_norms", layers=2, train_iter=100)
    assert [trace["y"] for trace in figure["data"]] == [[None], [None]]


def test_a_figure_grows_by_the_same_for_each_layer() -> None:
    assert health_height(3) - health_height(2) == health_height(2) - health_height(1) == 70
