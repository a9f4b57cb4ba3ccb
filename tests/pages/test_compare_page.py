"""The comparison's page: its start, what it says of finished runs, and its address."""

import re
from statistics import stdev

import pytest
from streamlit.testing.v1 import AppTest

from mlpcore.jobs import manager, submission
from mlpcore.recipes.presets import COMPARISONS
from mlpcore.recipes.recipe import SGD, Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.store import RunStore
from pages.components.compare.rows import read_rows
from tests.support.app_tests import Open, figure, get_runs, says, shown, texts, wait_for

FULL = "⚠ 2 runs and comparisons are already waiting or training on this server. Try again when some are over."

SHORT = {"dataset": "Tiny", "train_iter": "20", "eval_every": "10", "batch_size": "8"}
LONG = SHORT | {"train_iter": "200000", "eval_every": "200"}
LIKE = Recipe(dataset="Tiny", train_iter=20, eval_every=10, batch_size=8)
LABELS = ["SGD lr=0.01", "SGD lr=0.01 momentum=0.9", "SGD lr=0.01 momentum=0.9 nesterov=on", "Adam lr=0.001"]


def open_compare(open_page: Open, **shared: str) -> AppTest:
    """The page as a link opens it that says only what all rows share."""
    return open_page("compare.py", **shared)


def press_start(page: AppTest) -> list[str]:
    shown(page.button(key="compare.start").click().run())
    return page.session_state["compare.runs"]


def finish(page: AppTest) -> list[Run]:
    """Press Start and wait until all runs are over and their images' hashes are there."""
    ids = press_start(page)
    wait_for(page, lambda: all(run.status.is_over for run in get_runs(ids)))
    return get_runs(ids)


def find_best(run: Run) -> Evaluation:
    assert run.best is not None
    return run.best


def table(page: AppTest):
    (frame,) = (element.value for element in page.dataframe if "recipe" in element.value.columns)
    return frame


def test_it_opens_with_the_lectures_optimizers_and_says_what_differs(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT)
    assert says(page, "Each row differs from the one before in one thing: momentum, nesterov, optimizer")
    assert says(page, "Tiny, all images · 20 iterations of 8 · 1 seed")
    assert not page.button(key="compare.start").disabled
    assert page.button(key="compare.stop").disabled


def test_row_that_is_no_recipe_is_named_as_plain_text_and_start_waits(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT)
    page.session_state["compare.rows"][1]["hidden_sizes"] = "![](http://a.example/b.png)"
    shown(page.run())
    assert any("Row 2: hidden_sizes is ![](http://a.example/b.png)" in text for text in texts(page))
    assert not says(page, "a.example")
    assert page.button(key="compare.start").disabled


def test_first_preset_is_trained_together_and_its_table_says_what_came_of_it(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT)
    runs = finish(page)
    assert [run.status for run in runs] == [RunStatus.FINISHED] * 4
    assert {run.recipe.seed for run in runs} == {0}
    assert [run.name for run in runs][2:] == ["SGD lr 0.01 momentum 0.9 nesterov on", "Adam lr 0.001"]
    frame = table(page)
    assert list(frame["recipe"]) == LABELS
    best = [find_best(run) for run in runs]
    assert list(frame["final"]) == pytest.approx([100 * run.evaluations[-1].test_acc for run in runs])
    assert list(frame["best"]) == pytest.approx([100 * one.test_acc for one in best])
    assert list(frame["best step"]) == [one.step for one in best]
    assert list(frame["state"]) == ["finished"] * 4
    assert len(set(frame["initial weights"])) == len(set(frame["batches"])) == 1
    assert "chosen by validation" not in frame
    assert [trace["name"] for trace in figure(page, "compare")["data"] if trace["showlegend"]] == LABELS
    assert frame["vs baseline, pp"].isna().tolist() == [True, False, False, False]
    assert frame["vs baseline, pp"][1] == pytest.approx(frame["final"][1] - frame["final"][0])
    assert "± pp" not in frame  # of one seed
    assert "4 finished" in texts(page)
    assert says(page, "The test examples chose it, so it is optimistic")


