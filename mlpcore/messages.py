"""A sentence for a person, kept apart from its numbers so that a page can translate it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Sentence:
    """An English template and the values that go into it; `str()` gives the English sentence."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template.format(**self.values)

    @classmethod
    def of_text(cls, text: str) -> "Sentence | None":
        """Make a sentence of one that was kept whole, as older versions did; None of none."""
        return cls(text.replace("{", "{{").replace("}", "}}")) if text else None


def N_(text: str) -> str:
    """Mark a text that stands apart from where it is shown, and is translated there."""
    return text


class SentenceError(ValueError):
    """Something that cannot be done, in a sentence that a person may read as it is."""

    def __init__(self, template: str, /, **values: Any) -> None:
        self.sentence = Sentence(template, values)
        super().__init__(str(self.sentence))


def write_sentence(sentence: Sentence | None) -> str:
    """Write a sentence as JSON, "" for none; a value that is neither a text nor a number goes into the template."""
    if sentence is None:
        return ""
    if not all(_is_plain(value) for value in sentence.values.values()):
        return write_sentence(Sentence.of_text(str(sentence)))
    return json.dumps({"template": sentence.template, "values": dict(sentence.values)})


def read_sentence(text: str) -> Sentence | None:
    """Read what `write_sentence` wrote. Raises ValueError or TypeError where it is something else."""
    return Sentence(**json.loads(text)) if text else None


def _is_plain(value: Any) -> bool:
    return type(value) in (str, int) or (type(value) is float and math.isfinite(value))
