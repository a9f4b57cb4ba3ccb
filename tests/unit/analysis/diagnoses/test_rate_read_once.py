"""Diagnoses of an optimizer that reads its rate once: none of a later rate, which it does not use."""

import math

import pytest

from mlpcore.analysis.diagnoses.wording import describe_finding
from mlpcore.recipes.optimizers import Rprop
from tests.support.histories import FLAT, KINDS, Curve, flat_from, history, only, run, told

RPROP = FLAT.replace(optimizer=Rprop(), train_size=64)


def test_a_rate_that_drops_is_no_news_to_it() -> None:
    dropped = history(lambda step: 0.5 + 2.0 / (1 + step / 300), rate=lambda step: 0.1 if step <= 1000 else 0.01)
    assert (KINDS.DROP, 1000) in told(run(dropped))
    assert KINDS.DROP not in dict(told(run(dropped, RPROP)))


def test_no_later_drop_is_suggested_at_its_plateau() -> None:
    assert only(run(history(flat_from(1500)))).suggestion is not None
    plateau = only(run(history(flat_from(1500)), RPROP))
    assert (plateau.kind, plateau.step, plateau.suggestion) == (KINDS.PLATEAU, 1500, None)


@pytest.mark.parametrize(
    ("curve", "advice"),
    [
        (lambda step: 1.2 if step % 200 else 0.8, "Lower their upper limit, the second number of step_sizes."),
        (
            lambda step: 2.36 + 0.04 * math.sin(step),
            "try other limits for them (step_sizes), or another first step size (lr).",
        ),
    ],
)
def test_advice_on_a_rate_is_about_its_step_sizes(curve: Curve, advice: str) -> None:
    diagnosis = only(run(history(curve), RPROP))
    assert (diagnosis.kind, diagnosis.suggestion) == (KINDS.TOO_HIGH, None)
    assert str(describe_finding(diagnosis)).endswith(advice)


def test_no_higher_rate_is_advised_where_step_sizes_grow_by_themselves() -> None:
    falling = history(lambda step: 2.3 - step / 2500)
    assert only(run(falling)).kind == KINDS.TOO_LOW
    assert only(run(falling, RPROP)).kind == KINDS.HEALTHY
