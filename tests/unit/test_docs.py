"""The documents, held true: their commands, names, links, figures and scripts."""

import ast
import importlib.util
import keyword
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import streamlit as st
import torch

import mlpcore
from mlpcore.cli import main as command_line
from mlpcore.cli.flags import read_recipe
from mlpcore.cli.main import main
from tests.support.image_folders import write_colours
from tests.support.paths import ROOT

DOCUMENTS = ["README.md", "README.ko.md", "CONTRIBUTING.md", "CHANGELOG.md"]
DOCUMENTS += sorted(str(file.relative_to(ROOT)) for file in (ROOT / "docs").glob("*.md"))
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS}
README, KOREAN, CONTRIBUTING = TEXTS["README.md"], TEXTS["README.ko.md"], TEXTS["CONTRIBUTING.md"]
ARCHITECTURE = TEXTS["docs/architecture.md"]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
TEST_COMMAND = "pip install -r tests/requirements.txt && pytest"
PROGRAMS = ("python", "pytest", "pip", "streamlit", "ruff", "mypy", "lint-imports", "source", "git", ".ci/run")
# of a user's machine and of a web server
ELSEWHERE = {"~/.local/share", ".streamlit/secrets.toml", "location /playground/", "X-Forwarded-Proto"}


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


def tables(text: str) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Each table with the paragraph before it: that paragraph, the head, the rows."""
    for before, table in re.findall(r"((?:^(?!\|).+\n)*)\n((?:^\|.*\n)+)", text, re.MULTILINE):
        head, _line, *rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
        yield before, head, rows


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
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for part in ("id", "attr", "arg", "name", "asname"):
                names |= set(re.findall(r"\w+", str(getattr(node, part, None) or "")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
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
                command_line._build_parser().parse_args(given)
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
        files = [file for folder in ("mlpcore", "tests") for file in (ROOT / folder).rglob("*.py")]
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
            assert re.search(r"come from|from the same benchmark", before), head
            continue
        for row in rows:
            commands = [span for span in re.findall(r"`([^`]+)`", row[column]) if is_command(span)]
            assert commands or re.search(r"by hand|by clicks", row[column]), row


class TestReadme:
    @pytest.mark.parametrize("text", [README, KOREAN])
    def test_it_has_at_most_180_lines(self, text: str) -> None:
        assert text.count("\n") <= 180

    def test_it_starts_and_tests_with_one_command_each(self) -> None:
        assert "\n    pip install -r requirements.txt && streamlit run app.py\n" in README
        assert f"\n    {TEST_COMMAND}\n" in README

    def test_continuous_integration_runs_the_same_test_command(self) -> None:
        assert (ROOT / ".ci/run").read_text(encoding="utf-8").split("\n")[-2] == TEST_COMMAND

    def test_it_names_the_folders_variables(self) -> None:
        assert set(re.findall(r"\bMLPCORE_\w+", README)) == {"MLPCORE_DATA", "MLPCORE_HOME"}

    def test_it_has_four_command_lines(self) -> None:
        assert len(re.findall(r"^    python -m mlpcore (.+)$", README, re.MULTILINE)) == 4

    def test_its_recipe_is_one(self, tmp_path: Path) -> None:
        (text,) = blocks(README, "json")
        (tmp_path / "recipe.json").write_text(text)
        recipe = read_recipe(str(tmp_path / "recipe.json"), {})
        assert (recipe.dataset, recipe.optimizer.name, recipe.train_iter) == ("Shapes", "Adam", 3000)

    def test_the_lectures_script_runs_from_top_to_bottom(self, tmp_path: Path) -> None:
        (script,) = [text for text in blocks(README, "python") if "RandomSampler" in text]
        names = run_script(script, tmp_path, {'"CIFAR10"': 1, '"./cifar10_data/"': 1, "3000": 1})
        assert names["scheduler"].last_epoch == 3

    def test_the_recipes_script_trains_both_recipes(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (script,) = [text for text in blocks(README, "python") if "train_cohort" in text]
        run_script(script, tmp_path, {'"Shapes"': 1, '"./data/"': 1, "600": 2})
        rates, *lines = capsys.readouterr().out.splitlines()
        assert rates == "[0.01, 0.01, 0.01]"
        assert [line.split()[:2] for line in lines] == [["SGD", "3"], ["Adam", "3"]]

    def test_the_exit_codes_are_as_it_says(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "2 for an error, explained in one\nsentence" in README
        assert main(["train", "--lr", "99"]) == 2
        assert capsys.readouterr().err.count("\n") == 1


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


class TestKorean:
    """README.ko.md says the same: its commands, its code, its links and its figures are README.md's."""

    @staticmethod
    def code(text: str) -> tuple[list[str], list[str]]:
        """Indented lines, which are commands, and fenced blocks."""
        fenced = re.findall(r"^```\w+\n.*?^```$", text, re.MULTILINE | re.DOTALL)
        return re.findall(r"^    .*$", without_blocks(text), re.MULTILINE), fenced

    @staticmethod
    def figures(text: str) -> list[list[str]]:
        """The numbers of each section, sorted: words stand in another order."""
        sections = without_blocks(text).split("\n## ")
        return [
            sorted(re.findall(r"\d[\d,.]*(?:e-\d+)?", section.replace(", ", " ").replace(". ", " ")))
            for section in sections
        ]

    def test_its_commands_and_code_are_the_same(self) -> None:
        commands, fenced = self.code(README)
        assert self.code(KOREAN) == (commands, fenced)
        assert (len(commands), len(fenced)) == (6, 3)

    def test_its_figures_are_the_same(self) -> None:
        figures = self.figures(README)
        assert sum(map(len, figures)) > 20
        assert self.figures(KOREAN) == figures

    def test_it_names_the_same_things_in_code_letters(self) -> None:
        assert sorted(re.findall(r"`([^`]+)`", without_blocks(KOREAN))) == sorted(
            re.findall(r"`([^`]+)`", without_blocks(README))
        )


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
    for name in ("OPTIMIZERS", "AnyOptimizer", "SCHEDULERS", "AnyScheduler", "FUSED", "LANGUAGES"):
        assert f"`{name}`" in CONTRIBUTING
        assert f"\n{name} = " in code
    for name in ("optimizer_form", "scheduler_form"):
        assert f"`{name}`" in CONTRIBUTING
        assert f"\ndef {name}(" in code
