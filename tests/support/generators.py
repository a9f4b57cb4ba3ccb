"""Generators that yield the share of their work that is done, and return its result."""

from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")


def exhaust(work: Generator[float, None, Result]) -> tuple[Result, list[float]]:
    """Return the result of such work, and the shares that it yielded."""
    shares = []
    while True:
        try:
            shares.append(next(work))
        except StopIteration as end:
            return end.value, shares
