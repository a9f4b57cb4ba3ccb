"""Runs as the playground shows them, on a real store and real images."""

from pathlib import Path

import pytest

from mlpcore.jobs import manager
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.messages import INTERRUPTED
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.training.device import explain_device
from tests.support.app_tests import Open, figure, is_over, shown, wait_for
from tests.support.playground_page import planned_rate, press_start, says


def test_run_is_started_shown_and_kept(open_page: Open, tmp_path: Path) -> None:
    page = open_page(train_iter="40", eval_every="10", batch_size="8")
    run_id = press_start(page)
    wait_for(page, is_over(run_id))
    run = manager.shared_manager().get(run_id)
    assert run.status is RunStatus.FINISHED
    assert run.recipe == Recipe(dataset="Tiny", train_iter=40, eval_every=10, batch_size=8)
    assert figure(page, "curves")["data"][0]["x"] == [10, 20, 30, 40]
    assert page.query_params["run"] == run_id
    assert page.button(key="stop").disabled
    assert not page.button(key="start").disabled
    assert list((tmp_path / "home").iterdir())


def test_page_says_which_device_trains_and_why(open_page: Open) -> None:
    page = open_page()
    manager.shared_manager()  # torch is loaded
    captions = [caption.value for caption in shown(page.run()).caption]
    assert str(explain_device()) in captions


def test_run_that_goes_on_can_be_paused_resumed_changed_and_stopped(open_page: Open) -> None:
    page = open_page(train_iter="200000", eval_every="200", batch_size="4", scheduler="none")
    run_id = press_start(page)

    def run():
        return manager.shared_manager().get(run_id)

    wait_for(page, lambda: len(run().evaluations) >= 2)
    assert page.button(key="start").disabled
    wait_for(shown(page.button(key="pause").click().run()), lambda: run().status is RunStatus.PAUSED)
    assert not any(text.value.endswith(" left") for text in page.text)
    wait_for(shown(page.button(key="resume").click().run()), lambda: run().status is RunStatus.RUNNING)
    shown(page.select_slider(key="knob.SGD.lr.slider").set_value(0.003).run())
    wait_for(page, lambda: run().recipe.changes != () and run().latest.lr == 0.003)
    (change,) = run().recipe.changes
    assert change.values == {"lr": 0.003}
    assert [shape["x0"] for shape in figure(page, "curves")["layout"]["shapes"]] == [change.step]
    wait_for(shown(page.button(key="stop").click().run()), is_over(run_id))
    assert run().status is RunStatus.STOPPED
    assert len(figure(page, "curves")["data"][0]["x"]) >= 2


def test_diverged_run_says_so_and_offers_a_rate_that_learns(open_page: Open) -> None:
    page = open_page(lr="10", train_iter="3000", batch_size="8")
    run_id = press_start(page)
    wait_for(page, is_over(run_id))
    run = manager.shared_manager().get(run_id)
    assert run.status is RunStatus.DIVERGED
    assert str(run.message) in [element.value for element in page.text]
    shown(page.button(key="diagnosis.0").click().run())
    assert page.select_slider(key="knob.SGD.lr.slider").value == 0.01  # at a tenth of 10 nothing is learned


def test_failed_run_shows_a_sentence_and_no_traceback(open_page: Open) -> None:
    wanted = Recipe(dataset="Tiny", train_size=81, batch_size=4)
    (run_id,) = manager.shared_manager().submit([wanted], owner="somebody", names=["too large"])
    page = open_page(run=run_id)
    wait_for(page, is_over(run_id))
    run = manager.shared_manager().get(run_id)
    assert run.status is RunStatus.FAILED
    assert str(run.message) in [element.value for element in page.text]
    assert "Traceback" in run.traceback
    assert not any("Traceback" in element.value for element in [*page.text, *page.code, *page.markdown])


def test_interrupted_run_says_so_shows_what_it_had_and_another_can_be_started(
    open_page: Open, page_store: RunStore
) -> None:
    points = tuple(Evaluation(step, 2.0, 1.9, 0.4, 2.1, 0.5, 0.01, 0.1) for step in (10, 20))
    recipe = Recipe(dataset="Tiny", batch_size=8, eval_every=10)
    run = Run("a", "a run", recipe, RunStatus.INTERRUPTED, 1.0, step=20, evaluations=points, message=INTERRUPTED)
    page_store.create_many([run])
    page = open_page(run="a")
    assert "interrupted" in "".join(element.value for element in page.markdown)
    assert says(page, str(INTERRUPTED))
    assert figure(page, "curves")["data"][0]["x"] == [10, 20]
    assert not page.button(key="start").disabled


def test_visitor_cannot_stop_what_another_started(open_page: Open) -> None:
    mine = open_page(train_iter="200000", eval_every="200", batch_size="4")
    run_id = press_start(mine)
    stranger = open_page(run=run_id)
    assert stranger.session_state["owner"] != mine.session_state["owner"]
    assert stranger.button(key="stop").disabled
    assert stranger.button(key="pause").disabled
    assert not manager.shared_manager().get(run_id).status.is_over


def test_address_of_a_run_that_is_not_kept_falls_back_to_the_knobs(open_page: Open) -> None:
    page = open_page(run="0123456789ab", lr="0.003")
    assert [error.value for error in page.error] == ["The run that this address names is not kept here."]
    assert "run" not in page.query_params
    assert planned_rate(page, 1) == pytest.approx(0.003)


def test_change_that_the_run_cannot_take_is_refused_with_a_sentence(open_page: Open) -> None:
    page = open_page(train_iter="200000", eval_every="200", batch_size="4", scheduler="none")
    run_id = press_start(page)
    shown(page.toggle(key="knob.SGD.nesterov").set_value(False).run())  # of the next run: this one keeps its own
    shown(page.slider(key="knob.SGD.momentum").set_value(0.0).run())
    assert says(page, "nesterov is on while momentum is 0: turn it off, or set momentum above 0.")
    assert manager.shared_manager().get(run_id).recipe.changes == ()


def test_store_that_cannot_be_used_is_a_sentence(
    open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLPCORE_HOME", str(tmp_path / "file"))
    page = open_page()
    sentence = "The folder of the runs cannot be created (File exists): name another folder in MLPCORE_HOME."
    assert [error.value for error in page.error] == [sentence]
