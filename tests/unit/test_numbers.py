"""Numbers as people read them."""

import pytest
from hypothesis import given, strategies as st

from mlpcore.numbers import exact_number, latex_number, round_tenths, short_number


@pytest.mark.parametrize(
    ("value", "exact", "short", "latex"),
    [
        (0.0, "0", "0", "0"),
        (0.01, "0.01", "0.01", "0.01"),
        (3e-4, "3e-4", "3e-4", r"3 \cdot 10^{-4}"),
        (1e-8, "1e-8", "1e-8", "10^{-8}"),
        (-1e-8, "-1e-8", "-1e-8", "-10^{-8}"),
        (-2.5e-5, "-2.5e-5", "-2.5e-5", r"-2.5 \cdot 10^{-5}"),
        (0.0123456, "0.0123456", "0.0123", "0.0123"),
        (10.0, "10", "10", "10"),
        (1234.5, "1234.5", "1230", "1230"),
        (1e6, "1e6", "1e6", "10^{6}"),
        (4096, "4,096", "4100", "4100"),
        (float("inf"), "inf", "inf", "inf"),
    ],
)
def test_number_takes_as_few_characters_as_it_needs(value: float, exact: str, short: str, latex: str):
    assert (exact_number(value), short_number(value), latex_number(value)) == (exact, short, latex)


@given(value=st.floats(allow_nan=False))
def test_exact_number_loses_nothing(value: float):
    assert float(exact_number(value)) == value


def test_digits_can_be_asked_for():
    assert (short_number(0.123456, 5), latex_number(1.23456e-7, 5)) == ("0.12346", r"1.2346 \cdot 10^{-7}")


@pytest.mark.parametrize(
    ("value", "tenths"),
    [(26.54 - 20.19, "+6.3"), (6.35, "+6.3"), (31.34 - 20.19, "+11.2"), (-0.04, "+0.0"), (-0.06, "-0.1")],
)
def test_differences_are_rounded_alike_and_never_to_minus_zero(value: float, tenths: str):
    assert f"{round_tenths(value):+.1f}" == tenths
