"""One slider moves what is shown of a run through its evaluations; what was not stored is replayed."""

import shutil
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mlpcore.charts.confusion import confusion_chart
from mlpcore.jobs import manager
from mlpcore.recipes.recipe import Adam, Recipe
from mlpcore.runs.records import Run
from mlpcore.runs.snapshots import count_confusion
from mlpcore.runs.store import RunStore
from pages.components.replay import time_slider
from pages.components.replay.time_slider import PLAYED_SECONDS
from pages.components.run.moments import list_moments
from tests.support.app_tests import Open, await_replay, figure, is_over, show_insight, shown, texts, wait_for
from tests.support.histories import evaluation, run as make_run
from tests.support.present import present
from tests.support.timers import Browser

TINY = Recipe(dataset="Tiny", train_iter=60, eval_every=5, batch_size=4, hidden_sizes=(8,), device="cpu")


def open_finished(open_page: Open, view: str, recipe: Recipe = TINY) -> tuple[AppTest, Run]:
    (run_id,) = manager.shared_manager().submit([recipe], owner="somebody", names=["a run"])
    page = open_page(run=run_id)
    wait_for(page, is_over(run_id))
    return show_insight(page, view), manager.shared_manager().get(run_id)


def open_two(open_page: Open) -> AppTest:
    """Open a comparison of two runs that are over, with their networks."""
    recipes = [TINY, TINY.replace(optimizer=Adam())]
    ids = manager.shared_manager().submit(recipes, owner="somebody", names=["one", "other"])
    page = open_page("compare.py", runs=",".join(ids))
    wait_for(page, lambda: all(manager.shared_manager().get(run_id).status.is_over for run_id in ids))
    page.session_state["compare.moments.open"] = True
    return shown(page.run())


def move(page: AppTest, run: Run, step: int) -> AppTest:
    """Move the slider, and wait for what has to be replayed."""
    shown(page.select_slider(key=f"moment.step.{run.id}").set_value(step).run())
    return await_replay(page, "moments")


def test_the_slider_goes_over_all_evaluations_with_their_figures_and_begins_at_the_newest(open_page: Open) -> None:
    page, run = open_finished(open_page, "path")
    slider = page.select_slider(key=f"moment.step.{run.id}")
    assert slider.options == [str(step) for step in range(0, 61, 5)]
    assert slider.value == 60
    move(page, run, 25)
    measured = run.evaluations[4]
    told = f"mini-batch loss {measured.train_loss:.3f} · test accuracy {measured.test_acc:.1%} · train accuracy "
    assert any(caption.value.startswith(told) for caption in page.caption)
    assert figure(page, "path")["data"][1]["customdata"] == [5, 10, 15, 20, 25]
    show_insight(page, "health")
    assert figure(page, "health.stuck_units")["layout"]["shapes"][-1]["x0"] == 25
    assert page.select_slider(key=f"moment.step.{run.id}").value == 25


def test_what_was_not_stored_is_replayed_and_has_the_accuracy_that_the_run_measured(open_page: Open) -> None:
    page, run = open_finished(open_page, "classes")
    stored = figure(page, "confusion")["data"]
    for place in (0, 4, 11):
        step, accuracy = run.evaluations[place].step, run.evaluations[place].test_acc
        move(page, run, step)
        hits = round(10 * accuracy)
        assert any(text.startswith(f"After {step} iterations {hits} of 10 test examples") for text in texts(page))
    assert figure(page, "confusion")["data"] == stored
    move(page, run, 0)
    assert any(text.startswith("After 0 iterations ") for text in texts(page))
    assert "before training" in [caption.value for caption in page.caption]


def test_a_run_whose_predictions_were_lost_is_replayed_when_that_is_asked_for(open_page: Open, tmp_path: Path) -> None:
    page, run = open_finished(open_page, "script")
    stored = present(manager.shared_manager().store.snapshots.read(run.id))
    shutil.rmtree(tmp_path / "home" / "sights")
    show_insight(page, "classes")
    shown(page.button(key="replay.moments.start").click().run())
    move(page, run, 60)
    expected = confusion_chart(count_confusion(stored), stored.classes)
    assert figure(page, "confusion")["data"] == expected["data"]


@pytest.mark.parametrize(("view", "moment"), [("classes", 60), ("weights", 10)])
def test_a_run_of_another_machine_shows_the_nearest_stored_moment(
    open_page: Open, page_store: RunStore, view: str, moment: int
) -> None:
    _page, run = open_finished(open_page, "path")
    other = replace(run, id="other", versions=dict(run.versions) | {"torch": "another"})
    page_store.create_many([other])
    page_store.snapshots.write("other", present(manager.shared_manager().store.snapshots.read(run.id)))
    page = show_insight(open_page(run="other"), view)
    move(page, other, 15)
    said = [caption.value for caption in page.caption]
    assert any(f"here is the one after {moment} iterations. This run cannot be repeated here" in one for one in said)


