"""The example of a ReduceLROnPlateau: torch's rates, and the numbers that caused the first drop."""

from typing import Any

import pytest
import torch

from mlpcore.concepts.formulas import write_lines
from mlpcore.concepts.plateau import follow_example
from mlpcore.recipes.recipe import SGD, Recipe
from mlpcore.recipes.schedulers import ReduceLROnPlateau


def plan(**knobs: Any) -> Recipe:
    return Recipe(optimizer=SGD(lr=0.1), scheduler=ReduceLROnPlateau(**knobs), train_iter=100, eval_every=1)


@pytest.mark.parametrize("knobs", [{"patience": 5, "threshold": 0.01}, {"patience": 2, "threshold_mode": "abs"}])
def test_the_rates_are_those_of_torch_with_the_same_losses(knobs: dict[str, Any]) -> None:
    example = follow_example(plan(**knobs))
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **knobs)
    rates = []
    for loss in example.losses:
        rates.append(optimizer.param_groups[0]["lr"])
        scheduler.step(loss)
    assert example.rates == rates
    assert len(set(rates)) > 2
    assert rates[example.step - 1] > rates[example.step]  # item k is iteration k + 1


def test_the_first_drop_is_written_out() -> None:
    example = follow_example(plan(patience=5, threshold=0.01))
    bar, rate = example.lines
    assert example.waited == 6
    assert all(loss >= bar.value for loss in example.losses[example.step - 6 : example.step])
    assert bar.value == 0.99 * example.losses[example.step - 7]
    assert rate.value == pytest.approx(0.01)
    assert r"\max(0.1 \cdot 0.1,\ 0)" in write_lines([rate])


def test_a_run_that_is_too_short_has_no_drop() -> None:
    assert follow_example(plan(patience=100)).step == 0
