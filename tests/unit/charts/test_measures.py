"""What a run's chart can draw: its measures, an earlier run in grey, and axes that fit them."""

from dataclasses import replace
from typing import Any

import pytest

from mlpcore.charts.measures import MEASURES
from mlpcore.charts.run import Ghost, run_chart
from mlpcore.runs.records import Evaluation

FIRST = Evaluation(
    100, train_loss=2.0, train_eval_loss=1.8, train_acc=0.35, test_loss=1.9, test_acc=0.3, lr=0.01, seconds=1.0
)
SECOND = replace(FIRST, step=200, train_loss=1.6, train_eval_loss=1.5, train_acc=0.45, test_loss=1.7, test_acc=0.4)
BOTH = (FIRST, SECOND)


def draw(evaluations: tuple[Evaluation, ...] = BOTH, **options: Any) -> dict[str, Any]:
    return run_chart(evaluations, planned_rates=[0.01] * 300, train_iter=300, steps_per_epoch=100.0, **options)


def drawn(figure: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {trace["uid"]: trace for trace in figure["data"]}


def test_the_two_train_losses_have_two_names() -> None:
    traces = drawn(draw(measures=tuple(MEASURES)))
    assert (traces["loss"]["name"], traces["loss"]["y"]) == ("mini-batch loss", [2.0, 1.6])
    assert (traces["train_eval_loss"]["name"], traces["train_eval_loss"]["y"]) == ("train loss", [1.8, 1.5])


@pytest.mark.parametrize(
    ("measure", "values", "axis"),
    [("test_loss", [1.9, 1.7], "y"), ("train_acc", [0.35, 0.45], "y2"), ("train_eval_loss", [1.8, 1.5], "y")],
)
def test_a_measure_is_drawn_on_its_axis_where_it_is_chosen(measure: str, values: list[float], axis: str) -> None:
    assert measure not in drawn(draw())
    trace = drawn(draw(measures=("train_loss", "test_acc", measure)))[measure]
    assert (trace["y"], trace["yaxis"]) == (values, axis)


def test_curves_differ_without_their_colours() -> None:
    traces = drawn(draw(measures=tuple(MEASURES)))
    looks = [
        (traces[one.uid]["line"]["dash"], traces[one.uid].get("marker", {}).get("symbol")) for one in MEASURES.values()
    ]
    assert len(set(looks)) == len(MEASURES)


@pytest.mark.parametrize(
    ("measures", "titles"),
    [
        (("train_loss", "test_acc"), ["mini-batch loss", "test accuracy"]),
        (("train_loss", "test_loss", "train_acc", "test_acc"), ["loss", "accuracy"]),
    ],
)
def test_an_axis_is_named_after_what_it_measures(measures: tuple[str, ...], titles: list[str]) -> None:
    layout = draw(measures=measures)["layout"]
    assert [layout[name]["title"]["text"] for name in ("yaxis", "yaxis2")] == titles


def test_spike_leaves_the_axis_to_the_other_losses_and_its_height_is_written_there() -> None:
    spike = replace(SECOND, step=300, train_loss=50_000.0)
    figure = draw((*BOTH, spike))
    assert figure["layout"]["yaxis"]["range"] == [0, 2.5]
    assert drawn(figure)["loss"]["y"][-1] == 50_000.0
    (told,) = [note for note in figure["layout"]["annotations"] if note["text"].startswith("↑")]
    assert (told["text"], told["x"], told["y"]) == ("↑ 5e4", 300, 2.5)


def test_run_of_two_losses_of_which_one_is_a_spike_keeps_its_axis() -> None:
    assert draw((FIRST, replace(SECOND, train_loss=50_000.0)))["layout"]["yaxis"]["range"] == [0, 2.5]


@pytest.mark.parametrize(("highest", "top"), [(0.48, 0.5), (0.499, 0.6), (0.52, 0.6), (0.998, 1.0), (1.0, 1.0)])
def test_accuracy_does_not_run_along_the_edge_of_its_axis(highest: float, top: float) -> None:
    figure = draw((FIRST, replace(SECOND, test_acc=highest)))
    assert figure["layout"]["yaxis2"]["range"][1] == top


class TestDivergence:
    """A run that diverged before its first evaluation, at step 4."""

    LOSSES = (2.3, 2.6, 40_000.0)

    def test_losses_of_its_mini_batches_are_drawn_at_their_steps(self) -> None:
        figure = draw((), last_losses=self.LOSSES, diverged_at=4, is_over=True)
        trace = drawn(figure)["last-losses"]
        assert (trace["x"], trace["y"], trace["name"]) == ([1, 2, 3], [2.3, 2.6, 40_000.0], "loss of each mini-batch")
        assert figure["layout"]["xaxis"]["range"] == [0, 10]  # in 300 steps they would be a stroke at the edge
        axis = figure["layout"]["yaxis"]
        assert (axis["type"], axis["ticktext"][-1]) == ("log", "1e5")  # each update overshoots by a factor

    def test_evaluations_keep_the_axis_of_the_whole_run(self) -> None:
        figure = draw(BOTH, last_losses=self.LOSSES, diverged_at=204, is_over=True)
        assert figure["layout"]["xaxis"]["range"] == [0, 300]
        assert drawn(figure)["last-losses"]["x"] == [201, 202, 203]
        assert "↑ 4e4" in [note["text"] for note in figure["layout"]["annotations"]]


class TestGhost:
    def test_it_lies_grey_under_the_curves_with_one_entry_in_the_legend(self) -> None:
        figure = draw(
            ghost=Ghost(
                (replace(FIRST, train_loss=2.2), replace(SECOND, test_acc=0.45)), "last run", "last run (lr 0.01)"
            )
        )
        uids = [trace["uid"] for trace in figure["data"]]
        assert uids.index("ghost-loss") < uids.index("loss")
        traces = drawn(figure)
        assert (traces["ghost-loss"]["y"], traces["ghost-accuracy"]["y"]) == ([2.2, 1.6], [0.3, 0.45])
        assert traces["ghost-loss"]["line"]["color"] == traces["ghost-accuracy"]["line"]["color"] == "#8A94A0"
        assert traces["ghost-loss"]["name"] == "mini-batch loss, last run"
        grey = [trace for trace in figure["data"] if trace.get("legendgroup") == "ghost"]
        assert [trace["name"] for trace in grey if trace.get("showlegend", True)] == ["last run (lr 0.01)"]

    def test_it_counts_for_the_axes(self) -> None:
        figure = draw(ghost=Ghost((replace(FIRST, test_acc=0.7),), "last run", "last run (lr 0.01)"))
        assert figure["layout"]["yaxis2"]["range"][1] >= 0.7

    def test_only_what_is_drawn_of_the_run_is_drawn_of_it(self) -> None:
        assert "ghost-test_loss" not in drawn(draw(ghost=Ghost(BOTH, "last run", "last run (lr 0.01)")))
        assert "ghost-test_loss" in drawn(
            draw(ghost=Ghost(BOTH, "last run", "last run (lr 0.01)"), measures=("test_loss",))
        )

    def test_it_is_there_before_the_first_evaluation(self) -> None:
        assert drawn(draw((), ghost=Ghost(BOTH, "last run", "last run (lr 0.01)")))["ghost-loss"]["x"] == [100, 200]
