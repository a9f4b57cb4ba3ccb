"""Rates read off the losses of a learning-rate test, on curves whose shape is known."""

import math

import numpy as np
import pytest

from mlpcore.analysis.learning_rate.lr_test import LrTest
from mlpcore.analysis.learning_rate.lr_wording import describe_suggestion
from mlpcore.analysis.learning_rate.suggestions import LrSuggestion, Rule, round_rate, smooth_losses, suggest_rates

RATES = np.geomspace(1e-6, 10, 100)
DECADES = np.log10(RATES)


def valley(shift: float = 0.0) -> np.ndarray:
    """A loss of 2.3 that falls in a straight line from 1e-4 to 1e-1 (times 10^shift), by 1.2, and then rises."""
    places = DECADES - shift
    return np.interp(places, [-6, -4, -1, 0, 1], [2.3, 2.3, 1.1, 3.3, 3.3])


def noisy(curve: np.ndarray, seed: int, noise: float = 0.02) -> tuple[float, ...]:
    return tuple(curve + noise * np.random.default_rng(seed).normal(size=len(curve)))


def suggest(*losses: tuple[float, ...]) -> dict[Rule, LrSuggestion]:
    return {one.rule: one for one in suggest_rates(LrTest(tuple(RATES), losses))}


def decade(rate: float | None) -> float:
    assert rate is not None
    return math.log10(rate)


def test_minimum_rule_takes_a_tenth_of_the_lowest_losss_rate():
    found = suggest(*(noisy(valley(), seed) for seed in range(5)))[Rule.MINIMUM]
    assert decade(found.rate) == pytest.approx(-2, abs=0.2)


def test_valley_rule_takes_two_thirds_of_the_longest_fall():
    found = suggest(*(noisy(valley(), seed, noise=0.005) for seed in range(5)))[Rule.VALLEY]
    assert decade(found.rate) == pytest.approx(-2, abs=0.4)  # from -4 to -1; the window widens it


@pytest.mark.parametrize(
    ("decades", "losses", "place"),
    [
        ([-6, -4, -2, -1.7, -1.3, -1, 1], [2.3, 2.3, 1.3, 1.6, 1.2, 3.3, 3.3], -3.2),  # from -4 to -2
        ([-6, -5.5, -4, -1, 0, 1], [2.3, 2.2, 2.4, 1.1, 3.3, 3.3], -2.0),  # from -4 to -1
    ],
    ids=["a later one", "an earlier one"],
)
def test_valley_rule_prefers_the_longest_fall_to(decades, losses, place):
    found = suggest(tuple(np.interp(DECADES, decades, losses)))[Rule.VALLEY]
    assert decade(found.rate) == pytest.approx(place, abs=0.3)  # the window widens it


def test_steepest_rule_takes_the_rate_where_the_loss_falls_fastest():
    curve = np.interp(DECADES, [-6, -4, -2.5, -2, -1, 0, 1], [2.3, 2.3, 2.2, 1.4, 1.3, 3.3, 3.3])
    found = suggest(*(noisy(curve, seed) for seed in range(5)))[Rule.STEEPEST]
    assert decade(found.rate) == pytest.approx(-2.25, abs=0.2)


def test_rate_is_the_median_of_the_seeds_and_the_spread_goes_from_the_lowest_to_the_highest():
    found = suggest(*(noisy(valley(shift), 0, noise=0.0) for shift in (-1.0, -0.5, 0.0, 0.2, 0.4)))[Rule.MINIMUM]
    assert decade(found.rate) == pytest.approx(-2, abs=0.2)
    assert decade(found.found[0]) == pytest.approx(-3, abs=0.3)
    assert decade(found.found[-1]) == pytest.approx(-1.6, abs=0.3)


@pytest.mark.parametrize("curve", [np.full(100, 2.3), np.linspace(2.3, 4.0, 100)], ids=["flat", "rising"])
def test_no_rule_finds_a_rate_where_the_loss_does_not_fall(curve):
    for found in suggest(*(noisy(curve, seed) for seed in range(5))).values():
        assert found.rate is None
        assert found.rounded is None
        assert str(describe_suggestion(found)) == (
            "No rate found: the loss falls clearly with 0 of 5 seeds. A larger batch size makes smaller falls visible."
        )


@pytest.mark.parametrize(("fall", "counts"), [(0.28, False), (0.35, True)])
def test_a_fall_counts_from_one_and_a_half_times_the_noise_of_a_mini_batch_on(fall: float, counts: bool) -> None:
    # neighbours that differ by 0.2 are as far apart as those of normal noise of 0.2 / (0.6745 √2) = 0.21
    zigzag = np.where(np.arange(100) % 2, 0.1, -0.1)
    curve = np.interp(DECADES, [-6, -4, -1, 1], [2.3, 2.3, 2.3 - fall, 2.3 - fall]) + zigzag
    assert (suggest(tuple(curve))[Rule.MINIMUM].rate is not None) is counts


def test_a_seed_that_finds_nothing_is_counted_and_half_of_them_are_too_many():
    falls, flat = noisy(valley(), 0), noisy(np.full(100, 2.3), 1)
    found = suggest(falls, falls, flat, flat, falls)[Rule.VALLEY]
    assert found.by_seed.count(None) == 2
    assert "with 3 of 5 seeds, nothing with the others" in str(describe_suggestion(found))
    assert suggest(falls, falls, flat, flat)[Rule.VALLEY].rate is None


@pytest.mark.parametrize("length", [0, 1, 5, 12])
def test_a_seed_that_exploded_at_once_finds_nothing(length):
    for found in suggest(tuple([2.3] * length)).values():
        assert found.by_seed == (None,)


def test_an_explosion_does_not_reach_back_through_the_window():
    curve = valley()
    exploded = (*curve[:75].tolist(), 1e20)
    assert smooth_losses(exploded)[:60] == pytest.approx(smooth_losses(curve.tolist())[:60], abs=0.01)
    assert max(smooth_losses(exploded)) < 2 * 2.3


def test_smoothing_shifts_nothing():
    line = np.linspace(3.0, 1.0, 100)
    assert smooth_losses(tuple(line))[15:85] == pytest.approx(line[15:85])


@pytest.mark.parametrize(
    ("rate", "rounded"),
    [(0.0198, 0.02), (0.0123, 0.01), (0.0144, 0.02), (0.061, 0.07), (8.5, 10), (0.00038, 3e-4), (1e-9, 1e-6)],
)
def test_rates_are_rounded_to_the_sliders_steps(rate, rounded):
    assert round_rate(rate) == rounded


def test_sentence_names_the_rate_and_the_spread():
    found = LrSuggestion(Rule.VALLEY, (0.01, 0.0198, 0.03, 0.02, 0.05))
    assert str(describe_suggestion(found)) == "0.02; from 0.01 to 0.05 over 5 seeds."
