"""A fork on the playground: from which step, with what, drawn over its parent, and both taken to Compare."""

import pytest
from streamlit.testing.v1 import AppTest

from mlpcore.jobs import manager
from mlpcore.recipes.optimizers import Rprop
from mlpcore.recipes.recipe import Change, NoScheduler, Recipe
from mlpcore.runs.records import Run
from pages.components.run.fork import take_pick
from tests.support.app_tests import Open, figure, is_over, shown, wait_for
from tests.support.histories import evaluation, run as make_run

TINY = Recipe(dataset="Tiny", train_iter=60, eval_every=5, batch_size=4, hidden_sizes=(8,), scheduler=NoScheduler())


def get_run(run_id: str) -> Run:
    return manager.shared_manager().get(run_id)


def open_finished(open_page: Open) -> AppTest:
    (run_id,) = manager.shared_manager().submit([TINY], owner="somebody", names=["a run"])
    page = open_page(run=run_id)
    return wait_for(page, is_over(run_id))


def test_a_fork_starts_from_the_chosen_step_and_is_drawn_over_its_parent(open_page: Open) -> None:
    page = open_finished(open_page)
    parent = page.session_state["run"]
    shown(page.button(key="fork").click().run())
    assert page.number_input(key="fork.step").value == 30
    assert page.button(key="fork.start").disabled
    shown(page.number_input(key="fork.step").set_value(42).run())
    shown(page.text_input(key="fork.lr").set_value("0.5").run())
    assert page.button(key="fork.start").label == "Start from step 42"
    shown(page.button(key="fork.start").click().run())
    fork = page.session_state["run"]
    wait_for(page, is_over(fork))
    assert (get_run(fork).forked_from, get_run(fork).recipe.changes) == (parent, (Change(step=42, lr=0.5),))
    curves = {trace["uid"]: trace for trace in figure(page, "curves")["data"]}
    assert curves["loss"]["x"] == [40, 45, 50, 55, 60]
    assert curves["ghost-loss"]["x"] == list(range(5, 61, 5))
    assert any("forked at 42" in markdown.value for markdown in page.markdown)
    assert page.session_state["knob.SGD.lr"] == 0.5
    shown(page.button(key="fork.compare").click().run())
    assert page.query_params["runs"] == f"{parent},{fork}"


@pytest.mark.parametrize(("text", "problem"), [("100", "lr is 100"), ("many", "lr is many"), ("", "lr is —")])
def test_a_value_that_does_not_fit_is_named(open_page: Open, text: str, problem: str) -> None:
    page = open_finished(open_page)
    shown(page.button(key="fork").click().run())
    shown(page.text_input(key="fork.lr").set_value(text).run())
    assert any(problem in warning.value for warning in [*page.warning, *page.text])
    assert page.button(key="fork.start").disabled


def test_another_step_refills_the_fields_that_were_not_changed(open_page: Open) -> None:
    changed = TINY.replace(changes=(Change(step=20, lr=0.2, momentum=0.5),))
    (run_id,) = manager.shared_manager().submit([changed], owner="somebody", names=["a run"])
    page = wait_for(open_page(run=run_id), is_over(run_id))
    shown(page.button(key="fork").click().run())
    assert (page.text_input(key="fork.lr").value, page.text_input(key="fork.momentum").value) == ("0.2", "0.5")
    shown(page.text_input(key="fork.lr").set_value("0.3").run())
    shown(page.number_input(key="fork.step").set_value(10).run())
    assert (page.text_input(key="fork.lr").value, page.text_input(key="fork.momentum").value) == ("0.3", "0.9")


def test_a_run_nothing_of_which_can_be_changed_is_not_forked(open_page: Open) -> None:
    recipe = TINY.replace(optimizer=Rprop(), train_size=TINY.batch_size)
    (run_id,) = manager.shared_manager().submit([recipe], owner="somebody", names=["a run"])
    fork = wait_for(open_page(run=run_id), is_over(run_id)).button(key="fork")
    assert (fork.disabled, fork.help) == (True, "No hyperparameter of Rprop can be changed while the run goes on.")


@pytest.mark.parametrize("picked", ["nan", "inf", "nothing"])
def test_a_pick_that_is_no_step_opens_nothing(picked: str) -> None:
    take_pick(make_run([evaluation(60)], TINY), picked)
