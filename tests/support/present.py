"""Values that may be missing in general, and must be there in a test."""

from typing import TypeVar

Value = TypeVar("Value")


def present(value: Value | None) -> Value:
    """Return a value, which must not be None."""
    assert value is not None
    return value
