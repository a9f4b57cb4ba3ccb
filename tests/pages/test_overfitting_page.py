"""The overfitting lab as a page: its start, its remedies and its address."""

import re
from types import SimpleNamespace

import pytest
import streamlit as st

from mlpcore.analysis.remedies import REMEDIES, build_lab_recipe
from mlpcore.jobs import manager, submission
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.messages import INTERRUPTED
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.store import RunStore
from pages.components.shared import layout
from pages.components.shared.i18n import read_catalogue
from tests.support.app_tests import ROOT, SECONDS, Open, figure, key_of, says, shown, wait_for
from tests.support.overfitting_page import finish, open_lab, read_test_curves, runs, texts, tiles, train

LONG = build_lab_recipe(dataset="Tiny", images=80, train_iter=200_000)


def test_it_opens_with_the_empty_chart_what_to_look_for_and_start(open_page: Open) -> None:
    page = open_page("overfitting.py")
    assert "A small training loss does not mean a good test result: with 1,000 examples" in texts(page)
    assert "Shapes, 1,000 images, 5,000 held out · 600 iterations of 64" in texts(page)
    assert read_test_curves(page) == [[None], [None]]
    assert (page.button(key="lab.start").disabled, page.button(key="lab.stop").disabled) == (False, True)


def test_a_run_shows_both_curves_and_the_gap_in_numbers(open_page: Open) -> None:
    page = train(open_lab(open_page))
    (run,) = runs(page)
    last = run.evaluations[-1]
    assert run.best is not None
    assert tiles(page)["Train accuracy"] == f"{last.train_acc:.1%}"
    assert tiles(page)["Test accuracy"] == f"{last.test_acc:.1%}"
    assert tiles(page)["Gap, pp"] == f"{100 * (last.train_acc - last.test_acc):+.1f}"
    assert tiles(page)["Best step"] == f"{run.best.step:,}"
    lowest = min(run.evaluations, key=lambda one: one.test_loss)
    assert tiles(page)["Lowest test loss"] == f"{lowest.step:,}"
    assert run.name == "40 images units 8"
    assert read_test_curves(page)[1] == pytest.approx([one.test_acc for one in run.evaluations])
    assert len(figure(page, "lab-norms")["data"]) == 2
    assert says(page, "The test examples chose the best step, so it is optimistic")


def test_best_step_is_chosen_by_500_held_out_images_or_more(open_page: Open, page_store: RunStore) -> None:
    points = [
        Evaluation(20 * n, 1.0, 1.0, 0.9, 1.0, 0.1 * n, 0.01, 1.0, val_loss=1.0, val_acc=0.5 - 0.1 * n) for n in (1, 2)
    ]
    for run_id, held_out in (("a", 5_000), ("b", 499)):
        recipe = build_lab_recipe(dataset="Shapes", images=50_000, validation_size=held_out)
        ended = Run(run_id, "lab", recipe, RunStatus.FINISHED, created=1.0, step=600, evaluations=tuple(points))
        page_store.create_many([ended])
    page = open_page("overfitting.py", lab="a")
    assert tiles(page)["Best step"] == "20"
    assert says(page, "the test examples had no part in the choice")
    page = open_page("overfitting.py", lab="b")
    assert tiles(page)["Best step"] == "40"
    assert says(page, "The test examples chose the best step")


def test_fresh_page_holds_out_a_tenth_of_the_images(open_page: Open) -> None:
    page = open_page("overfitting.py")
    assert page.toggle(key="lab.hold_out").value
    page = train(open_lab(open_page, hold_out=True))
    assert runs(page)[0].recipe.validation_size == 8


def test_presets_set_the_knobs_and_leave_the_images(open_page: Open) -> None:
    page = train(open_lab(open_page))
    shown(page.button(key="lab.preset.random_labels").click().run())
    assert "there is nothing to learn" in texts(page)  # at once, whatever run is shown
    assert "The curves are of Tiny, 40 images · 30 iterations of 40, until Start" in texts(page).replace("\\", "")
    assert [page.session_state[key_of(page, name)] for name in ("lab.label_noise", "lab.dataset")] == [1.0, "Tiny"]
    shown(page.button(key="lab.preset.all_images").click().run())
    assert "Tiny, all images, 8 held out · 3,000 iterations" in texts(page)


