"""What so many test images can tell, against the spread of accuracies that are drawn."""

import numpy as np
import pytest
from scipy import stats

from mlpcore.analysis.statistics import PairedTest, adjust_holm, detectable_difference, paired_t_test, standard_error


def test_of_the_usual_ten_thousand_images_an_accuracy_is_off_by_half_a_percentage_point() -> None:
    assert (standard_error(10_000), standard_error(100)) == (0.005, 0.05)
    assert detectable_difference(10_000) == pytest.approx(0.01414, abs=1e-5)
    assert detectable_difference(5_000) == pytest.approx(0.02, abs=1e-12)
    assert detectable_difference(0) == detectable_difference(1)


@pytest.mark.parametrize("images", [100, 1_000, 10_000])
def test_equal_networks_differ_by_as_much_once_in_twenty_times(images: int) -> None:
    first, second = np.random.default_rng(0).binomial(images, 0.5, (2, 20_000)) / images
    assert np.std(first) == pytest.approx(standard_error(images), rel=0.02)
    assert np.mean(np.abs(first - second) > detectable_difference(images)) == pytest.approx(0.05, abs=0.01)


def test_holms_correction_is_that_of_its_definition() -> None:
    def adjust(*p_values: float | None) -> list[float | None]:
        return adjust_holm([PairedTest(1.0, 1.0, p) for p in p_values])

    assert adjust(0.01, 0.04, 0.03, 0.005) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust(0.04, None) == [0.08, None]
    assert adjust(0.9, 0.6) == [1.0, 1.0]
    assert adjust(0.04) == [0.04]
    assert adjust() == []


def test_paired_t_test_is_scipys_and_has_no_p_without_spread() -> None:
    differences = [1.5, 0.5, 2.1]
    test = paired_t_test(differences)
    assert (test.mean, test.deviation) == (
        pytest.approx(np.mean(differences)),
        pytest.approx(np.std(differences, ddof=1)),
    )
    assert test.p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    assert paired_t_test([2.0, 2.0, 2.0]).p is None
