"""Which library computes a matrix product: by the rule that a run has recorded, and the size of the product."""

import pytest

from mlpcore.runs.kernel_rule import Kernel, KernelRule, recorded_rule

MKL, ONEDNN = KernelRule.MKL, KernelRule.ONEDNN


@pytest.mark.parametrize(
    ("rule", "shape", "kernel"),
    [
        (ONEDNN, (64, 3072, 128), "oneDNN"),
        (ONEDNN, (500, 3072, 128), "oneDNN"),
        (ONEDNN, (64, 128, 64), "MKL"),
        (ONEDNN, (64, 64, 10), "MKL"),
        (MKL, (500, 3072, 4096), "MKL"),
    ],
)
def test_it_is_chosen_by_the_size_of_one_networks_product(
    rule: KernelRule, shape: tuple[int, int, int], kernel: Kernel
) -> None:
    assert rule.choose_kernel(*shape) == kernel


def test_the_rule_of_a_run_is_the_recorded_one_and_mkl_where_none_was_recorded_yet() -> None:
    assert recorded_rule({"kernels": "oneDNN from 4 million"}) is ONEDNN
    assert recorded_rule({"kernels": "MKL"}) is MKL
    assert recorded_rule({"torch": "2.13.0"}) is MKL
    assert recorded_rule({"kernels": "of a later version"}) is None
