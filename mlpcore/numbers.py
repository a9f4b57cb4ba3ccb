"""Write numbers for people: as few characters as they need, and one rule for when a power of ten is shorter."""

import math
from decimal import Decimal


def exact_number(value: float) -> str:
    """Write a number with all of its digits: 0.01, 3e-4, 2.5; a whole number with separators: 4,096."""
    if isinstance(value, int):
        return f"{value:,}"
    if value == 0 or 1e-3 <= abs(value) < 1e4 or not math.isfinite(value):
        return repr(float(value)).removesuffix(".0")
    return f"{Decimal(repr(float(value))).normalize():e}".replace("e+", "e")


def short_number(value: float, digits: int = 3) -> str:
    """Round a number to so many significant digits and write it: 0.01, 3e-4, 2.5, 1e6."""
    return exact_number(float(f"{value:.{digits}g}"))


def latex_number(value: float, digits: int = 3) -> str:
    r"""Write a rounded number as LaTeX: 0.01, 3 \cdot 10^{-4}, 10^{-8}."""
    number, _e, power = short_number(value, digits).partition("e")
    if not power:
        return number
    sign, factor = ("-" if value < 0 else "", number.removeprefix("-"))
    return sign + (rf"{factor} \cdot " if factor != "1" else "") + f"10^{{{power}}}"


def round_tenths(value: float) -> float:
    """Round to tenths, alike for values that differ only in their last bits, and to 0.0 instead of -0.0."""
    return round(round(value, 6), 1) + 0.0
