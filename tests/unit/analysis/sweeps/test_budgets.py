"""Equal budgets: how soon a recipe reaches a target, and its performance profile."""

import math

import pytest

from mlpcore.analysis.sweeps.budgets import MISSED, draw_profile, score_recipe, score_study


@pytest.mark.parametrize(("steps", "score"), [((300, 100, None, 200), 100), ((None,), math.inf), ((), math.inf)])
def test_a_study_counts_by_its_fastest_trial(steps, score):
    assert score_study(steps) == score


@pytest.mark.parametrize(
    ("studies", "score"),
    [
        ([(300, 100), (None, 200), (400,)], 200),
        ([(100,), (None,), (300,)], 300),
        ([(100,), (300,)], 200),
        ([(100,), (None,)], math.inf),
    ],
)
def test_a_recipe_counts_by_the_median_of_its_studies(studies, score):
    assert score_recipe(studies) == score


class TestProfile:
    def test_it_rises_to_the_share_of_workloads_solved_within_a_factor_of_the_fastest(self):
        scores: dict[str, dict[str, float]] = {
            "SGD": {"Shapes": 200, "Moons": 100, "Spiral": 300},
            "Adam": {"Shapes": 100, "Moons": 100, "Spiral": MISSED},
        }
        assert draw_profile(scores) == {
            "SGD": [(1.0, 2 / 3), (2.0, 1.0)],
            "Adam": [(1.0, 2 / 3)],
        }

    def test_who_was_never_the_fastest_begins_at_nothing(self):
        scores: dict[str, dict[str, float]] = {
            "SGD": {"Shapes": 150, "Moons": 300},
            "Adam": {"Shapes": 100, "Moons": 100},
        }
        assert draw_profile(scores)["SGD"] == [(1.0, 0.0), (1.5, 0.5), (3.0, 1.0)]

    def test_who_solved_nothing_stays_there(self):
        scores: dict[str, dict[str, float]] = {"SGD": {"Shapes": MISSED}, "Adam": {"Shapes": 100}}
        assert draw_profile(scores) == {"SGD": [(1.0, 0.0)], "Adam": [(1.0, 1.0)]}

    def test_a_workload_that_a_recipe_was_not_given_counts_as_missed(self):
        assert draw_profile({"SGD": {"Shapes": 100}, "Adam": {"Moons": 100}})["SGD"] == [(1.0, 0.5)]
