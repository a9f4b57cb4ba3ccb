"""The Korean catalogue is complete and keeps values and marks; texts are translated when they are shown."""

import ast
import re
from string import Formatter

from tests.support import translation
from tests.support.paths import ROOT
from tests.support.recipes import RECIPE_MODELS

PAGES = ROOT / "pages"
TEXTS = [message for message in translation.read_catalogue("ko") if message.id]
HELP = {field.description for kind in RECIPE_MODELS for field in kind.model_fields.values() if field.description}
# where the library's sentences stand; a figure keeps its own texts
WORDING = re.compile(r"mlpcore/(charts/[\w/]+|\w+/messages|analysis/(?:\w+/)?\w*wording)\.py")


def find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None
    return found[0]


def frame(text: str) -> tuple[set[tuple[str, str | None, str | None]], list[int], str, str]:
    """What a translation must keep: the values and how each is written, markdown's marks, and what words stand in."""
    values = {(name, spec, how) for _text, name, spec, how in Formatter().parse(text) if name is not None}
    marks = [text.count(mark) for mark in ("**", "`", "$", ":orange[", "\n")]
    return values, marks, find(r"^[\s#,]*", text), find(r"\s*$", text)


class TestCatalogue:
    def test_every_text_of_the_code_is_in_it_translated_and_no_other(self) -> None:
        said = {message.id for message in translation.find_texts() if message.id}
        kept = {message.id for message in TEXTS}
        assert (said - kept, kept - said) == (set(), set())
        assert [message.id for message in TEXTS if not all(text for _id, text in translation.strings(message))] == []
        assert [message.id for message in TEXTS if message.fuzzy] == []

    def test_texts_that_are_translated_later_are_collected(self) -> None:
        from mlpcore.recipes.presets import COMPARISONS

        said = {message.id for message in translation.find_texts()}
        assert (set(COMPARISONS) | HELP) - said == set()
        assert {"Unpacking {dataset}.", "Set T_max to {value:,}", ("{n:,} image", "{n:,} images")} <= said

    def test_sentences_of_the_library_stand_in_its_packages_messages(self) -> None:
        sentences = [text for text in translation.find_texts() if str(text.id).endswith(".") and text.id not in HELP]
        files = {file for text in sentences for file, _line in text.locations if file.startswith("mlpcore/")}
        assert "mlpcore/recipes/messages.py" in files
        assert [file for file in files if not WORDING.fullmatch(file)] == []

    def test_a_translation_takes_the_same_values_and_marks(self) -> None:
        assert [
            korean for message in TEXTS for text, korean in translation.strings(message) if frame(korean) != frame(text)
        ] == []
        for text, wrong in (("{n:,} s", "{n} s"), ("**a**", "*a*"), ("{n}", "{m}"), (", a", "a"), ("`a`", "a")):
            assert frame(text) != frame(wrong)

    def test_its_header_is_a_glossary(self) -> None:
        header = translation.read_catalogue("ko").header_comment
        for words in ("learning rate 학습률", "overfitting 과적합", "cross-entropy 교차 엔트로피"):
            assert words in header

    def test_an_update_leaves_a_finished_catalogue_as_it_is(self) -> None:
        updated = translation.update(translation.read_catalogue("ko"))
        file = PAGES / "locale" / "ko" / "LC_MESSAGES" / "messages.po"
        assert translation.write_catalogue("ko", updated) == file.read_bytes()


SPEAKING = ("_", "_n", "say", "keep_language")


def find_spoken(node: ast.AST, *, at_import: bool = False) -> list[int]:
    """The lines that translate something; at_import: only those that run when the module is imported."""
    lines = [node.lineno] if isinstance(node, ast.Call) and getattr(node.func, "id", "") in SPEAKING else []
    parts = list(ast.iter_child_nodes(node))
    if at_import and isinstance(node, ast.FunctionDef | ast.Lambda):
        parts = [*node.args.defaults, *filter(None, node.args.kw_defaults), *getattr(node, "decorator_list", [])]
    return lines + [line for part in parts for line in find_spoken(part, at_import=at_import)]


class TestMarking:
    """A text is translated when it is shown: never while a module is imported, never in what visitors share."""

    def test_no_component_translates_while_it_is_imported(self) -> None:
        for file in (PAGES / "components").rglob("*.py"):
            assert find_spoken(ast.parse(file.read_text(encoding="utf-8")), at_import=True) == [], file.name
        frozen = "A = _('x')\nclass B:\n    c = [say(d)]\ndef e(f=_('x')):\n    return _('x')"
        assert find_spoken(ast.parse(frozen), at_import=True) == [1, 3, 4]

    def test_what_is_cached_holds_no_translated_text(self) -> None:
        cached = []
        for file in PAGES.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.FunctionDef):
                    continue
                if "get_cache().get(" in ast.unparse(node) or "cache" in "".join(map(ast.unparse, node.decorator_list)):
                    cached.append(node)
        assert len(cached) > 10
        assert [node.name for node in cached if find_spoken(node)] == []
