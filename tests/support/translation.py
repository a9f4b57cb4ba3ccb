"""The texts in the code, and the catalogues that translate them.

`python -m tests.support.translation` updates every catalogue in pages/locale: it adds new texts, untranslated, and
removes texts that the code no longer has.
"""

import ast
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages import Catalog, Message, pofile

from tests.support.paths import ROOT

LOCALE = ROOT / "pages" / "locale"
# calls whose first argument is a text for people; N_ marks one that is translated later; _n takes singular and plural
SPEAKING = {"_", "N_", "translate", "Sentence", "SentenceError", "StoreError"}


def find_texts() -> Catalog:
    """Collect every text that the code marks as one for people, with the files that hold it."""
    catalog = Catalog(charset="utf-8")
    for folder in ("mlpcore", "pages"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            for text in _walk(tree):
                catalog.add(text, locations=[(str(file.relative_to(ROOT)), 0)])
    return catalog


def read_catalogue(language: str) -> Catalog:
    """Read the catalogue of a language from its file."""
    with _path(language).open("rb") as file:
        return pofile.read_po(file, locale=language)


def update(catalog: Catalog) -> Catalog:
    """Bring a catalogue up to date with the texts in the code."""
    catalog.update(find_texts(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    return catalog


def write_catalogue(language: str, catalog: Catalog) -> bytes:
    """Return the bytes of a catalogue; the file's header, with its glossary, stays as it is."""
    texts = BytesIO()
    header, _blank, _texts = _path(language).read_bytes().partition(b"\n\n")
    assert header.startswith(b"#"), "the file has lost its header: was it opened for writing before this call?"
    pofile.write_po(texts, catalog, width=120, sort_output=False, include_lineno=False, omit_header=True)
    return header + b"\n\n" + texts.getvalue()


def _path(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "messages.po"


def _walk(tree: ast.AST) -> Iterator[str | tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name == "_n":
                yield tuple(ast.literal_eval(form) for form in node.args[:2])
            if name in SPEAKING and node.args:
                yield from _texts(node.args[0])
            if name in ("Field", "younger"):
                yield from (text for word in node.keywords if word.arg == "description" for text in _texts(word.value))
        elif isinstance(node, ast.Assign):
            names = [getattr(target, "id", "") for target in node.targets]
            if any(name == "template" or name.endswith("_template") for name in names):
                yield from _texts(node.value)


def _texts(node: ast.expr) -> Iterator[str]:
    """Yield the texts that an expression may have as its value: a literal, or one of two."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)


def strings(message: Message) -> list[tuple[str, str]]:
    """Every form of a message beside its translation."""
    if isinstance(message.id, str):
        assert isinstance(message.string, str)
        return [(message.id, message.string)]
    assert isinstance(message.string, tuple)
    return [(form, message.string[0]) for form in message.id]


if __name__ == "__main__":
    for folder in sorted(LOCALE.iterdir()):
        texts = update(read_catalogue(folder.name))
        _path(folder.name).write_bytes(write_catalogue(folder.name, texts))
        missing = sum(not any(message.string or ()) for message in texts if message.id)
        print(f"{folder.name}: {len(texts)} texts, {missing} without a translation")