def test_the_playgrounds_knobs_are_left_alone(open_page: Open) -> None:
    page = open_page()
    before = {key: page.session_state[key] for key in ("knob.train_size", "knob.dropout", "knob.train_iter")}
    shown(page.switch_page("overfitting.py").run())
    shown(page.button(key="lab.preset.noisy_labels").click().run())
    assert {key: page.session_state[key] for key in before} == before


class TestRemedies:
    def test_all_are_one_click_beside_their_base_and_are_compared(self, open_page: Open) -> None:
        page = open_lab(open_page)
        shown(page.button(key="lab.try_all").click().run())
        finish(page)
        base, *others = runs(page)
        assert len(others) == len(REMEDIES) == 4
        assert {run.recipe.seed for run in (base, *others)} == {0}
        (table,) = (element.value for element in page.dataframe)
        names = ["Base", "More data", "Dropout", "Weight decay", "Smaller network", "Early stop"]
        assert list(table["run"]) == names
        last = [run.evaluations[-1] for run in (base, *others)]
        assert base.best is not None
        tests = [*last, base.best]
        assert list(table["test"]) == [round(100 * one.test_acc, 1) for one in tests]
        differences = [accuracy - table["test"][0] for accuracy in table["test"][1:]]
        assert list(table["over base"])[1:] == pytest.approx(differences)
        assert [curve["name"] for curve in figure(page, "lab-remedies")["data"]] == names[:-1]
        assert "One seed only: repeat with three seeds for a verdict." in texts(page)
        assert list(table["test, last step"])[:5] == [round(100 * one.test_acc, 1) for one in last]

    def test_they_are_repeated_with_three_seeds_for_a_paired_test(self, open_page: Open) -> None:
        page = train(open_lab(open_page))
        assert page.button(key="lab.repeat").disabled
        shown(page.button(key="lab.try.dropout").click().run())
        finish(page)
        shown(page.button(key="lab.repeat").click().run())
        finish(page)
        assert sorted((run.recipe.seed, run.recipe.dropout) for run in runs(page)) == [
            (seed, dropout) for seed in (0, 1, 2) for dropout in (0.0, 0.5)
        ]
        assert page.button(key="lab.repeat").disabled
        assert "Dropout minus Base:" in texts(page)
        assert "One seed only" not in texts(page)
        (table,) = (element.value for element in page.dataframe)
        assert len(table) == 6

    def test_one_is_tried_beside_the_run_that_is_there(self, open_page: Open) -> None:
        page = train(open_lab(open_page))
        base = page.session_state["lab.run"]
        shown(page.button(key="lab.try.dropout").click().run())
        finish(page)
        assert page.session_state["lab.run"] == base
        assert [run.recipe.dropout for run in runs(page)] == [0.0, 0.5]
        assert page.button(key="lab.try.dropout").disabled
        assert not page.button(key="lab.try.weight_decay").disabled

    def test_a_new_start_begins_without_them(self, open_page: Open) -> None:
        page = open_lab(open_page)
        shown(page.button(key="lab.try.dropout").click().run())
        train(finish(page))
        assert page.session_state["lab.remedies"] == []


@pytest.mark.parametrize(("theme", "first"), [("light", "#0072B2"), ("dark", "#56B4E9"), (None, "#0072B2")])
def test_rows_have_the_colours_that_the_chart_has_on_a_page_so_light_or_dark(
    monkeypatch: pytest.MonkeyPatch, theme: str | None, first: str
) -> None:
    monkeypatch.setattr(type(st.context), "theme", SimpleNamespace(type=theme))
    assert [layout.row_colour(colour) for colour in ("#0072B2", "#CC79A7")] == [first, "#CC79A7"]


def test_lifted_colours_are_those_of_the_charts() -> None:
    script = (ROOT / "pages/components/shared/live_plot.js").read_text(encoding="utf-8")
    lifted = dict(re.findall(r'"(#\w{6})": "(#\w{6})"', script))
    assert {light.lower(): dark.lower() for light, dark in layout.DARK.items()}.items() <= lifted.items()


def test_a_reload_keeps_the_run_and_its_remedies(open_page: Open) -> None:
    page = open_lab(open_page)
    shown(page.button(key="lab.try.dropout").click().run())
    base, remedy = runs(finish(page))
    again = open_page("overfitting.py", lab=base.id, remedies=remedy.id)
    assert runs(again) == [base, remedy]
    assert tiles(again)["Test accuracy"] == f"{base.evaluations[-1].test_acc:.1%}"
    assert [again.session_state[key_of(again, name)] for name in ("lab.width", "lab.train_iter")] == [8, 30]