def test_one_seed_gets_differences_and_no_verdict(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT)
    finish(page)
    said = [text for text in texts(page) if f" minus {LABELS[0]}:" in text]
    assert len(said) == 3
    assert all("No verdict yet: with 3 seeds or more, a paired t-test can decide." in text for text in said)
    assert not says(page, "paired t-test at 5 %")


def test_several_seeds_give_bands_a_spread_and_verdicts_against_the_chosen_baseline(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT)
    shown(page.number_input(key="compare.seeds").set_value(3).run())
    runs = finish(page)
    assert [run.recipe.seed for run in runs] == [0, 1, 2] * 4
    assert len(table(page)) == 4
    bands = [trace["uid"] for trace in figure(page, "compare")["data"] if trace["uid"].startswith("band")]
    assert len(bands) == 8
    verdicts = [text for text in texts(page) if f" minus {LABELS[0]}:" in text]
    assert [verdict.split(" minus ")[0] for verdict in verdicts] == LABELS[1:]
    assert all("3 seeds" in verdict for verdict in verdicts)
    assert not says(page, "No verdict yet")
    last = [100 * run.evaluations[-1].test_acc for run in runs[:3]]
    assert table(page)["± pp"][0] == pytest.approx(stdev(last))
    shown(page.button_group(key="compare.baseline").set_value(LABELS[3]).run())
    others = [text.split(" minus ")[0] for text in texts(page) if f" minus {LABELS[3]}:" in text]
    assert others == LABELS[:3]
    assert table(page)["vs baseline, pp"].isna().tolist() == [False, False, False, True]


def test_fresh_page_holds_out_images_and_says_so_in_its_address(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT)
    toggle = page.toggle(key="compare.hold_out")
    assert (toggle.value, toggle.label) == (True, "Hold out 8 examples")
    assert page.query_params["hold_out"] == "true" or page.query_params["hold_out"] == ["true"]
    runs = finish(page)
    assert {run.recipe.validation_size for run in runs} == {8}
    assert "chosen by validation" not in table(page)  # by so few images
    assert says(page, "By final test accuracy")


def test_link_without_hold_out_holds_none_out(open_page: Open) -> None:
    page = open_page("compare.py", **SHORT, **{"2.lr": "0.1"})
    assert not page.toggle(key="compare.hold_out").value
    assert "hold_out" not in page.query_params


def test_500_held_out_images_choose_the_step_and_the_last_stands_beside_it(
    open_page: Open, page_store: RunStore
) -> None:
    for run_id, lr in (("a", 0.1), ("b", 0.2)):
        recipe = Recipe(dataset="Shapes", optimizer=SGD(lr=lr), validation_size=5_000)
        points = [
            Evaluation(100 * n, 1.0, 1.0, 0.5, 1.0, 0.1 * n, lr, 1.0, val_loss=1.0, val_acc=0.5 - 0.1 * n)
            for n in (1, 2)
        ]
        ended = Run(run_id, run_id, recipe, RunStatus.FINISHED, created=1.0, step=3000, evaluations=tuple(points))
        page_store.create_many([ended])
    page = open_page("compare.py", runs="a,b")
    frame = table(page)
    assert list(frame["chosen by validation"]) == [10.0, 10.0]
    assert list(frame["final"]) == [20.0, 20.0]
    assert list(frame["chosen step"]) == [100, 100]
    assert "best" not in frame
    assert says(page, "the test examples had no part in the choice")
    assert says(page, "test accuracy at the step chosen by validation")
    assert page.session_state["compare.hold_out"]


def test_a_row_with_averaged_weights_shows_their_final_accuracy_and_the_others_none(
    open_page: Open, page_store: RunStore
) -> None:
    averaged = Recipe(dataset="Shapes", average="EMA")
    for run_id, recipe, avg in (("a", averaged, 0.5), ("b", averaged.replace(seed=1), 0.6), ("c", Recipe(), None)):
        last = Evaluation(100, 1.0, 1.0, 0.5, 1.0, 0.4, 0.01, 1.0, avg_test_acc=avg)
        page_store.create_many([Run(run_id, run_id, recipe, RunStatus.FINISHED, created=1.0, evaluations=(last,))])
    frame = table(open_page("compare.py", runs="a,b,c"))
    assert frame["final, averaged"][0] == pytest.approx(55.0)
    assert frame["final, averaged"].isna().tolist() == [False, True]
    assert "final, averaged" not in table(open_page("compare.py", runs="c"))


