"""The best learning rate, the range around it that is nearly as good, and which row is best at its own."""

import math

import pytest

from mlpcore.analysis.comparison import ComparisonVerdict
from mlpcore.analysis.sweeps.edges import Edge
from mlpcore.analysis.sweeps.sensitivity import RateResult, find_good_rates, find_tolerance, find_winner
from mlpcore.analysis.sweeps.wording import describe_edge, describe_range, describe_winner
from tests.support.present import present

IMAGES = 5_000_000  # so many that 1 percentage point is what counts


def results(*accuracies: float | None) -> list[RateResult]:
    """One result at 0.001, 0.01, 0.1 and so on."""
    return [RateResult(10.0 ** (place - 3), (accuracy,), place) for place, accuracy in enumerate(accuracies)]


class TestGoodRates:
    def test_the_range_is_interpolated_on_the_log_axis(self):
        # 1 pp below 0.50 is 0.49: a tenth of the way to 0.40 on the left, a fifth of the way to 0.45 on the right
        good = find_good_rates(results(0.40, 0.50, 0.45), images=IMAGES)
        assert good is not None
        assert good.best.lr == 0.01
        assert good.low == pytest.approx(10**-2.1)
        assert good.high == pytest.approx(10**-1.8)
        assert good.decades == pytest.approx(0.3)
        assert (good.edges, good.best_edge) == ((), None)

    def test_a_range_that_reaches_the_end_of_the_grid_says_so(self):
        good = find_good_rates(results(0.30, 0.495, 0.50), images=IMAGES)
        assert good is not None
        assert (good.edges, good.best_edge, good.high) == ((Edge.HIGH,), Edge.HIGH, 0.1)
        # from 0.495 at 0.01 down to 0.30 at 0.001: 0.49 is 0.005 / 0.195 of a decade below 0.01
        assert good.decades == pytest.approx(1 + 0.005 / 0.195)

    def test_a_rate_that_diverged_is_as_good_as_an_accuracy_of_zero(self):
        good = find_good_rates(results(None, 0.50, None), images=IMAGES)
        assert good is not None
        assert good.decades == pytest.approx(2 * 0.01 / 0.50)
        assert find_good_rates(results(None, None), images=IMAGES) is None

    def test_a_range_ends_where_a_rate_in_between_is_worse(self):
        good = find_good_rates(results(0.50, 0.30, 0.50, 0.495, 0.30, 0.50), images=IMAGES)
        assert good is not None
        assert (good.best.lr, good.best.trial, good.edges, good.best_edge) == (0.001, 0, (Edge.LOW,), Edge.LOW)
        assert good.decades == pytest.approx(0.01 / 0.20)

    def test_the_best_of_one_rate_is_at_both_ends(self):
        good = find_good_rates(results(0.5), images=IMAGES)
        assert good is not None
        assert (good.low, good.high, good.edges, good.best_edge) == (0.001, 0.001, (Edge.LOW, Edge.HIGH), Edge.LOW)

    def test_a_rate_counts_by_the_mean_of_its_seeds_and_not_at_all_without_one_of_them(self):
        assert RateResult(0.1, (0.25, 0.75)).mean == 0.5
        assert RateResult(0.1, (0.25, None)).mean is None
        assert RateResult(0.1, ()).mean is None

    def test_two_standard_errors_count_where_images_are_few(self):
        assert [find_tolerance(images) for images in (IMAGES, 10_000)] == [0.01, 0.01]
        assert find_tolerance(400) == pytest.approx(2 * math.sqrt(0.25 / 400), rel=0.05)


class TestSentences:
    @pytest.mark.parametrize(
        ("accuracies", "sentence"),
        [
            (
                (0.40, 0.50, 0.45),
                "Adam: best at lr 0.01 (50.0%); within 1 percentage points of that from 0.0079 to 0.016, 0.3 decades.",
            ),
            (
                (0.30, 0.495, 0.50),
                "Adam: best at lr 0.1 (50.0%); within 1 percentage points of that from 0.0094 to 0.1, at least 1.0 "
                "decades: the range reaches the end of the grid.",
            ),
        ],
    )
    def test_a_range_is_said_with_its_best_its_ends_and_its_width(self, accuracies, sentence):
        good = present(find_good_rates(results(*accuracies), images=IMAGES))
        assert str(describe_range(good, label="Adam")) == sentence

    @pytest.mark.parametrize(
        ("accuracies", "sentence"),
        [
            ((0.4, 0.5, 0.4), "None"),
            ((0.5, 0.4, 0.4), "SGD: the best rate is the lowest one tried (0.001), so a lower one may be better."),
            ((0.4, 0.4, 0.5), "SGD: the best rate is the highest one tried (0.1), so a higher one may be better."),
        ],
    )
    def test_a_best_rate_at_the_edge_of_the_grid_is_said(self, accuracies, sentence):
        good = present(find_good_rates(results(*accuracies), images=IMAGES))
        assert str(describe_edge(good, label="SGD")) == sentence


def rising(first: float, *, by: float = 0.001) -> dict[int, float]:
    """Test accuracies of five seeds, which lie a little above each other."""
    return {seed: first + by * seed for seed in range(5)}


class TestWinner:
    def test_it_has_the_highest_mean_and_the_others_are_compared_with_it(self):
        winner = present(
            find_winner({"SGD": rising(0.40, by=0.002), "Adam": rising(0.50), "RMSprop": rising(0.45, by=0.002)})
        )
        assert (winner.label, winner.accuracy, winner.seeds) == ("Adam", pytest.approx(0.502), 5)
        assert {label: round(one.mean, 6) for label, one in winner.others.items()} == {"SGD": -9.8, "RMSprop": -4.8}
        assert {one.verdict for one in winner.others.values()} == {ComparisonVerdict.SIGNIFICANT}

    @pytest.mark.parametrize("rows", [{}, {"SGD": rising(0.4)}, {"SGD": rising(0.4), "Adam": {}}])
    def test_fewer_than_two_rows_have_none(self, rows):
        assert find_winner(rows) is None

    @pytest.mark.parametrize(
        ("others", "sentence"),
        [
            (
                {"SGD": rising(0.40, by=0.002)},
                "Each at its own best learning rate, Adam is significantly better than SGD: 50.2% on the test images "
                "over 5 fresh seeds (paired t-tests with Holm's correction).",
            ),
            (
                {"SGD": rising(0.502, by=-0.001)},
                "Each at its own best learning rate, Adam has the highest test accuracy (50.2%), but over 5 fresh "
                "seeds it is not significantly better than SGD (paired t-tests with Holm's correction).",
            ),
            (
                {"SGD": rising(0.40, by=0.002), "RMSprop": rising(0.502, by=-0.001)},
                "Each at its own best learning rate, Adam has the highest test accuracy (50.2%): over 5 fresh seeds "
                "significantly better than SGD, but not than RMSprop (paired t-tests with Holm's correction).",
            ),
        ],
    )
    def test_the_sentence_says_whom_it_is_ahead_of(self, others, sentence):
        assert str(describe_winner(present(find_winner({"Adam": rising(0.50)} | others)))) == sentence
