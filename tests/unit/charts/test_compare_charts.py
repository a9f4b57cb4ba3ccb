"""Several runs in one figure: what its traces and axes hold, and that Plotly takes it."""

import json
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from plotly import graph_objects

from mlpcore.charts.compare import Schedule, Series, compare_chart
from mlpcore.charts.traces import find_look
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus

PANELS = ("loss", "accuracy", "lr")


def run(losses: list[float], *, seed: int = 0, **values: Any) -> Run:
    evaluations = tuple(
        replace(Evaluation(100 * n, loss, loss, 0.4, loss, 0.1 * n, 0.01, 2.0 * n), **values)
        for n, loss in enumerate(losses, start=1)
    )
    return Run(f"run {seed}", "a run", Recipe(seed=seed), RunStatus.FINISHED, 0.0, evaluations=evaluations)


def trace(figure: dict, uid: str) -> dict:
    (found,) = [drawn for drawn in figure["data"] if drawn["uid"] == uid]
    return found


ONE = Series("lr=0.1", 0, [run([2.0, 1.5])], 50.0)
OTHER = Series("lr=0.01", 1, [run([2.2, 2.1])], 100.0)


@pytest.mark.parametrize("series", [[], [ONE], [ONE, OTHER], [Series("not begun", 0, [run([])])]])
@pytest.mark.parametrize("x", ["step", "epoch", "seconds"])
@pytest.mark.parametrize("log", [False, True])
def test_plotly_and_json_take_the_figure(series: list[Series], x: str, log: bool) -> None:
    figure = compare_chart(series, x=x, log_loss=log, log_lr=log, log_x=log)
    graph_objects.Figure(figure)
    json.dumps(figure, allow_nan=False)


def test_each_recipe_has_one_look_in_four_panels_and_one_entry_of_the_legend() -> None:
    figure = compare_chart([ONE, OTHER])
    for one in (ONE, OTHER):
        mine = [drawn for drawn in figure["data"] if drawn["meta"] == one.label]
        assert {(drawn["line"]["color"], drawn["line"]["dash"]) for drawn in mine} == {(one.look.colour, one.look.dash)}
        assert [drawn["yaxis"] for drawn in mine] == ["y", "y2", "y3", "y4"]
        assert [drawn["name"] for drawn in mine if drawn["showlegend"]] == [one.label]


def test_sixteen_recipes_look_different_with_colour_and_without() -> None:
    looks = [find_look(place) for place in range(16)]
    assert len({(look.colour, look.dash) for look in looks}) == 16
    assert len({(look.dash, look.symbol) for look in looks}) == 16
    assert [look.dash for look in looks[:4]] == ["solid", "dash", "dot", "dashdot"]


def test_curves_beyond_the_sixth_have_a_few_markers() -> None:
    figure = compare_chart([ONE, replace(OTHER, place=6)])
    assert "marker" not in trace(figure, "loss-0")
    drawn = trace(figure, "loss-6")
    assert (drawn["mode"], drawn["marker"]["symbol"], drawn["marker"]["maxdisplayed"]) == ("lines+markers", "circle", 8)
    assert trace(figure, "path-6")["marker"]["symbol"] == "circle"


@pytest.mark.parametrize(
    ("x", "expected", "end"), [("step", [100, 200], 3000), ("epoch", [2, 4], 60), ("seconds", [2, 4], None)]
)
def test_horizontal_axis_counts_steps_epochs_or_seconds(x: str, expected: list[float], end: int | None) -> None:
    figure = compare_chart([ONE, OTHER], x=x)
    assert trace(figure, "loss-0")["x"] == expected
    assert figure["layout"]["xaxis"].get("range", [0, None])[1] == end


STEPS = Schedule((1, 150, 151, 300), (0.1, 0.1, 0.01, 0.01))  # a drop between the iterations 150 and 151


@pytest.mark.parametrize(
    ("x", "expected"),
    [("step", [1, 150, 151, 300]), ("epoch", [0.02, 3, 3.02, 6]), ("seconds", [2, 3, 3.02, 6])],
)
def test_drop_of_the_rate_is_drawn_where_it_happens_however_seldom_the_run_is_evaluated(
    x: str, expected: list[float]
) -> None:
    finished = replace(run([2.0, 1.5, 1.2]), step=300)
    drawn = trace(compare_chart([Series("SGD", 0, [finished], 50.0, schedule=STEPS)], x=x), "lr-0")
    assert drawn["x"] == pytest.approx(expected)
    assert drawn["y"] == [0.1, 0.1, 0.01, 0.01]


def test_rate_ends_where_a_run_ended_and_is_drawn_to_its_end_while_it_goes_on() -> None:
    ended = replace(run([2.0, 1.5]), step=200, status=RunStatus.DIVERGED)
    going_on = replace(ended, status=RunStatus.RUNNING)
    drawn = [trace(compare_chart([Series("SGD", 0, [one], schedule=STEPS)]), "lr-0")["x"] for one in (ended, going_on)]
    assert drawn == [[1, 150, 151, 200], [1, 150, 151, 300]]