@pytest.mark.parametrize("named", ["nothing", "../../etc"])
def test_address_of_a_run_that_is_not_kept_is_answered_with_a_sentence(open_page: Open, named: str) -> None:
    page = open_page("overfitting.py", lab=named)
    assert "The run that this address names is not kept here." in texts(page)
    assert not page.button(key="lab.start").disabled


def test_runs_are_stopped_and_keep_what_was_measured(open_page: Open) -> None:
    page = open_lab(open_page, train_iter=200_000)
    shown(page.button(key="lab.start").click().run())
    wait_for(page, lambda: runs(page)[0].step > 0)
    assert page.button(key="lab.start").disabled
    shown(page.button(key="lab.stop").click().run())
    finish(page)
    assert runs(page)[0].status is RunStatus.STOPPED
    assert not page.button(key="lab.start").disabled


def test_start_that_is_refused_is_answered_with_a_sentence(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_lab(open_page)
    long = Recipe(dataset="Tiny", batch_size=8, hidden_sizes=(8,), train_iter=200_000)
    monkeypatch.setattr(submission, "MAX_SUBMISSIONS", 2)
    for owner in "ab":
        manager.shared_manager().submit([long], owner=owner, names=["long"])
    shown(page.button(key="lab.start").click().run())
    assert "2 runs and comparisons are already waiting or training" in texts(page)


def test_data_set_that_is_gone_is_said_and_start_waits(open_page: Open) -> None:
    page = open_lab(open_page, dataset="Gone")
    assert "dataset is Gone: this machine has Tiny, Shapes, Moons, Circles, Spiral, Checkerboard, Blobs." in texts(page)
    assert page.button(key="lab.start").disabled


def test_a_run_is_opened_in_the_playground_with_its_knobs(open_page: Open) -> None:
    page = train(open_lab(open_page))
    page.button(key="lab.open").click().run(timeout=SECONDS)
    shown(page)
    assert page.session_state["run"] == page.session_state["lab.run"]
    assert [page.session_state[key_of(page, f"knob.{name}")] for name in ("train_size", "hidden_sizes")] == [40, "8"]


def test_remedy_that_was_stopped_can_be_tried_again_in_its_own_place(open_page: Open) -> None:
    page = train(open_lab(open_page, train_iter=10_000))
    shown(page.button(key="lab.try.dropout").click().run())
    (first,) = page.session_state["lab.remedies"]
    assert page.button(key="lab.try.dropout").disabled
    shown(page.button(key="lab.stop").click().run())
    finish(page)
    assert manager.shared_manager().get(first).status is RunStatus.STOPPED
    assert not page.button(key="lab.try.dropout").disabled
    shown(page.button(key="lab.try.dropout").click().run())
    (second,) = page.session_state["lab.remedies"]
    assert second != first
    shown(page.button(key="lab.stop").click().run())
    finish(page)


def test_address_from_before_a_click_does_not_undo_it(open_page: Open) -> None:
    page = train(open_lab(open_page))
    before = page.query_params["lab"]
    shown(page.button(key="lab.start").click().run())
    after = page.session_state["lab.run"]
    page.query_params["lab"] = before  # a browser that has not taken in the newest address yet
    shown(page.run())
    assert page.session_state["lab.run"] == after != before
    finish(page)


def test_how_a_run_ended_and_why_nothing_can_be_stored_are_said_in_the_visitors_language(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page("overfitting.py", lang="ko")
    shared = manager.shared_manager()
    recipe = build_lab_recipe(dataset="Tiny", images=80)
    shared.store.create_many([Run("a", "lab", recipe, RunStatus.INTERRUPTED, created=1.0, message=INTERRUPTED)])
    page.query_params["lab"] = "a"
    shown(page.run())
    assert read_catalogue("ko").gettext(str(INTERRUPTED)) in texts(page)
    assert str(INTERRUPTED) not in texts(page)
    (run_id,) = shared.submit([LONG], owner="ann", names=["lab"])
    page.query_params["lab"] = run_id
    monkeypatch.setattr(type(shared), "trouble", INTERRUPTED)
    shown(page.run())
    assert read_catalogue("ko").gettext(str(INTERRUPTED)) in texts(page)
    shared.stop(run_id, owner="ann")
