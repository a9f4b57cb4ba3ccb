"""Sentences in the visitor's language."""

import re
from collections.abc import Callable

from mlpcore.messages import Sentence
from mlpcore.runs.records import RunStatus
from pages.components.shared.i18n import read_catalogue, read_language


def _(text: str) -> str:
    """Translate a text into the language of the visitor whose page is being drawn."""
    return read_catalogue(read_language()).gettext(text) if text else ""  # gettext keeps a catalogue's header under ""


def _n(singular: str, plural: str, count: int) -> str:
    """Translate a text that counts something, in the form that the visitor's language has for the count."""
    return read_catalogue(read_language()).ngettext(singular, plural, count)


def say(sentence: Sentence) -> str:
    """Translate a sentence and put its values in; a value that is a sentence is translated too."""
    values = {name: say(value) if isinstance(value, Sentence) else value for name, value in sentence.values.items()}
    return _(sentence.template).format(**values)


def keep_language() -> Callable[[str], str]:
    """Return the function that translates for this visitor, for work that goes on after the page is drawn."""
    return read_catalogue(read_language()).gettext


def as_markdown(text: str) -> str:
    """Escape a text so that markdown shows it unchanged: a data set may be called _x_, or www.a.example."""
    text = re.sub(r"(?i)www(?=\.)", "\\g<0>\u2060", text)  # U+2060 is invisible and stops the autolink
    return re.sub(r"([\\`*_\[\]<>#+|~$:!.\-])", r"\\\1", text)


def show_duration(seconds: float) -> str:
    """Write a time span: 0.8 s, 42 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 10:
        return _("{seconds:.1f} s").format(seconds=seconds)
    whole = round(seconds)
    if whole < 60:
        return _("{seconds} s").format(seconds=whole)
    if whole < 3600:
        return _("{minutes} min {seconds} s").format(minutes=whole // 60, seconds=whole % 60)
    return _("{hours} h {minutes} min").format(hours=whole // 3600, minutes=whole % 3600 // 60)


def status_word(status: RunStatus) -> str:
    """Translate a run's status."""
    return _(status.value)
