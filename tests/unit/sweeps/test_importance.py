"""What matters in a sweep: shares per optimizer, and the best that is to be expected of so many trials."""

import math
from typing import Any

import pytest

from mlpcore.sweeps.importance import expect_best, find_importances
from mlpcore.sweeps.samplers import sobol
from tests.support.sweeps import define, trial

LR: dict[str, Any] = {"low": 1e-4, "high": 1.0, "log": True}


def test_the_hyperparameter_that_decides_has_the_largest_share():
    definition = define(space={"lr": LR, "dropout": {"low": 0.0, "high": 0.5}}, sampler="sobol", trials=64)
    points = [(point, abs(math.log10(float(point["lr"])) + 2) / 4) for point in sobol(definition)]  # type: ignore[arg-type]
    trials = [trial(number, point, 1 - away) for number, (point, away) in enumerate(points)]
    (shares,) = find_importances(definition, trials).values()
    assert list(shares) == ["lr", "dropout"]
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["lr"] > 0.7


def test_each_optimizer_has_shares_of_what_only_it_has():
    space = {"optimizer": ["SGD", "Adam"], "lr": LR, "momentum": {"low": 0.1, "high": 0.9}}
    definition = define(space=space, sampler="sobol", trials=64)
    values = [(point, float(point.get("momentum", point["lr"]))) for point in sobol(definition)]  # type: ignore[arg-type]
    found = find_importances(definition, [trial(n, point, value) for n, (point, value) in enumerate(values)])
    assert {label: set(shares) for label, shares in found.items()} == {
        "": {"optimizer", "lr"},
        "SGD": {"lr", "momentum"},
        "Adam": {"lr"},
    }
    assert found["SGD"]["momentum"] > found["SGD"]["lr"]


def test_few_results_and_equal_ones_say_nothing():
    definition = define(space={"lr": LR}, sampler="sobol", trials=8)
    points = sobol(definition)
    assert find_importances(definition, [trial(n, points[n], n / 10) for n in range(4)]) == {}
    assert find_importances(definition, [trial(n, points[n], 0.5) for n in range(8)]) == {}


def test_the_expected_best_is_the_mean_of_the_highest_of_so_many_draws():
    accuracies = [0.1, 0.2, 0.3, 0.4, 0.5]
    found = expect_best(accuracies, 3)
    assert found is not None
    low, middle, high = found
    # the highest of n draws is at most the k-th of five with probability (k / 5) ** n
    expected = [sum(a * ((k / 5) ** n - ((k - 1) / 5) ** n) for k, a in enumerate(accuracies, 1)) for n in (1, 2, 3)]
    assert middle == pytest.approx(expected)
    assert all(one < two < three for one, two, three in zip(low, middle, high, strict=True))
    assert expect_best(accuracies[:4], 3) is None