def test_comparison_survives_a_reload_through_its_address(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT)
    shown(page.number_input(key="compare.seeds").set_value(2).run())
    runs = finish(page)
    assert page.query_params["runs"] == ",".join(run.id for run in runs)
    again = open_page("compare.py", runs=page.query_params["runs"])
    again.run()  # by now the images are there, for the hashes
    assert again.session_state["compare.runs"] == [run.id for run in runs]
    assert list(table(again)["recipe"]) == LABELS
    assert not again.session_state["compare.setup"]
    assert again.session_state["compare.seeds"] == 2
    assert read_rows(again.session_state["compare.rows"])[0] == COMPARISONS["SGD, momentum, Nesterov, Adam"](LIKE)


@pytest.mark.parametrize("named", ["0123456789ab", "<b>,![](http://a.example/b.png)", "," * 50, "a" * 5000])
def test_address_of_runs_that_are_not_kept_is_answered_with_a_sentence(open_page: Open, named: str) -> None:
    page = open_page("compare.py", runs=named)
    assert page.session_state["compare.runs"] == []
    missing = len([part for part in named.split(",") if part])
    sentence = f"⚠ {missing} of the {missing} runs that this address names are not kept here."
    assert (sentence in texts(page)) == (missing > 0)
    assert not page.button(key="compare.start").disabled


def test_unknown_runs_of_an_address_are_left_out_and_the_others_shown(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT)
    runs = finish(page)
    again = open_page("compare.py", runs=f"{runs[0].id},nothing,{runs[3].id},{runs[0].id}")
    assert again.session_state["compare.runs"] == [runs[0].id, runs[3].id]
    assert "⚠ 1 of the 3 runs that this address names are not kept here." in texts(again)


def test_runs_are_stopped_by_the_one_who_started_them_and_by_nobody_else(open_page: Open) -> None:
    page = open_compare(open_page, **LONG)
    ids = press_start(page)
    assert page.button(key="compare.start").disabled
    stranger = open_page("compare.py", runs=",".join(ids))
    assert stranger.button(key="compare.stop").disabled
    wait_for(page, lambda: all(run.status is RunStatus.RUNNING and run.evaluations for run in get_runs(ids)))
    (progress,) = page.get("progress")
    assert re.match(r"4 running · [\d,]+ of 800,000 iterations", progress.proto.text)
    shown(page.button(key="compare.stop").click().run())
    wait_for(page, lambda: all(run.status.is_over for run in get_runs(ids)))
    assert {run.status for run in get_runs(ids)} == {RunStatus.STOPPED}
    assert not page.button(key="compare.start").disabled
    assert len(table(page)) == 4


def test_start_that_is_refused_is_answered_with_a_sentence(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(dataset="Tiny", train_iter=200_000, eval_every=200, batch_size=8, hidden_sizes=(8,))
    page = open_compare(open_page, **SHORT)
    monkeypatch.setattr(submission, "MAX_SUBMISSIONS", 2)
    for owner in ("ann", "ben"):
        manager.shared_manager().submit([recipe], owner=owner, names=["SGD"])
    shown(page.button(key="compare.start").click().run())
    assert FULL in texts(page)
    assert "compare.runs" not in page.session_state or page.session_state["compare.runs"] == []


def test_diverged_and_failed_runs_say_so(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT | {"train_iter": "3000", "eval_every": "1000"})
    rows = page.session_state["compare.rows"]
    rows[0]["lr"], rows[0]["batch_size"] = 10.0, 8
    rows[3]["train_size"] = 4_000
    page.session_state["compare.rows"] = [rows[0], rows[3]]
    shown(page.run())
    runs = finish(page)
    assert [run.status for run in runs] == [RunStatus.DIVERGED, RunStatus.FAILED]
    for run in runs:
        assert any(text.endswith(str(run.message)) for text in texts(page))
    assert list(table(page)["state"]) == ["diverged", "failed"]
    assert table(page)["steps to target"].isna().all()
    assert says(page, "the baseline and another row must finish with the same seed")
