"""A schedule that follows the losses, on the pages: what is known before training, and where a run's rate dropped."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.support.app_tests import Open, figure, get_runs, is_over, says, shown, wait_for
from tests.support.playground_page import press_start

# at so low a rate, no evaluation is ten times as good as the best before it: each from the second on lowers the rate
PLATEAU = {"scheduler": "ReduceLROnPlateau", "factor": "0.5", "patience": "0", "threshold": "0.9"}
SHORT = PLATEAU | {"dataset": "Tiny", "train_iter": "40", "eval_every": "10", "batch_size": "8", "lr": "0.001"}


def trace(page: AppTest, key: str, uid: str) -> dict[str, Any] | None:
    return next((trace for trace in figure(page, key)["data"] if trace["uid"] == uid), None)


@pytest.mark.parametrize(("held_out", "loss"), [("0", "train loss in eval mode"), ("20", "validation loss")])
def test_what_is_known_is_drawn_and_after_a_run_its_drops_dashed_and_marked(
    open_page: Open, held_out: str, loss: str
) -> None:
    page = open_page(**SHORT, validation_size=held_out)
    known = trace(page, "preview", "schedule")
    assert known is not None
    assert (known["x"][-1], set(known["y"])) == (20, {0.001})
    assert figure(page, "preview")["layout"]["xaxis"]["range"] == [0, 40]
    assert trace(page, "preview", "last-run") is None
    assert says(page, f"This schedule follows the {loss}. Before training, the rate is known only up to step 20;")
    assert not says(page, "Dashed: the last run of this recipe.")

    run_id = press_start(page)
    wait_for(page, is_over(run_id))
    (run,) = get_runs([run_id])
    assert [evaluation.lr for evaluation in run.evaluations] == [0.001, 0.001, 0.0005, 0.00025]
    dashed = trace(page, "preview", "last-run")
    assert dashed is not None
    drawn = dict(zip(dashed["x"], dashed["y"], strict=True))
    assert [drawn[step] for step in (20, 21, 30, 31, 40)] == [0.001, 0.0005, 0.0005, 0.00025, 0.00025]
    assert says(page, "Dashed: the last run of this recipe.")
    marks = trace(page, "curves", "reductions")
    assert marks is not None
    assert (marks["name"], marks["x"]) == (loss, [20, 30])
    losses = [evaluation.val_loss if held_out == "20" else evaluation.train_eval_loss for evaluation in run.evaluations]
    assert marks["customdata"] == pytest.approx(losses[1:3], rel=1e-4)

    shown(page.number_input(key="knob.ReduceLROnPlateau.cooldown").set_value(1).run())  # another recipe
    assert trace(page, "preview", "last-run") is None


def test_a_schedule_that_has_no_time_to_drop_is_told_so_and_known_to_its_end(open_page: Open) -> None:
    page = open_page(**SHORT | {"patience": "9"})
    known = trace(page, "preview", "schedule")
    assert known is not None
    assert known["x"][-1] == 40
    assert says(page, "With patience 9, the rate drops after 11 evaluations at the earliest, but the run has only 3")
    assert not says(page, "This schedule follows")
    shown(page.button(key="apply_fix").click().run())
    assert page.number_input(key="knob.ReduceLROnPlateau.patience").value == 0


def test_compare_draws_what_is_known_and_then_what_was_recorded(open_page: Open) -> None:
    page = open_page("compare.py", **SHORT, rows="2", **{"2.factor": "0.1"})
    rates = trace(page, "compare", "lr-0")
    assert rates is not None
    assert (rates["x"][-1], set(rates["y"])) == (20, {0.001})
    shown(page.button(key="compare.start").click().run())
    ids = page.session_state["compare.runs"]
    wait_for(page, lambda: all(run.status.is_over for run in get_runs(ids)))
    for place, run in enumerate(get_runs(ids)):
        rates = trace(page, "compare", f"lr-{place}")
        assert rates is not None
        recorded = dict.fromkeys(evaluation.lr for evaluation in run.evaluations)
        assert list(dict.fromkeys(rates["y"])) == pytest.approx(list(recorded))  # a corner before and after each drop
        assert rates["y"][-1] < 0.001
