"""The learning-rate test of the playground: its dialog, its suggestions, and their check."""

import pytest
from streamlit.testing.v1 import AppTest

from mlpcore.numbers import exact_number
from mlpcore.runs.records import RunStatus
from tests.support.app_tests import Open, figure, get_runs, is_over, shown, texts, wait_for

LEARNABLE = {"dataset": "Tiny", "hidden_sizes": "16", "batch_size": "32", "dropout": "0", "validation_size": "20"}


def open_test(open_page: Open, **query: str) -> AppTest:
    """Open the dialog and wait for the end of the test."""
    page = open_page(**LEARNABLE | query)
    shown(page.button(key="lr_test").click().run())
    pending = page.session_state["lr_test.pending"]
    return wait_for(page, pending.result.done)


def has_button(page: AppTest, key: str) -> bool:
    return any(button.key == key for button in page.button)


def test_nothing_is_tested_before_the_button_is_pressed(open_page: Open) -> None:
    page = open_page(**LEARNABLE)
    assert "lr_test.pending" not in page.session_state
    assert not has_button(page, "lr_test.check.start")


def test_dialog_shows_the_loss_over_the_rate_and_a_line_per_rule(open_page: Open) -> None:
    page = open_test(open_page)
    chart = figure(page, "lr_test.chart")
    assert [trace["uid"] for trace in chart["data"]] == [
        *("measured", "band", "loss"),
        *("mark-steepest", "mark-minimum", "mark-valley"),
    ]
    lines = " ".join(element.value for element in page.markdown)
    for rule in ("**Steepest fall**", "**Minimum / 10**", "**Valley**"):
        assert rule in lines
    assert lines.count("over 5 seeds") == 3


def test_use_sets_the_rate_and_closes_the_dialog(open_page: Open) -> None:
    page = open_test(open_page)
    (use,) = (button for button in page.button if button.key == "lr_test.use.valley")
    rate = float(use.label.removeprefix("Use "))
    assert rate != 0.01
    shown(use.click().run())
    assert page.select_slider(key="knob.SGD.lr.slider").value == rate
    assert float(page.query_params["lr"]) == rate
    assert not has_button(page, "lr_test.use.valley")


def test_check_trains_the_suggestions_and_says_which_won(open_page: Open) -> None:
    page = open_test(open_page)
    shown(page.button(key="lr_test.check.start").click().run())
    _tested, run_ids = page.session_state["lr_test.check"]
    assert page.button(key="lr_test.check.start").disabled
    for run_id in run_ids:
        wait_for(page, is_over(run_id))
    runs = get_runs(run_ids)
    assert {run.status for run in runs} == {RunStatus.FINISHED}
    assert len({run.submission for run in runs}) == 1
    assert [run.name for run in runs] == [f"lr test {exact_number(run.recipe.optimizer.lr)}" for run in runs]
    assert {(run.recipe.train_iter, run.recipe.validation_size) for run in runs} == {(500, 20)}
    best = max(run.latest.val_acc or 0.0 for run in runs if run.latest)
    assert any(f"{best:.1%} of 20 held-out examples after 500 iterations" in text for text in texts(page))
    assert page.session_state["run"] is None  # the page shows none of these runs as its own
    assert page.number_input(key="knob.train_iter").value == 3000


def test_check_is_still_there_after_a_suggestion_was_used(open_page: Open) -> None:
    page = open_test(open_page)
    shown(page.button(key="lr_test.check.start").click().run())
    _tested, run_ids = page.session_state["lr_test.check"]
    for run_id in run_ids:
        wait_for(page, is_over(run_id))
    shown(page.button(key="lr_test.use.minimum").click().run())
    shown(page.button(key="lr_test").click().run())
    wait_for(page, page.session_state["lr_test.pending"].result.done)
    assert any("held-out examples after 500 iterations" in text for text in texts(page))


def test_shown_run_is_left_alone(open_page: Open) -> None:
    page = open_page(**LEARNABLE | {"train_iter": "20", "eval_every": "10"})
    shown(page.button(key="start").click().run())
    run_id = page.session_state["run"]
    wait_for(page, is_over(run_id))
    before = get_runs([run_id])
    shown(page.button(key="lr_test").click().run())
    wait_for(page, page.session_state["lr_test.pending"].result.done)
    assert get_runs([run_id]) == before
    assert page.session_state["run"] == run_id


def test_recipe_that_cannot_be_trained_here_is_refused_in_the_dialog(open_page: Open) -> None:
    page = open_page(**LEARNABLE | {"batch_size": "500"})
    shown(page.button(key="lr_test").click().run())
    assert sum("batch_size is 500" in text for text in texts(page)) == 2  # below the form, and in the dialog
    assert "lr_test.pending" not in page.session_state


def test_network_that_is_too_large_is_refused(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpcore.jobs.lr_test.find_budget", lambda _device: 1_000_000)
    page = open_test(open_page)
    assert any("⚠ The learning-rate test needs 0.1 GB of memory" in text for text in texts(page))
    assert not has_button(page, "lr_test.check.start")


def test_lesson_that_holds_the_rate_has_no_test(open_page: Open) -> None:
    page = open_page(**LEARNABLE, lock="lr", title="Rates")
    assert not has_button(page, "lr_test")
