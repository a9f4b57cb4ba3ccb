"""The documents of the project, and what stands in them: blocks of code, commands, tables."""

import re
from collections.abc import Iterator
from pathlib import Path

import torch

from tests.support.image_folders import write_colours
from tests.support.paths import ROOT

DOCUMENTS = ["README.md", "README.ko.md", "CONTRIBUTING.md", "CHANGELOG.md"]
DOCUMENTS += sorted(str(file.relative_to(ROOT)) for file in (ROOT / "docs").glob("*.md"))
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS}
README, KOREAN, CONTRIBUTING = TEXTS["README.md"], TEXTS["README.ko.md"], TEXTS["CONTRIBUTING.md"]
ARCHITECTURE = TEXTS["docs/architecture.md"]
PROGRAMS: tuple[str, ...] = (
    "python",
    "pytest",
    "pip",
    "uv",
    "just",
    "mlp-playground",
    "streamlit",
    "ruff",
    "mypy",
    "lint-imports",
)
PROGRAMS += ("pre-commit", "source", "git", ".ci/run")


def blocks(text: str, language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for found, block in fenced if found == language]


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def spans(text: str) -> list[str]:
    """What stands in code letters within the text, and each indented line of commands."""
    text = without_blocks(text)
    return re.findall(r"`([^`]+)`", text) + re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE)


def is_command(span: str) -> bool:
    words = [word for word in span.split() if not re.fullmatch(r"[A-Z_]+=\S+", word)]
    return bool(words) and words[0] in PROGRAMS


def tables(text: str) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Each table with the paragraph before it: that paragraph, the head, the rows."""
    for before, table in re.findall(r"((?:^(?!\|).+\n)*)\n((?:^\|.*\n)+)", text, re.MULTILINE):
        head, _line, *rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
        yield before, head, rows


def run_script(script: str, home: Path, replaced: dict[str, int]) -> dict:
    """Run a script on small images of our own, for three iterations; replaced: texts and how often each occurs."""
    write_colours(home, train=40, test=40)
    for old, times in replaced.items():
        new = "3" if old.isdigit() else repr(str(home)) if "/" in old else '"colours"'
        assert script.count(old) == times
        script = script.replace(old, new)
    names: dict = {}
    with torch.random.fork_rng(devices=[]):
        exec(script, names)
    return names
