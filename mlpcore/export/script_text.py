"""The pieces that an exported script is put together from."""

from collections.abc import Callable
from dataclasses import dataclass
from string import Template
from textwrap import wrap
from unicodedata import east_asian_width

WIDTH = 110  # columns of a comment

Translate = Callable[[str], str]


@dataclass(frozen=True)
class Cell:
    """A part of the script under a title of its own, which ends with a line break."""

    title: str
    code: str


def fill(template: str, **values: object) -> str:
    """Put values in the place of $names."""
    return Template(template).substitute(values)


def note(sentence: str, indent: int = 0) -> str:
    """Write a sentence as a comment; lines after the first are indented, the first stands where it is put."""
    wide = sum(east_asian_width(letter) in "FW" for letter in sentence)  # each takes two columns
    width = (WIDTH - indent) * len(sentence) // (len(sentence) + wide)
    return f"\n{' ' * indent}".join(f"# {line}" for line in wrap(sentence, width, break_long_words=False))


def quote(text: str) -> str:
    """Write a name, of letters, digits and the like, as Python code."""
    return f'"{text}"'
