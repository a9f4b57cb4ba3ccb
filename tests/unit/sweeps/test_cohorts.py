"""Into how many cohorts a sweep falls: as training divides it."""

from typing import Any

import pytest

from mlpcore.sweeps.cohorts import SHARED, count_cohorts, list_apart
from mlpcore.sweeps.samplers import BATCH, grid, sobol
from mlpcore.training.lockstep import cohort_key
from tests.support.sweeps import BASE, define

OTHER: dict[str, Any] = {"batch_size": 8, "hidden_sizes": (8,), "activation": "tanh", "train_size": 20}
OTHER |= {"precision": "bfloat16", "label_noise": 0.1, "dropout": 0.1, "train_iter": 40}


def test_what_keeps_trials_apart_is_what_training_needs_in_common():
    apart = {name for name, other in OTHER.items() if cohort_key(BASE.replace(**{name: other})) != cohort_key(BASE)}
    assert apart == set(SHARED)


@pytest.mark.parametrize("sampler", ["grid", "sobol"])
def test_cohorts_are_those_of_each_batch_and_seed(sampler):
    space = {"lr": {"points": 7}, "batch_size": [8, 16], "activation": ["relu", "tanh"]}
    definition = define(space=space, sampler=sampler, trials=24, seeds=2)
    points = grid(definition) if sampler == "grid" else sobol(definition)
    expected = 0
    for start in range(0, len(points), BATCH):
        expected += 2 * len({cohort_key(definition.build_recipe(one, 0)) for one in points[start : start + BATCH]})
    assert count_cohorts(definition) == expected
    assert list_apart(definition) == ["batch_size", "activation"]


@pytest.mark.parametrize(
    ("space", "cohorts"),
    [({"lr": [0.1, 0.2]}, 2), ({"batch_size": [8, 16]}, 4), ({"batch_size": {"low": 1, "high": 64}}, 16 + 4)],
)
def test_where_tpe_draws_it_is_the_most_that_there_can_be(space, cohorts):
    assert count_cohorts(define(space=space, sampler="tpe", trials=20)) == cohorts
