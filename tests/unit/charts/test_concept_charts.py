"""Figures of single concepts: what they show and what they hide."""

import json

import numpy as np
import plotly.graph_objects as go

from mlpcore.charts.concepts import (
    Layer,
    MatrixPanel,
    activations_chart,
    connections_chart,
    network_chart,
    probabilities_chart,
)
from mlpcore.charts.schedule import small_schedule_chart


def panel(values, *, is_known=True, label="W"):
    return MatrixPanel(label, label, np.asarray(values, float), (0, 0), is_known, is_current=False)


class TestFigures:
    def test_all_are_plotly_and_strict_json(self):
        figures = [
            probabilities_chart(["a", "b"], [0.25, 0.75], [-0.75, 0.75], true_class=0),
            activations_chart(1.5),
            network_chart([panel(np.zeros((20, 10))), panel([[2.0]], label="z")], unit=3, feature=4),
            network_chart([panel(np.ones((20, 10)), is_known=False)], unit=0, feature=0),
            connections_chart([Layer("x", np.zeros(3), is_known=True, is_current=True)], chosen=(0,)),
            small_schedule_chart([0.01] * 40 + [0.001] * 60, top=0.01),
        ]
        for figure in figures:
            json.dumps(figure, allow_nan=False)
            go.Figure(figure)

    def test_marks_stand_on_their_curves(self):
        traces = {trace["uid"]: trace for trace in activations_chart(1.0)["data"]}
        assert traces["sigmoid-0-at"]["y"] == [0.73106]
        assert traces["sigmoid-1-at"]["y"] == [0.19661]
        assert traces["tanh-1-at"]["y"] == [0.41997]

    def test_what_is_not_known_yet_keeps_its_frame_and_shows_no_number(self):
        known = network_chart([panel(np.ones((20, 10)))], unit=0, feature=0)
        hidden = network_chart([panel(np.ones((20, 10)), is_known=False)], unit=0, feature=0)
        assert known["data"][0]["type"] == "heatmap"
        assert hidden["data"] == [{"type": "scatter", "x": [None], "y": [None]}]
        assert hidden["layout"]["shapes"] == known["layout"]["shapes"]

    def test_zero_is_the_middle_of_every_scale(self):
        (trace,) = network_chart([panel([[-4.0, 1.0], [0.0, 2.0]])], unit=0, feature=0)["data"]
        assert (trace["zmin"], trace["zmax"], trace["z"]) == (-4.0, 4.0, [[-4.0, 1.0], [0.0, 2.0]])

    def test_connections_differ_in_sign_and_size_and_the_chosen_path_is_drawn_over_them(self):
        weights = np.array([[3.0, -3.0], [0.5, 0.0]])
        layers = [
            Layer("x", np.array([1.0, -2.0]), is_known=True, is_current=False),
            Layer("a", np.array([0.5, 0.1]), is_known=False, is_current=True, weights=weights),
        ]
        traces = {trace["uid"]: trace for trace in connections_chart(layers, chosen=(1, 0))["data"]}
        top, bottom = traces["nodes-0"]["y"]
        assert top > 0.5 > bottom
        assert traces["weights-1-3"]["y"] == [top, top, None]
        assert traces["weights-1--3"]["y"] == [bottom, top, None]
        assert traces["weights-1-1"]["y"] == [top, bottom, None]
        assert [traces[f"weights-1-{size}"]["x"] for size in (2, -1, -2)] == [[], [], []]
        assert traces["chosen-1"]["y"] == [bottom, top]
        assert traces["nodes-0"]["text"] == ["x 1 = 1", "x 2 = -2"]
        assert traces["nodes-1"]["text"] == ["a 1 = ?", "a 2 = ?"]
        assert traces["nodes-0"]["marker"]["color"] == [1.0, -2.0]

    def test_schedules_side_by_side_share_their_scale(self):
        high, low = small_schedule_chart([0.01] * 100, top=0.01), small_schedule_chart([0.001] * 100, top=0.01)
        assert high["layout"]["yaxis"]["range"] == low["layout"]["yaxis"]["range"]
