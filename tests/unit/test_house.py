"""House rules, checked on the code: layers of imports, types, sizes, what runs without torch, pinned versions."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FOLDERS = ("mlpcore", "pages", "tests", ".ci", ".streamlit")
OPTIONAL = ("requirements-postgresql.txt", "requirements-ray.txt")  # imported only where a variable asks for it
OURS = ("app.py", "mlpcore", "pages", "tests")


def imported(tree: ast.AST) -> set[str]:
    """Return the dotted names that a tree imports anywhere; `from a import b` gives a.b."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@cache
def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def packages(file: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(parse(file))}


def python_files(*folders: str) -> list[Path]:
    files = [
        file
        for folder in folders
        for file in ([ROOT / folder] if folder.endswith(".py") else sorted((ROOT / folder).rglob("*.py")))
    ]
    assert files, folders
    return files


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def run_tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program that was installed beside this Python."""
    return run(str(Path(sys.executable).with_name(name)), *arguments)


def run_code(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python that has imported nothing yet."""
    return run(sys.executable, "-c", code)


def modules(*folders: str) -> list[str]:
    """Return the dotted names of the modules in folders of the project."""
    files = [file.relative_to(ROOT).with_suffix("") for file in python_files(*folders)]
    only_run = ("__main__", "env", "ray_driver")  # by Python, by Alembic, and where Ray is installed
    return [".".join(file.parts).removesuffix(".__init__") for file in files if file.stem not in only_run]


def test_imports_keep_to_the_contracts_in_pyproject_toml():
    result = run_tool("lint-imports", "--no-cache")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.timeout(600)  # half a minute of computing where there is no cache yet
def test_types_are_as_they_say():
    result = run_tool("mypy", "--no-error-summary")
    assert result.returncode == 0, result.stdout + result.stderr


class TestSizes:
    FOLDERS = sorted({file.parent for file in python_files("mlpcore")})

    @pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
    def test_no_folder_of_the_library_has_more_than_15_modules(self, folder):
        assert len([file for file in folder.glob("*.py") if file.name != "__init__.py"]) <= 15

    def test_at_most_seven_files_stand_at_the_top_of_the_library(self):
        assert len(list((ROOT / "mlpcore").glob("*.py"))) <= 7

    def test_no_module_has_more_than_300_lines(self):
        lines = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in python_files(*OURS)}
        assert {str(file.relative_to(ROOT)): count for file, count in lines.items() if count > 300} == {}


@pytest.mark.parametrize(("missing", "folder"), [("torch", "pages/components"), ("streamlit", "mlpcore")])
def test_every_module_imports_without(missing, folder):
    code = f"import sys, importlib; sys.path.insert(0, '.'); sys.modules[{missing!r}] = None\n"
    result = run_code(code + f"for name in {modules(folder)}: importlib.import_module(name)")
    assert result.returncode == 0, result.stderr


def set_on_self(method: ast.FunctionDef) -> set[str]:
    """The attributes of self that a method assigns."""
    nodes = [node for node in ast.walk(method) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)]
    return {node.attr for node in nodes if isinstance(node.value, ast.Name) and node.value.id == "self"}


def test_objects_have_all_their_attributes_after_init():
    late = []
    for file in [ROOT / "app.py", *python_files("mlpcore", "pages")]:
        for kind in [node for node in ast.walk(parse(file)) if isinstance(node, ast.ClassDef)]:
            fields = {ast.unparse(node.target) for node in kind.body if isinstance(node, ast.AnnAssign)}
            methods = [node for node in kind.body if isinstance(node, ast.FunctionDef)]
            first = fields.union(*(set_on_self(method) for method in methods if method.name == "__init__"))
            late += [(file.name, kind.name, name) for method in methods for name in set_on_self(method) - first]
    assert late == []


def test_components_is_no_top_level_name():
    assert run_code("import components").returncode != 0
    assert [file for file in python_files("app.py", "pages", "tests") if "components" in packages(file)] == []


class TestPins:
    @staticmethod
    def pinned(file: str) -> dict[str, str]:
        lines = (ROOT / file).read_text(encoding="utf-8").split("\n")
        pins = [line.split("==") for line in lines if line and not line.startswith(("-r", "#"))]
        return {name.partition("[")[0].lower().replace("_", "-"): number for name, number in pins}

    @staticmethod
    def needed(files: list[Path]) -> set[str]:
        """Return the distributions that files import, by the names that they have in requirements."""
        distributions = packages_distributions()
        found = {name for file in files for package in packages(file) for name in distributions.get(package, ())}
        return {name.lower().replace("_", "-") for name in found}

    def test_every_package_the_program_imports_is_pinned(self):
        needed = self.needed([ROOT / "app.py", *python_files("mlpcore", "pages")])
        assert needed - {name for file in ("requirements.txt", *OPTIONAL) for name in self.pinned(file)} == set()

    def test_nothing_is_pinned_that_the_program_does_not_import(self):
        needed = self.needed([ROOT / "app.py", *python_files("mlpcore", "pages")])
        by_name = {"torchvision"}  # in torchvision_ops, which prepares it first
        assert self.pinned("requirements.txt").keys() - needed == by_name

    def test_the_lock_file_has_every_pin_and_a_hash_for_every_package(self):
        entries = re.findall(r"^([\w.-]+)==(\S+)(.*(?:\n    .*)*)", (ROOT / "requirements.lock").read_text(), re.M)
        locked = {name: number for name, number, _rest in entries}
        assert self.pinned("requirements.txt").items() <= locked.items()
        assert [name for name, _number, rest in entries if "--hash=sha256:" not in rest] == []

    def test_every_package_the_tests_import_is_pinned(self):
        assert (ROOT / "tests/requirements.txt").read_text().startswith("-r ../requirements.txt\n")
        files = ("requirements.txt", *OPTIONAL, "tests/requirements.txt")
        pins = {name for file in files for name in self.pinned(file)}
        benchmarks = python_files("tests/benchmarks")
        others = [file for file in python_files("tests") if file not in benchmarks]
        assert self.needed(others) - pins == set()
        assert self.needed(benchmarks) - pins - self.pinned("tests/benchmarks/requirements.txt").keys() == set()


class TestTexts:
    @staticmethod
    def texts() -> Iterator[tuple[Path, str]]:
        """Yield the project's own files; a clone may also hold an environment or data sets."""
        files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*")]
        for file in sorted([*ROOT.glob("*.*"), ROOT / "LICENSE", *files]):
            if file.is_file() and "__pycache__" not in file.parts and file.suffix not in (".png", ".woff2"):
                yield file, file.read_text(encoding="utf-8")

    def test_no_file_names_somebodys_home(self):
        home = re.compile(r"(/(home|root|Users)/|[A-Z]:\\\\?Users)\w")
        assert [file for file, text in self.texts() if home.search(text)] == []

    def test_nothing_is_left_to_do(self):
        mark = re.compile(r"\b(TO(?:DO)|FIX(?:ME)|XX(?:X))\b")
        assert [file for file, text in self.texts() if mark.search(text)] == []


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]])
def test_ruff_has_nothing_to_say(arguments):
    result = run_tool("ruff", *arguments, "--no-cache", ".")
    assert result.returncode == 0, result.stdout + result.stderr