def test_recipes_that_are_yet_to_be_run_show_their_schedules() -> None:
    figure = compare_chart([Series("SGD", 0, [], 50.0, 300, STEPS), Series("Adam", 1, [], 50.0, 600)])
    assert trace(figure, "lr-0")["y"] == [0.1, 0.1, 0.01, 0.01]
    assert figure["layout"]["xaxis"]["range"] == [0, 600]
    assert [note["text"] for note in figure["layout"]["annotations"]] == ["The curves appear here as the run goes on."]
    assert not compare_chart([ONE])["layout"]["annotations"]


def test_each_recipe_has_epochs_of_its_own_length() -> None:
    figure = compare_chart([ONE, OTHER], x="epoch")
    assert trace(figure, "accuracy-0")["x"] == [2, 4]
    assert trace(figure, "accuracy-1")["x"] == [1, 2]


def test_log_axes_are_logarithmic() -> None:
    plain, log = (compare_chart([ONE], log_loss=on, log_lr=on, log_x=on)["layout"] for on in (False, True))
    axes = ("xaxis", "xaxis2", "xaxis3", "yaxis", "yaxis3")
    assert [plain[axis].get("type", "linear") for axis in axes] == ["linear"] * 5
    assert [log[axis].get("type", "linear") for axis in axes] == ["log"] * 5


def test_hover_names_the_values_of_all_runs_at_a_step() -> None:
    figure = compare_chart([ONE, OTHER])
    assert figure["layout"]["hovermode"] == "x unified"
    assert {drawn["hovertemplate"] for drawn in figure["data"] if drawn["uid"].startswith("loss")} == {"%{y:.3f}"}


def test_panels_side_by_side_leave_room_for_the_titles_between_them() -> None:
    layout = compare_chart([ONE])["layout"]
    columns = [layout[name]["domain"] for name in ("xaxis", "xaxis2", "xaxis3")]
    assert layout["xaxis4"]["domain"] == columns[-1]
    for (_left, end), (start, _right) in pairwise(columns):
        assert start - end >= 0.06  # of 1,100 pixels: a title and ticks such as 0.005


def test_legend_grows_away_from_the_titles_below_the_panels() -> None:
    layout = compare_chart([ONE, OTHER])["layout"]
    wide, phone = layout["legend"], layout["legend"] | layout["meta"]["narrow"]["legend"]
    assert (wide["yanchor"], wide["y"]) == ("bottom", 1)
    assert (phone["yanchor"], phone["y"]) == ("top", pytest.approx(-0.044, abs=0.001))  # 40 px below the last panel


def test_picked_curves_stand_out() -> None:
    figure = compare_chart([ONE, OTHER], picked=frozenset({"lr=0.1"}))
    assert {trace(figure, f"{panel}-0")["opacity"] for panel in PANELS} == {1.0}
    assert {trace(figure, f"{panel}-1")["opacity"] for panel in PANELS} == {0.25}
    assert {drawn["opacity"] for drawn in compare_chart([ONE, OTHER])["data"]} == {1.0}


def test_seeds_are_drawn_as_their_mean_and_a_band_of_one_deviation() -> None:
    seeds = Series("SGD", 0, [run([2.0, 1.0], seed=0), run([3.0, 1.0], seed=1)])
    figure = compare_chart([seeds])
    assert trace(figure, "loss-0")["y"] == [2.5, 1.0]
    band = trace(figure, "band-y-0")
    deviation = math.sqrt(0.5)
    assert band["x"] == [100, 200, 200, 100]
    assert band["y"] == pytest.approx([2.5 + deviation, 1.0, 1.0, 2.5 - deviation], rel=1e-4)
    assert not [drawn for drawn in compare_chart([ONE])["data"] if drawn["uid"].startswith("band")]


def test_one_run_that_flies_off_does_not_flatten_the_others() -> None:
    wild = Series("wild", 2, [run([2.0, 1e9])])
    assert compare_chart([ONE, OTHER, wild])["layout"]["yaxis"]["range"] == [0, 2.5]
    assert trace(compare_chart([wild]), "loss-2")["y"] == [2.0, 1e9]


def test_panels_without_a_point_have_a_trace_with_one_that_is_nowhere() -> None:
    data = compare_chart([Series("not begun", 0, [run([])])])["data"]
    assert [(drawn["x"], drawn["y"]) for drawn in data] == [([None], [None])] * 4


def test_accuracy_that_stays_at_the_top_has_a_range() -> None:
    assert compare_chart([Series("done", 0, [run([0.1], test_acc=1.0)])])["layout"]["yaxis4"]["range"] == [0.9, 1.0]


def test_every_word_shown_is_translated() -> None:
    words: list[str] = []

    def note(word: str) -> str:
        words.append(word)
        return "…"

    compare_chart([ONE], translate=note)
    assert {"iteration", "mini-batch loss", "test accuracy", "mini-batch loss, falling →"} <= set(words)


def test_panels_on_a_phone_stand_under_each_other_without_touching() -> None:
    narrow = compare_chart([])["layout"]["meta"]["narrow"]
    domains = [narrow[name]["domain"] for name in ("yaxis3", "yaxis4", "yaxis2", "yaxis")]
    assert domains[0][0] == pytest.approx(0, abs=1e-9)
    assert domains[-1][1] == 1
    for (_bottom, top), (above, _top) in pairwise(domains):
        assert top < above
    assert all(narrow[name]["domain"] == [0, 1] for name in ("xaxis", "xaxis2", "xaxis3", "xaxis4"))
