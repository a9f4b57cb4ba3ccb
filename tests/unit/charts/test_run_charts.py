import json
import math
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from mlpcore.charts.downsampling import corners
from mlpcore.charts.run import path_chart, run_chart
from mlpcore.charts.schedule import schedule_chart
from mlpcore.numbers import short_number
from mlpcore.recipes.recipe import Change
from mlpcore.runs.records import Evaluation

STEP_LR = [0.01 * 0.5 ** (i // 1000) for i in range(3000)]  # the lecture's: step_size 1000, gamma 0.5
COSINE = [0.005 * (1 + math.cos(math.pi * i / 3000)) for i in range(3000)]


def evaluation(step, *, train_loss=2.0, test_acc=0.3, lr=0.01):
    return Evaluation(
        step=step,
        train_loss=train_loss,
        train_eval_loss=train_loss,
        train_acc=test_acc,
        test_loss=train_loss,
        test_acc=test_acc,
        lr=lr,
        seconds=step / 400,
    )


def lecture_run(last=3000, every=100):
    return [
        evaluation(step, train_loss=1.3 + math.exp(-step / 400), test_acc=0.48 - 0.3 * math.exp(-step / 400))
        for step in range(every, last + 1, every)
    ]


def draw(evaluations, **options):
    planned = options.pop("planned_rates", STEP_LR)
    options = {"train_iter": 3000, "steps_per_epoch": 781.25} | options
    return run_chart(evaluations, planned_rates=planned, **options)


def trace(figure, uid):
    return next(trace for trace in figure["data"] if trace["uid"] == uid)


def all_figures():
    long = [evaluation(step, train_loss=2 + math.sin(step)) for step in range(1, 5001)]
    for log in (False, True):
        for rates in (STEP_LR, COSINE, [0.01] * 3000, [0.0] * 10, [0.3]):
            yield schedule_chart(rates, batch_size=64, train_size=50_000, drops=[1001], log_lr=log)
        for evaluations in ([], [evaluation(1)], lecture_run(), long):
            yield draw(evaluations, log_loss=log, log_lr=log, smoothing=0.9)
            yield path_chart(evaluations, train_iter=3000)


def test_every_figure_is_plotly_and_strict_json_of_at_most_500_points_a_trace():
    for figure in all_figures():
        json.dumps(figure, allow_nan=False)
        for drawn in go.Figure(figure).data:
            assert len(drawn.x or ()) <= 500


def test_a_step_schedule_keeps_both_sides_of_each_drop():
    line = trace(schedule_chart(STEP_LR, batch_size=64, train_size=50_000, drops=[1001, 2001]), "schedule")
    drawn = dict(zip(line["x"], line["y"], strict=True))
    assert (drawn[1], drawn[1000], drawn[1001]) == (0.01, 0.01, 0.005)
    assert (drawn[2000], drawn[2001], drawn[3000]) == (0.005, 0.0025, 0.0025)
    assert len(line["x"]) <= 500


def test_corners_keep_ends_and_the_top_of_a_warm_up():
    rates = np.concatenate([np.linspace(0, 1, 333), np.linspace(1, 0, 9_667)])
    kept = corners(rates)
    assert len(kept) <= 500
    assert {0, 9_999} <= set(kept.tolist())
    assert rates[kept].max() == 1.0


def test_drops_are_marked_at_their_step_and_rate():
    marks = trace(schedule_chart(STEP_LR, batch_size=64, train_size=50_000, drops=[1001, 2001, 4001]), "drops")
    assert (marks["x"], marks["y"]) == ([1001, 2001], [0.005, 0.0025])  # 4001 lies past the end


def test_schedule_shows_epochs_above_the_iterations():
    layout = schedule_chart(STEP_LR, batch_size=64, train_size=50_000)["layout"]
    assert layout["xaxis"]["range"] == [0, 3000]
    assert layout["xaxis2"]["range"] == [0, 3.84]


@pytest.mark.parametrize(
    ("rates", "log_lr", "expected"),
    [
        (STEP_LR, False, ["0", "0.005", "0.01"]),
        (STEP_LR, True, ["0.002", "0.005", "0.01"]),
        ([0.01] * 100, False, ["0", "0.005", "0.01"]),
        ([0.01] * 100, True, ["0.001", "0.01", "0.1"]),
        ([0.03] * 100, True, ["0.02", "0.05"]),
        ([10.0**-k for k in range(1, 7)], True, ["1e-5", "0.001", "0.1"]),
        ([0.0] * 100, True, ["0.1", "0.2", "0.5", "1"]),
    ],
)
def test_the_rate_axis_always_has_two_round_ticks(rates, log_lr, expected):
    axis = schedule_chart(rates, batch_size=64, train_size=50_000, log_lr=log_lr)["layout"]["yaxis"]
    assert axis["ticktext"] == expected
    low, high = axis["range"]
    ticks = [math.log10(tick) if log_lr else tick for tick in axis["tickvals"]]
    assert sum(low <= tick <= high for tick in ticks) >= 2


def test_axes_stay_where_they_are_while_a_run_goes_on():
    figures = [draw(lecture_run(last)) for last in (0, 100, 1000, 3000)]
    assert [figure["layout"]["xaxis"]["range"] for figure in figures] == [[0, 3000]] * 4
    assert [figure["layout"]["yaxis"]["range"] for figure in figures] == [[0, 2.5]] * 4
    assert [figure["layout"]["yaxis2"]["range"] for figure in figures] == [[0, 0.5]] * 4
    assert len({tuple(figure["layout"]["yaxis3"]["range"]) for figure in figures}) == 1


def test_loss_and_accuracy_share_their_grid():
    layout = draw([evaluation(100, train_loss=4.1, test_acc=0.22), evaluation(200, train_loss=2.6, test_acc=0.53)])[
        "layout"
    ]
    assert layout["yaxis"]["range"] == [0, 5]
    assert layout["yaxis2"]["range"] == [0.1, 0.6]  # five steps each
    assert layout["yaxis2"]["tickformat"] == ".0%"


def test_log_loss_axis_spans_round_ticks():
    axis = draw(lecture_run(), log_loss=True)["layout"]["yaxis"]
    assert axis["type"] == "log"
    assert axis["ticktext"] == ["1", "1.5", "2", "3"]
    assert axis["range"] == pytest.approx([0, 0.4771], abs=1e-4)


def test_smoothing_lays_a_line_over_a_paler_raw_trace():
    evaluations = [evaluation(100, train_loss=2.0), evaluation(200, train_loss=1.0)]
    figure = draw(evaluations, smoothing=0.5)
    uids = [drawn["uid"] for drawn in figure["data"]]
    assert uids.index("loss-smooth") > uids.index("loss")
    assert trace(figure, "loss")["y"] == [2.0, 1.0]
    assert trace(figure, "loss")["opacity"] == 0.4
    assert trace(figure, "loss-smooth")["y"] == [2.0, 1.3333]  # (0.5 · 2 + 1) / (0.5 + 1)
    assert "loss-smooth" not in [drawn["uid"] for drawn in draw(evaluations)["data"]]


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(ValueError, match=r"smoothing is .*: it must be at least 0 and below 1"):
        draw([], smoothing=smoothing)


def test_a_change_is_marked_at_its_step_with_what_it_set():
    layout = draw([], changes=[Change(step=1500, lr=0.003), Change(step=2990, momentum=0.5, weight_decay=1e-4)])[
        "layout"
    ]
    assert [(shape["x0"], shape["x1"]) for shape in layout["shapes"]] == [(1500, 1500), (2990, 2990)]
    first, second = layout["annotations"][:2]
    assert (first["x"], first["text"], first["xanchor"]) == (1500, "lr → 0.003", "left")
    assert (second["x"], second["text"]) == (2990, "momentum → 0.5, weight_decay → 1e-4")
    assert second["xanchor"] == "right"  # else it would be cut off


def test_labels_of_changes_that_stand_close_take_rows_of_their_own():
    changes = [Change(step=800, momentum=0.5), Change(step=820, lr=0.02), Change(step=2000, lr=0.003)]
    notes = draw([], changes=changes)["layout"]["annotations"][:3]
    assert [note["yshift"] for note in notes] == [0, -14, 0]


def test_slider_on_its_way_has_one_label_for_its_last_value():
    changes = [Change(step=800 + place, lr=lr) for place, lr in enumerate((0.02, 0.03, 0.05))]
    layout = draw([], changes=changes)["layout"]
    assert [shape["x0"] for shape in layout["shapes"]] == [800, 801, 802]
    assert [note["text"] for note in layout["annotations"] if "→" in note["text"]] == ["lr → 0.05"]


def test_the_followed_rate_has_the_plan_s_corners_and_jumps_at_a_change():
    evaluations = [evaluation(step, lr=STEP_LR[step - 1]) for step in (450, 900, 1350)]
    evaluations.append(evaluation(1800, lr=0.0001))
    followed = trace(draw(evaluations, changes=[Change(step=1600, lr=0.0001)]), "followed")
    drawn = dict(zip(followed["x"], followed["y"], strict=True))
    assert (drawn[1000], drawn[1001], drawn[1350]) == (0.01, 0.005, 0.005)
    assert (drawn[1600], drawn[1601], drawn[1800]) == (0.005, 0.0001, 0.0001)
    assert max(drawn) == 1800


def test_effective_rate_is_drawn_if_the_optimizer_used_another_than_the_schedulers():
    evaluations = [evaluation(100), evaluation(200)]
    assert "effective" not in [drawn["uid"] for drawn in draw(evaluations)["data"]]
    figure = draw([replace(one, effective_lr=one.lr / 2) for one in evaluations])
    assert trace(figure, "effective")["y"] == [0.005, 0.005]
    assert any("dashed" in note["text"] for note in figure["layout"]["annotations"])


def test_the_planned_rate_reaches_the_end_before_the_run_does():
    figure = draw([])
    assert trace(figure, "planned")["x"][-1] == 3000
    assert trace(figure, "planned")["line"]["dash"] == "dot"
    assert trace(figure, "followed")["x"] == []
    assert "The curves appear here as the run goes on." in [note["text"] for note in figure["layout"]["annotations"]]


def test_no_curves_are_promised_of_a_run_that_is_over():
    notes = [note["text"] for note in draw([], is_over=True)["layout"]["annotations"]]
    assert notes == ["lr (dotted: as planned)"]


def test_a_long_run_keeps_its_spike_its_best_and_its_last_point():
    evaluations = [evaluation(step) for step in range(1, 5001)]
    evaluations[1234] = evaluation(1235, train_loss=9.0, test_acc=0.4)
    figure = draw(evaluations, train_iter=5000, planned_rates=[0.01] * 5000)
    loss, accuracy = trace(figure, "loss"), trace(figure, "accuracy")
    assert loss["y"][loss["x"].index(1235)] == 9.0
    assert accuracy["y"][accuracy["x"].index(1235)] == 0.4
    assert loss["x"][-1] == 5000


def test_a_loss_that_is_not_finite_leaves_a_gap():
    figure = draw([evaluation(100), evaluation(200, train_loss=math.inf), evaluation(300, train_loss=math.nan)])
    assert trace(figure, "loss")["y"] == [2.0, None, None]
    assert figure["layout"]["yaxis"]["range"] == [0, 2.5]


def test_the_path_runs_from_pale_to_deep_and_ends_in_one_large_point():
    figure = path_chart(
        [evaluation(100, train_loss=2.1, test_acc=0.2), evaluation(200, test_acc=0.28)], train_iter=3000
    )
    points, newest = trace(figure, "points"), trace(figure, "newest")
    assert (points["x"], points["y"]) == ([2.1, 2.0], [0.2, 0.28])
    assert (points["marker"]["color"], points["marker"]["cmax"]) == ([100, 200], 3000)
    assert (newest["x"], newest["y"]) == ([2.0], [0.28])
    assert figure["layout"]["xaxis"]["range"] == [2.5, 2.0]  # the loss falls to the right
    assert figure["layout"]["yaxis"]["range"] == [0.2, 0.3]


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [([1.0, 1.0], [0.9, 1.0]), ([0.9, 0.9], [0.9, 1.0]), ([0.0], [0.0, 0.1]), ([0.97, 1.0], [0.9, 1.0])],
)
def test_no_path_leads_past_100_percent(accuracies, expected):
    steps = enumerate(accuracies, 1)
    figure = path_chart([evaluation(step, test_acc=accuracy) for step, accuracy in steps], train_iter=3000)
    assert figure["layout"]["yaxis"]["range"] == expected


def test_every_word_shown_is_translated():
    words = []

    def collect(word):
        words.append(word)
        return "…"

    draw([], translate=collect)
    path_chart([], train_iter=10, translate=collect)
    schedule_chart([0.1], batch_size=1, train_size=10, translate=collect)
    assert {"mini-batch loss", "test accuracy", "iteration", "epoch", "step", "mini-batch loss, falling →"} <= set(
        words
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.01, "0.01"),
        (3e-4, "3e-4"),
        (0.003, "0.003"),
        (2.5, "2.5"),
        (1e6, "1e6"),
        (0.9, "0.9"),
        (100, "100"),
    ],
)
def test_numbers_are_written_short(value, text):
    assert short_number(value) == text
