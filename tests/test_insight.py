"""The readings of synthetic histories: each rule fires where it must, at the right step, and nowhere else."""

import pytest

from mlpcore.insight import Gap, measure_gap
from mlpcore.runs import Evaluation


def evaluation(step: int, **measured: float) -> Evaluation:
    plain = {"train_loss": 1.0, "train_eval_loss": 1.0, "train_acc": 0.5, "test_loss": 1.0, "test_acc": 0.5}
    return Evaluation(step=step, lr=0.01, seconds=1.0, **plain | measured)


class TestGap:
    def test_without_evaluations_there_is_none(self) -> None:
        assert measure_gap(()) is None

    def test_it_is_that_of_the_end_and_the_best_step_is_the_first_of_the_highest(self) -> None:
        history = [
            evaluation(100, test_acc=0.25),
            evaluation(200, test_acc=0.5),
            evaluation(300, test_acc=0.5),
            evaluation(400, test_acc=0.375, train_acc=0.875, test_loss=2.5, train_eval_loss=0.25),
        ]
        assert measure_gap(history) == Gap(
            best_step=200, best_test_acc=0.5, final_test_acc=0.375, kept=12.5, acc_gap=50.0, loss_gap=2.25
        )

    def test_a_run_that_ends_at_its_best_has_lost_nothing(self) -> None:
        gap = measure_gap([evaluation(100, test_acc=0.25), evaluation(200, test_acc=0.5)])
        assert (gap.best_step, gap.kept) == (200, pytest.approx(0.0))
