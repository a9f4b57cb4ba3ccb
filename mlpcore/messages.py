"""A sentence for a person, kept apart from its numbers so that a page can translate it."""

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


class SentenceError(ValueError):
    """Something that cannot be done, in a sentence that a person may read as it is."""

    def __init__(self, template: str, /, **values: Any) -> None:
        self.sentence = Sentence(template, values)
        super().__init__(str(self.sentence))
