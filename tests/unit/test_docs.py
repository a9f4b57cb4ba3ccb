"""The documents, held true: their commands, names, links and figures, and what the architecture says of the code."""

import ast
import importlib.util
import keyword
import re
import shlex
import tomllib
from functools import cache
from pathlib import Path

import pytest
import streamlit as st

import mlpcore
from mlpcore.cli import main as command_line
from tests.support.documents import (
    ARCHITECTURE,
    CONTRIBUTING,
    DOCUMENTS,
    TEXTS,
    blocks,
    is_command,
    run_script,
    spans,
    tables,
    without_blocks,
)
from tests.support.paths import ROOT

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
# of a user's machine and of a web server
ELSEWHERE = {
    "https://huggingface.co",
    "app_port: 8501",
    "~/.local/share",
    ".streamlit/secrets.toml",
    "location /playground/",
    "X-Forwarded-Proto",
}
COMMANDS = sorted(
    {
        part.strip()
        for text in TEXTS.values()
        for span in spans(text)
        if is_command(span)
        for part in span.split("&&")
        if "…" not in part and "<" not in part
    }
)


@cache
def code_names() -> set[str]:
    """Every name in the code, and every word of its strings but for docstrings."""
    names: set[str] = set()
    for file in [
        ROOT / "app.py",
        *(path for top in ("mlpcore", "pages", "tests") for path in (ROOT / top).rglob("*.py")),
    ]:
        if file == Path(__file__):
            continue
        names |= {*file.relative_to(ROOT).with_suffix("").parts}
        docstrings: set[int] = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for part in ("id", "attr", "arg", "name", "asname"):
                names |= set(re.findall(r"\w+", str(getattr(node, part, None) or "")))
            if isinstance(node, ast.Expr):
                docstrings.add(id(node.value))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                names |= set(re.findall(r"\w+", node.value))
    for name in ("pyproject.toml", ".streamlit/config.toml", ".ci/run", "requirements.txt", "tests/requirements.txt"):
        names |= set(re.findall(r"\w+", (ROOT / name).read_text(encoding="utf-8")))
    return names


@cache
def all_paths() -> set[str]:
    """Every file and folder of the project, as a path from its root."""
    tops = ("mlpcore", "pages", "tests", "docs", ".ci", ".streamlit")
    paths = [*ROOT.glob("*"), *(path for top in tops for path in [ROOT / top, *(ROOT / top).rglob("*")])]
    return {path.relative_to(ROOT).as_posix() for path in paths}


class TestEveryDocument:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_its_commands_are_understood(self, command: str) -> None:
        words = [word for word in shlex.split(command) if not re.fullmatch(r"[A-Z_]+=\S+", word)]
        if words[:3] == ["python", "-m", "mlpcore"]:
            given = [*words[3:], "data"] if len(words) == 3 else words[3:]
            if "-h" not in given:
                command_line._build_parser("mlpcore").parse_args(given)
        elif words[:2] == ["python", "-m"] and words[2] != "venv":
            spec = importlib.util.find_spec(words[2])
            assert spec is not None
            file = Path(spec.origin or "")
            source = (file.with_name("__main__.py") if file.stem == "__init__" else file).read_text(encoding="utf-8")
            assert [word for word in words[3:] if word.startswith("--") and f'"{word}"' not in source] == []
        elif words[0] == "streamlit" and len(words) > 2:
            assert (ROOT / words[2]).is_file()
            for option in [word for word in words[3:] if word.startswith("--")]:
                st.get_option(option.removeprefix("--"))  # raises for an option that Streamlit does not have
        elif words[0] in ("pytest", "pip"):
            files = [word for word in words[1:] if "/" in word or word.endswith(".txt")]
            assert [file for file in files if not (ROOT / file).exists()] == []

    @pytest.mark.parametrize("document", DOCUMENTS)
    def test_every_name_in_code_letters_exists(self, document: str) -> None:
        unknown = []
        for span in spans(TEXTS[document]):
            path = span.rstrip("/")
            if (
                is_command(span)
                or path in ELSEWHERE
                or any(known == path or known.endswith(f"/{path}") for known in all_paths())
            ):
                continue
            if span.startswith(("mlpcore/", "pages/", "tests/", "docs/")) and "<" not in span:
                unknown.append(span)
            unknown += [
                word
                for word in re.findall(r"[A-Za-z_]\w+", span)
                if word not in code_names() and not keyword.iskeyword(word)
            ]
        assert unknown == []

    @pytest.mark.parametrize("document", DOCUMENTS)
    def test_every_picture_and_every_file_it_links_is_there(self, document: str) -> None:
        targets = re.findall(r'(?:src|srcset)="([^"]+)"', TEXTS[document])
        targets += re.findall(r"\]\(([^)\s]+)\)", without_blocks(TEXTS[document]))
        for target in targets:
            name, _, anchor = target.partition("#")
            file = (ROOT / document).parent / name if name else ROOT / document
            if target.startswith("https://"):
                continue
            assert file.is_file(), target
            if anchor:
                headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]

    @pytest.mark.parametrize("document", DOCUMENTS)
    def test_it_names_no_private_place(self, document: str) -> None:
        assert re.findall(r"/(?:home|root|Users|work|tmp)/\w+", TEXTS[document]) == []

    def test_every_environment_variable_is_read_and_every_one_that_is_read_is_named(self) -> None:
        named = {name for text in TEXTS.values() for name in re.findall(r"\bMLPCORE_\w+", text)}
        files = [ROOT / "app.py", *(file for top in ("mlpcore", "tests") for file in (ROOT / top).rglob("*.py"))]
        code = "".join(file.read_text(encoding="utf-8") for file in files)
        assert named == set(re.findall(r'environ(?:\.get\(|\[)"(MLPCORE_\w+)"', code))

    @pytest.mark.parametrize("text", [block for text in TEXTS.values() for block in blocks(text, "python")])
    def test_its_scripts_are_python(self, text: str) -> None:
        compile(text, "document", "exec")