def test_play_goes_on_until_the_end_and_the_slider_pauses_it(open_page: Open) -> None:
    page, run = open_finished(open_page, "health")
    key = f"moment.step.{run.id}"
    assert page.button(key=f"moment.play.{run.id}").label == "Play"
    shown(page.button(key=f"moment.play.{run.id}").click().run())
    assert (page.button(key=f"moment.play.{run.id}").label, page.select_slider(key=key).value) == ("Pause", 0)
    shown(page.run())
    assert page.select_slider(key=key).value == 5
    shown(page.select_slider(key=key).set_value(30).run())
    assert page.button(key=f"moment.play.{run.id}").label == "Play"
    shown(page.button(key=f"moment.play.{run.id}").click().run())
    for _step in range(6):
        shown(page.run())
    assert (page.button(key=f"moment.play.{run.id}").label, page.select_slider(key=key).value) == ("Play", 60)


def test_one_slider_moves_both_networks_of_a_comparison(open_page: Open) -> None:
    page = open_two(open_page)
    pictures = [figure(page, f"weights.{place}")["layout"]["images"][0]["source"] for place in range(2)]
    assert pictures[0] != pictures[1]
    shown(page.select_slider(key="moment.step.compare").set_value(0).run())
    first = [figure(page, f"weights.{place}")["layout"]["images"][0]["source"] for place in range(2)]
    assert first[0] == first[1]  # the same initial weights
    shown(page.segmented_control(key="compare.moments.view").set_value("classes").run())
    for place in range(2):
        await_replay(page, f"moments.{place}")
    assert figure(page, "confusion.0")["data"] == figure(page, "confusion.1")["data"]


def test_a_slider_that_plays_waits_only_for_what_is_computed_of_its_own_runs(open_page: Open) -> None:
    page, key = open_two(open_page), "moment.step.compare"
    shown(page.button(key="moment.play.compare").click().run())
    going_on: Any = SimpleNamespace(result=Future())
    for recipe, place in ((TINY.replace(optimizer=Adam()), 0), (TINY.replace(seed=7), 5)):
        page.session_state["replays"] = {"surface": (SimpleNamespace(recipes=[recipe]), going_on)}
        shown(page.run())
        assert page.select_slider(key=key).value == place


def test_values_that_the_browser_sent_before_it_heard_of_the_last_moves_stop_nothing(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, run = open_finished(open_page, "health")
    key = f"moment.step.{run.id}"
    shown(page.button(key=f"moment.play.{run.id}").click().run())
    shown(page.run())
    shown(page.run())
    assert page.select_slider(key=key).value == 10
    monkeypatch.setattr(time_slider, "LATE_SECONDS", 3600.0)
    shown(page.run())
    shown(page.run())
    for late, place in ((10, 25), (15, 30)):
        shown(page.select_slider(key=key).set_value(late).run())
        assert (page.button(key=f"moment.play.{run.id}").label, page.select_slider(key=key).value) == ("Pause", place)
    monkeypatch.setattr(time_slider, "LATE_SECONDS", 0.0)
    shown(page.select_slider(key=key).set_value(5).run())
    assert (page.button(key=f"moment.play.{run.id}").label, page.select_slider(key=key).value) == ("Play", 5)


def test_a_comparison_stops_its_timer_when_the_slider_that_plays_is_gone(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser(monkeypatch)
    page = open_two(open_page)
    shown(page.button(key="moment.play.compare").click().run())
    shown(page.run())
    assert pytest.approx(PLAYED_SECONDS) in browser.timers.values()
    page.session_state["compare.moments.open"] = False
    shown(page.run())
    shown(page.run())
    assert browser.waiting == []


def test_the_moments_of_a_long_run_are_at_even_steps_that_stay_while_it_goes_on() -> None:
    def go_on(count: int) -> Run:
        return make_run([evaluation(10 * (place + 1)) for place in range(count)])

    assert list_moments(go_on(99)) == list(range(0, 1000, 10))
    assert list_moments(go_on(101)) == [*range(0, 1010, 20), 1010]
    assert list_moments(go_on(102)) == [*range(0, 1020, 20), 1020]
    assert list_moments(go_on(250)) == [*range(0, 2500, 40), 2500]
