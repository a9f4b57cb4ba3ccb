"""Diagnoses of an optimizer that reads its rate once: none of a later rate, which it does not use."""

from mlpcore.recipes.optimizers import Rprop
from tests.support.histories import FLAT, KINDS, flat_from, history, only, run, told

RPROP = FLAT.replace(optimizer=Rprop(), train_size=64)


def test_a_rate_that_drops_is_no_news_to_it() -> None:
    dropped = history(lambda step: 0.5 + 2.0 / (1 + step / 300), rate=lambda step: 0.1 if step <= 1000 else 0.01)
    assert (KINDS.DROP, 1000) in told(run(dropped))
    assert KINDS.DROP not in dict(told(run(dropped, RPROP)))


def test_no_later_drop_is_suggested_at_its_plateau() -> None:
    assert only(run(history(flat_from(1500)))).suggestion is not None
    plateau = only(run(history(flat_from(1500)), RPROP))
    assert (plateau.kind, plateau.step, plateau.suggestion) == (KINDS.PLATEAU, 1500, None)