@pytest.mark.parametrize("document", ["docs/benchmarks.md", "docs/reliability.md"])
def test_every_row_of_figures_has_a_command_or_says_where_it_comes_from(document: str) -> None:
    found = list(tables(TEXTS[document]))
    assert len(found) >= 5
    for before, head, rows in found:
        column = next((place for place, name in enumerate(head) if name in ("command", "source")), None)
        if column is None:
            assert "come from" in before, head
            continue
        for row in rows:
            commands = [span for span in re.findall(r"`([^`]+)`", row[column]) if is_command(span)]
            assert commands or re.search(r"by hand|by clicks", row[column]), row


class TestArchitecture:
    def test_its_script_trains_a_run_in_the_background(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("MLPCORE_HOME", str(tmp_path / "runs"))
        monkeypatch.setenv("MLPCORE_DATA", str(tmp_path))
        (script,) = blocks(ARCHITECTURE, "python")
        run_script(script, tmp_path, {'"Shapes"': 1, "600": 1})
        status, accuracy = capsys.readouterr().out.split()
        assert status == "finished"
        assert 0 <= float(accuracy) <= 1

    def test_its_layers_are_those_of_the_contracts(self) -> None:
        (block,) = [text for text in blocks(ARCHITECTURE, "") if "app.py" in text]
        written: list[set[str]] = []
        for line in block.splitlines():
            first, *others = line.split()
            folder = first.rstrip("/").rpartition("/")[0]
            names = [first, *(f"{folder}/{other}" for other in others)]
            written.append({name.rstrip("/").removesuffix(".py").replace("/", ".") for name in names})
        (app, library) = [contract["layers"] for contract in CONTRACTS if contract["type"] == "layers"]
        layers = [set(layer.split(" | ")) for layer in [*app[:-1], *library]]
        assert written == [{"app"}, *layers]

    def test_the_packages_without_torch_are_those_of_the_contract(self) -> None:
        (found,) = [rows for _, head, rows in tables(ARCHITECTURE) if head[0] == "package"]
        without = {row[0].strip("`/").removesuffix(".py").replace("/", ".") for row in found if row[2] == "no"}
        (contract,) = [each for each in CONTRACTS if "without torch" in each["name"]]
        assert without == set(contract["source_modules"])

    def test_its_public_names_are_all_that_can_be_imported(self) -> None:
        (rows,) = [rows for _, head, rows in tables(ARCHITECTURE) if head[0] == "names"]
        assert sorted(re.findall(r"`(\w+)`", "".join(row[0] for row in rows))) == sorted(mlpcore.__all__)


def test_what_contributing_tells_to_add_to_is_there() -> None:
    files = [file for folder in ("mlpcore", "pages") for file in (ROOT / folder).rglob("*.py")]
    code = "".join(file.read_text(encoding="utf-8") for file in files)
    for name in ("AnyOptimizer", "AnyScheduler", "BARE_NAMES", "FUSED", "KNOBS", "LANGUAGES"):
        assert f"`{name}`" in CONTRIBUTING
        assert re.search(rf"^{name}(: .+)? = ", code, re.MULTILINE)
