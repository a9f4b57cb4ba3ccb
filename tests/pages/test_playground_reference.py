"""A run beside the one before it: in grey under its curves, in its tiles, and in the line about the next start."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mlpcore.jobs import manager
from mlpcore.recipes.recipe import Change, NoScheduler, Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.store import RunStore
from tests.support.app_tests import Open, figure, is_over, sentences, shown, wait_for
from tests.support.playground_page import press_start

SHORT = {"train_iter": "40", "eval_every": "10", "batch_size": "8"}
RECIPE = Recipe(dataset="Tiny", train_iter=40, eval_every=10, batch_size=8)
Keep = Callable[..., None]


def train(page: AppTest) -> str:
    run_id = press_start(page)
    wait_for(page, is_over(run_id))
    return run_id


def ghost(page: AppTest) -> dict[str, Any]:
    """The grey traces of the chart, by uid."""
    return {trace["uid"]: trace for trace in figure(page, "curves")["data"] if trace["uid"].startswith("ghost")}


def tile(page: AppTest, label: str) -> Any:
    return next(metric for metric in page.metric if metric.label == label)


def headline(page: AppTest) -> str:
    return next(element.value for element in page.markdown if element.value.startswith("##### "))


@pytest.fixture
def keep(page_store: RunStore) -> Keep:
    """Return a function that stores a run of these test accuracies, one each 10 iterations."""

    def keep(run_id: str, recipe: Recipe, accuracies: Sequence[float], **known: Any) -> None:
        points = [
            Evaluation(10 * place, 2.0 - accuracy, 1.9 - accuracy, accuracy, 2.0, accuracy, 0.01, 0.1)
            for place, accuracy in enumerate(accuracies, 1)
        ]
        run = Run(run_id, run_id, recipe, RunStatus.FINISHED, 1.0, step=10 * len(points), evaluations=tuple(points))
        page_store.create_many([replace(run, **known)])

    return keep


class TestGhost:
    def test_run_before_stays_in_grey_and_the_tiles_compare_at_the_same_step(self, open_page: Open) -> None:
        page = open_page(**SHORT)
        first = train(page)
        assert ghost(page) == {}
        assert tile(page, "Test accuracy").delta == ""
        shown(page.select_slider(key="knob.SGD.lr.slider").set_value(0.1).run())
        second = train(page)
        one, two = (manager.shared_manager().get(run_id) for run_id in (first, second))
        assert ghost(page)["ghost-loss"]["x"] == [10, 20, 30, 40]
        assert ghost(page)["ghost"]["name"] == "last run (lr 0.01)"
        assert one.latest is not None
        assert two.latest is not None
        gain = 100 * (two.latest.test_acc - one.latest.test_acc)
        shown_tile = tile(page, "Test accuracy")
        assert (shown_tile.delta, shown_tile.proto.delta_description) == (f"{gain:+.1f} pp", "vs last run")

    def test_pinned_run_stays_whatever_is_started(self, open_page: Open) -> None:
        page = open_page(**SHORT)
        train(page)
        shown(page.select_slider(key="knob.SGD.lr.slider").set_value(0.1).run())
        train(page)
        shown(page.toggle(key="pin").set_value(True).run())
        shown(page.select_slider(key="knob.SGD.lr.slider").set_value(0.02).run())
        train(page)
        assert ghost(page)["ghost"]["name"] == "pinned run (lr 0.01)"
        shown(page.toggle(key="pin").set_value(False).run())
        assert ghost(page)["ghost"]["name"] == "last run (lr 0.1)"

    def test_run_on_other_images_is_no_measure(self, open_page: Open, keep: Keep) -> None:
        keep("a", RECIPE, [0.3])
        keep("b", RECIPE.replace(dataset="Other"), [0.4])
        page = open_page(run="a")
        page.session_state["run.before"] = {"a": "b"}
        assert ghost(shown(page.run())) == {}

    def test_tiles_name_the_step_where_the_run_before_ended_earlier(self, open_page: Open, keep: Keep) -> None:
        keep("a", RECIPE, [0.3, 0.4, 0.5, 0.6])
        keep("b", RECIPE, [0.3, 0.3], status=RunStatus.STOPPED)
        page = open_page(run="a")
        page.session_state["run.before"] = {"a": "b"}
        shown_tile = tile(shown(page.run()), "Test accuracy")
        assert (shown_tile.delta, shown_tile.proto.delta_description) == ("+10.0 pp", "vs last run, step 20")

    def test_continued_run_keeps_the_old_curve_and_says_that_it_begins_anew(self, open_page: Open, keep: Keep) -> None:
        keep("a", RECIPE, [0.3, 0.4], status=RunStatus.STOPPED)
        page = open_page(run="a")
        assert page.button(key="continue").label == "Continue from the start"
        shown(page.button(key="continue").click().run())
        wait_for(page, is_over(page.session_state["run"]))
        assert ghost(page)["ghost"]["name"] == "run that ended early"
        assert ghost(page)["ghost-accuracy"]["y"] == [0.3, 0.4]


class TestNextStart:
    def test_line_says_what_start_trains_once_a_knob_differs(self, open_page: Open, keep: Keep) -> None:
        keep("a", RECIPE, [0.3])
        page = open_page(run="a", **SHORT)
        assert "The knobs are those of this run. Turn one, and press Start." in sentences(page)
        shown(page.selectbox(key="knob.optimizer").select("Adam").run())
        shown(page.number_input(key="knob.seed").set_value(3).run())
        (line,) = [text for text in sentences(page) if text.startswith("Start trains")]
        assert line.replace("\\", "") == "Start trains Adam · lr 0.001 · StepLR 1,000 × 0.5 · dropout 0.5 · seed 3"

    def test_line_is_there_while_the_run_is_paused(self, open_page: Open) -> None:
        page = open_page(train_iter="200000", eval_every="200", batch_size="4")
        run_id = press_start(page)
        shared = manager.shared_manager()
        shared.pause(run_id, owner=page.session_state["owner"])
        shown(page.run())
        assert "`lr`, `momentum`, `weight_decay` can be changed while the run goes on." in sentences(page)
        shown(page.slider(key="knob.dropout").set_value(0.2).run())
        assert any(text.startswith("Start then trains SGD") for text in sentences(page))


class TestHeadline:
    def test_it_names_dropout_and_follows_changes(self, open_page: Open, keep: Keep) -> None:
        changed = RECIPE.replace(scheduler=NoScheduler(), changes=(Change(step=20, lr=0.05),))
        keep("a", changed, [0.3, 0.4])
        assert headline(open_page(run="a")) == "##### SGD · lr 0.01 → 0.05 at step 20 · Nesterov 0.9 · dropout 0.5"

    def test_it_names_the_last_of_several_changes(self, open_page: Open, keep: Keep) -> None:
        changes = Change(step=10, lr=0.02), Change(step=20, momentum=0.5), Change(step=30, lr=0.05)
        keep("a", RECIPE.replace(scheduler=NoScheduler(), changes=changes), [0.3, 0.4])
        assert headline(open_page(run="a")).startswith("##### SGD · lr 0.01 → … → 0.05 at step 30 · Nesterov 0.9")


class TestMeasures:
    def test_test_loss_and_train_accuracy_are_offered_and_drawn_where_chosen(self, open_page: Open, keep: Keep) -> None:
        keep("a", RECIPE, [0.3, 0.4])
        page = open_page(run="a")
        pills = page.button_group(key="measures")
        names = ["mini-batch loss", "train loss", "test loss", "train accuracy", "test accuracy"]
        assert pills.options == names
        shown(pills.set_value(["test_loss", "train_acc"]).run())
        traces = {trace["uid"]: trace for trace in figure(page, "curves")["data"]}
        assert (traces["test_loss"]["y"], traces["train_acc"]["y"]) == ([2.0, 2.0], [0.3, 0.4])
        assert "loss" not in traces

    def test_mini_batch_loss_has_a_tile_of_that_name(self, open_page: Open, keep: Keep) -> None:
        keep("a", RECIPE, [0.3])
        assert tile(open_page(run="a"), "Mini-batch loss").value == "1.700"

    def test_gap_is_the_difference_of_the_accuracies_as_they_are_shown(self, open_page: Open, keep: Keep) -> None:
        measured = Evaluation(10, 1.7, 1.6, 0.3651, 2.0, 0.3716, 0.01, 0.1)  # 36.5 % and 37.2 %, not 0.65 apart
        keep("a", RECIPE, [0.3], evaluations=(measured,))
        gap = tile(open_page(run="a"), "Gap, pp")
        assert (gap.value, gap.help.split(".")[0]) == ("-0.7", "Train accuracy minus test accuracy")


def test_own_run_that_did_better_is_told_and_offered(open_page: Open, keep: Keep) -> None:
    ten = RECIPE.replace(train_iter=100)
    page = open_page()
    page.session_state["owner"] = "ann"
    keep("a", ten, [0.2, 0.25, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3], owner="ann")
    keep("b", ten.replace(dropout=0.0), [0.9] * 10, owner="ann")
    keep("c", ten.replace(dropout=0.2), [1.0] * 10, owner="somebody else")
    page.session_state["run"] = "a"
    shown(page.run())
    assert any("Your run with dropout 0 instead of dropout 0.5 did better" in text.value for text in page.markdown)
    assert not any("dropout 0.2 instead" in text.value for text in page.markdown)
    shown(page.button(key="diagnosis.0").click().run())
    assert page.slider(key="knob.dropout").value == 0.0


def test_lesson_that_hides_diagnoses_shows_none_and_its_runs_carry_its_label(open_page: Open) -> None:
    page = open_page(**SHORT, lock="lr", hide="diagnoses", title="Guess")
    run_id = train(page)
    assert not any(text.startswith("Rule: ") for text in sentences(page))
    assert figure(page, "curves")["data"][0]["x"] == [10, 20, 30, 40]
    assert manager.shared_manager().get(run_id).lesson == page.session_state["lesson"].label
    shown(page.button(key="lesson.leave").click().run())
    assert any(text.startswith("Rule: ") for text in sentences(page))
