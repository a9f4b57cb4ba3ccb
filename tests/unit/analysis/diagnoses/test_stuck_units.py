"""Diagnoses of units that hardly pass any gradient."""

import math
from dataclasses import replace

import pytest

from mlpcore.analysis.diagnoses.wording import describe_finding, describe_rule, describe_suggestion
from mlpcore.runs.records import Run
from tests.support.histories import FLAT, KINDS, healthy, history, only, run, told
from tests.support.present import present


def with_stuck(one: Run, *shares: tuple[float, ...], first: tuple[float, ...] = (0.0, 0.0)) -> Run:
    """A run whose last evaluations measured these shares of stuck units, and the earlier ones `first`."""
    earlier = [first] * (len(one.evaluations) - len(shares))
    measured = zip(one.evaluations, [*earlier, *shares], strict=True)
    return replace(one, evaluations=tuple(replace(each, stuck_units=own) for each, own in measured))


class TestStuckUnits:
    def test_a_layer_with_mostly_dead_units_is_named_with_the_step_since_which_they_are_dead(self) -> None:
        diagnosis = only(with_stuck(run(history(healthy)), (0.1, 0.9), (0.1, 0.4), (0.6, 0.8), (0.2, 0.92)))
        assert (diagnosis.kind, diagnosis.step) == (KINDS.DEAD, 2900)
        finding = str(describe_finding(diagnosis))
        assert finding.startswith("92% of the units in layer 2 have been dead since step 2,900: they answer 0")
        assert "more than 50% of this hidden layer's units have answered 0" in str(describe_rule(diagnosis))
        assert (present(diagnosis.suggestion).optimizer.lr, str(describe_suggestion(diagnosis))) == (
            0.001, "Set lr to 0.001",
        )  # fmt: skip

    @pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
    def test_units_of_sigmoid_and_tanh_are_saturated_instead(self, activation: str) -> None:
        recipe = FLAT.model_copy(update={"activation": activation})
        diagnosis = only(with_stuck(run(history(healthy), recipe), first=(0.75, 0.75)))
        assert (diagnosis.kind, diagnosis.step) == (KINDS.SATURATED, 100)
        finding = str(describe_finding(diagnosis))
        assert finding.startswith("75% of the units in layer 1 have been saturated since step 100: to nearly")
        assert "a slope below 5% of the steepest on at least 95% of the" in str(describe_rule(diagnosis))

    def test_half_of_a_layer_is_no_reason_to_warn(self) -> None:
        assert only(with_stuck(run(history(healthy)), first=(0.5, 0.5))).kind is KINDS.HEALTHY

    def test_they_stand_for_the_loss_that_is_stuck_because_of_them(self) -> None:
        stuck = history(lambda step: math.log(10) + 0.005 * math.sin(step))
        assert told(with_stuck(run(stuck), first=(0.0, 1.0))) == [(KINDS.DEAD, 100)]
