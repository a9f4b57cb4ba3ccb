"""What the history of a run says."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlpcore.runs import Evaluation


@dataclass(frozen=True)
class Gap:
    """How far training and test are apart at the end, and what an earlier end would have kept.

    best_step: the first with the highest test accuracy; it is read off the test images, and so optimistic. Accuracies
    are between 0 and 1. kept: the points of test accuracy lost since then, 0 or more. acc_gap: train_acc over test_acc
    in points; loss_gap: test_loss over train_eval_loss in nats; both of the last evaluation, in eval mode.
    """

    best_step: int
    best_test_acc: float
    final_test_acc: float
    kept: float
    acc_gap: float
    loss_gap: float


def measure_gap(evaluations: Sequence[Evaluation]) -> Gap | None:
    """Measure the gap of a history and what stopping at its best step would have kept; None without evaluations."""
    if not evaluations:
        return None
    best, last = max(evaluations, key=lambda evaluation: evaluation.test_acc), evaluations[-1]
    return Gap(
        best_step=best.step,
        best_test_acc=best.test_acc,
        final_test_acc=last.test_acc,
        kept=100 * (best.test_acc - last.test_acc),
        acc_gap=100 * (last.train_acc - last.test_acc),
        loss_gap=last.test_loss - last.train_eval_loss,
    )
