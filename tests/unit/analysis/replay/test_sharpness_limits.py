"""Above the limit, torch's own SGD overshoots more and more on a parabola; below it, it converges."""

import pytest
import torch

from mlpcore.analysis.replay.moments import choose_moments
from mlpcore.analysis.replay.sharpness import find_limits, is_full_batch
from mlpcore.recipes.recipe import SGD, Adam, Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus


def make_run(optimizer: SGD, *rates: float, **knobs: object) -> Run:
    recipe = Recipe(optimizer=optimizer, dropout=0.0, train_iter=1000, eval_every=10).replace(**knobs)
    evaluations = tuple(
        Evaluation(10 * (place + 1), 1.0, 1.0, 0.5, 1.0, 0.5, lr=rate, seconds=1.0) for place, rate in enumerate(rates)
    )
    return Run("a", "a", recipe, RunStatus.FINISHED, 0.0, evaluations=evaluations)


def descend(optimizer: SGD, curvature: float) -> float:
    """Where 2,000 steps of torch's SGD lead on curvature · x² / 2 from x = 1."""
    x = torch.ones(1, dtype=torch.float64, requires_grad=True)
    descent = torch.optim.SGD([x], **optimizer.model_dump(exclude={"name"}))
    for _ in range(2000):
        x.grad = curvature * x.detach()
        descent.step()
    return abs(x.item())


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(lr=0.1, momentum=0.0, nesterov=False, weight_decay=0.0),
        SGD(lr=0.02, momentum=0.9, nesterov=False, weight_decay=0.0),
        SGD(lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.0),
        SGD(lr=0.1, momentum=0.0, nesterov=False, weight_decay=0.5),
    ],
)
def test_torchs_sgd_converges_below_the_limit_and_leaves_above_it(optimizer: SGD) -> None:
    (limit,) = find_limits(make_run(optimizer, optimizer.lr))
    assert descend(optimizer, 0.99 * limit) < 1e-3
    assert descend(optimizer, 1.01 * limit) > 1e3


def test_plain_descent_has_two_over_lr() -> None:
    plain = SGD(lr=0.1, momentum=0.0, nesterov=False, weight_decay=0.0)
    assert find_limits(make_run(plain, 0.1, 0.05)) == pytest.approx([20, 40])


def test_changes_count_from_the_step_after_them() -> None:
    plain = SGD(lr=0.1, momentum=0.0, nesterov=False, weight_decay=0.0)
    changes = [{"step": 10, "momentum": 0.5, "lr": 0.2}]
    assert find_limits(make_run(plain, 0.1, 0.2, changes=changes)) == pytest.approx([20, 15])


@pytest.mark.parametrize(
    ("knobs", "is_one"),
    [
        ({}, True),
        ({"batch_size": 99}, False),
        ({"dropout": 0.5}, False),
        ({"optimizer": Adam()}, False),
        ({"precision": "bfloat16"}, False),
    ],
)
def test_full_batch_descent_has_one_loss_and_one_step(knobs: dict[str, object], is_one: bool) -> None:
    recipe = Recipe(train_size=100, batch_size=100, dropout=0.0)
    assert is_full_batch(recipe.replace(**knobs), 100) is is_one


def test_moments_are_spread_evenly_with_both_ends() -> None:
    assert choose_moments(range(10, 110, 10), 4) == [10, 40, 70, 100]
    assert choose_moments([10, 20], 4) == [10, 20]
