"""What so many test images can tell, against the spread of accuracies that are drawn."""

import numpy as np
import pytest

from mlpcore.analysis.statistics import detectable_difference, standard_error


def test_of_the_usual_ten_thousand_images_an_accuracy_is_off_by_half_a_percentage_point() -> None:
    assert (standard_error(), standard_error(100)) == (0.005, 0.05)
    assert detectable_difference() == pytest.approx(0.01414, abs=1e-5)
    assert detectable_difference(5_000) == pytest.approx(0.02, abs=1e-12)
    assert detectable_difference(0) == detectable_difference(1)


@pytest.mark.parametrize("images", [100, 1_000, 10_000])
def test_equal_networks_differ_by_as_much_once_in_twenty_times(images: int) -> None:
    first, second = np.random.default_rng(0).binomial(images, 0.5, (2, 20_000)) / images
    assert np.std(first) == pytest.approx(standard_error(images), rel=0.02)
    assert np.mean(np.abs(first - second) > detectable_difference(images)) == pytest.approx(0.05, abs=0.01)
