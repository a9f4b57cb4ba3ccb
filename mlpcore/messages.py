"""Sentences for people: a template and its values, so that a page can translate the one and keep the other."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Sentence:
    """An English template and its values; `str()` gives the English sentence."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template.format(**self.values)

    @classmethod
    def of_text(cls, text: str) -> "Sentence | None":
        """Make a sentence from finished text, which older versions stored; None from an empty one."""
        return cls(text.replace("{", "{{").replace("}", "}}")) if text else None


def N_(text: str) -> str:
    """Mark a text for translation that is translated elsewhere, when it is shown."""
    return text


class SentenceError(ValueError):
    """An error whose message is a sentence for people.

    Args:
        template: the English text, with the names of its values in braces.
    """

    def __init__(self, template: str, /, **values: Any) -> None:
        self.sentence = Sentence(template, values)
        super().__init__(str(self.sentence))


def write_sentence(sentence: Sentence | None) -> str:
    """Write a sentence as JSON, "" for None; one with a value that JSON lacks becomes finished text."""
    if sentence is None:
        return ""
    if not all(_is_plain(value) for value in sentence.values.values()):
        return write_sentence(Sentence.of_text(str(sentence)))
    return json.dumps({"template": sentence.template, "values": dict(sentence.values)})


def read_sentence(text: str) -> Sentence | None:
    """Read what `write_sentence` wrote. Raises ValueError or TypeError for anything else."""
    return Sentence(**json.loads(text)) if text else None


def _is_plain(value: Any) -> bool:
    return type(value) in (str, int) or (type(value) is float and math.isfinite(value))
