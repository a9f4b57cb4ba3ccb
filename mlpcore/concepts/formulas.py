"""Lines of a formula with its numbers, as LaTeX."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlpcore.numbers import latex_number


@dataclass(frozen=True)
class FormulaLine:
    """One line of a rule in LaTeX: `symbol` = `rule` = `numbers` = `value`."""

    symbol: str
    rule: str
    numbers: str
    value: float


def fill_line(symbol: str, rule: str, numbers: str, value: float, **named: float) -> FormulaLine:
    """Build a line whose `numbers` name their values: <m> in brackets where it needs them, <m!> always without."""
    filled = re.sub(r"<(\w+)(!?)>", lambda found: _write(named[found[1]], bare=bool(found[2])), numbers)
    return FormulaLine(symbol, rule, filled, value)


def write_lines(lines: Sequence[FormulaLine]) -> str:
    """Write the lines of one step as aligned LaTeX, the formula above its numbers."""
    rows = [
        rf"{line.symbol} &= {line.rule} \\ &= {line.numbers} \\ &= \mathbf{{{_write(line.value, bare=True)}}}"
        for line in lines
    ]
    return r"\begin{aligned}" + r" \\[0.6em] ".join(rows) + r"\end{aligned}"


def _write(value: float, *, bare: bool = False) -> str:
    """Write a number with five significant digits; put a negative one, or a power of ten, in brackets unless `bare`."""
    text = latex_number(value, 5)
    return text if bare or not (value < 0 or "10^" in text) else f"({text})"
