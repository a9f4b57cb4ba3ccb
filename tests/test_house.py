"""The map of the house, held against the code: who may import whom, what works without torch, what is pinned.

IMPORTS lists every module of mlpcore with the modules of the project that it imports. It is to be read from top to
bottom: a module imports only what stands above it, so nothing ever points back. A new import is a new entry here.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("mlpcore", "pages", "tests", ".ci", ".streamlit")

IMPORTS = {
    "": "",  # mlpcore/__init__.py loads the lecture's names when they are asked for
    "messages": "",
    "knobs": "messages",
    "recipe": "knobs messages",
    "problems": "messages recipe",
    "flags": "messages problems recipe",
    "links": "messages problems recipe",
    "runs": "messages recipe",
    "presets": "messages recipe",
    "sources": "",
    "catalog": "sources",
    "precision": "catalog",
    "remedies": "catalog messages precision recipe runs",
    "predictions": "messages",
    "turns": "",
    "comparison": "messages recipe runs",
    "lessons": "comparison links messages problems recipe",
    "updates": "recipe",
    "verdicts": "comparison messages precision recipe runs",
    "claims": "messages recipe runs verdicts",
    "export": "comparison messages problems recipe runs",
    # the disk
    "cache": "",
    "folders": "cache catalog messages",
    "shapes": "",
    "script_text": "",
    "script_data": "catalog folders recipe script_text shapes",
    "script_training": "catalog recipe script_text",
    "script": "messages problems recipe script_data script_text script_training",
    "presence": "",
    "archives": "sources",
    "stream": "",
    "transfer": "archives messages sources stream",
    "placing": "archives messages presence sources",
    "download": "archives messages placing sources transfer",
    "database": "messages",
    "migrations": "database",
    "rows": "messages recipe runs",
    "sights": "",
    "sight_files": "sights",
    "statements": "messages migrations rows runs",
    "store": "database messages migrations presence recipe rows runs sight_files statements",
    # figures
    "axes": "",
    "points": "",
    "sheets": "",
    "charts": "axes points recipe runs",
    "sight_charts": "axes charts",
    "compare_charts": "axes charts comparison points runs",
    "lab_charts": "axes charts compare_charts points runs",
    # what a history says
    "trends": "runs",
    "mends": "recipe",
    "insight": "axes catalog mends messages precision recipe runs trends",
    "race_charts": "axes charts compare_charts points",
    "claim_charts": "axes charts compare_charts comparison points runs",
    "activations": "",
    "walkthrough": "activations",
    "walkthrough_math": "walkthrough",
    "concept_charts": "activations axes charts points",
    # torch from here on
    "seeds": "",
    "losses": "",
    "loss_parts": "losses",
    "device": "messages",
    "repeats": "device runs",
    "torchvision_ops": "",
    "data": "archives cache catalog download folders messages placing seeds shapes sources torchvision_ops",
    "sampler": "messages seeds",
    "models": "recipe seeds",
    "network": "models",
    "fingerprints": "models recipe sampler seeds",
    "optimizers": "recipe",
    "races": "optimizers recipe",
    "schedules": "messages optimizers recipe",
    "training": "data models",
    "batches": "data recipe sampler seeds",
    "exhibits": "batches data recipe",
    "seeing": "sights",
    "trainee": "batches data optimizers recipe schedules seeds",
    "capture": "network",
    "measuring": "batches network seeing",
    "cohort": "batches capture measuring models network recipe runs seeds seeing sights trainee",
    "library": "batches catalog data",
    "members": "cohort library messages runs sights",
    "writer": "members messages runs store",
    "endings": "cohort messages runs",
    "rounds": "batches cohort device endings library members messages recipe runs turns",
    "manager": "catalog cohort device endings library members messages recipe repeats rounds runs sights store writer",
    "__main__": "catalog device download flags folders library manager messages problems recipe runs sources store",
}
WITHOUT_TORCH = [*list(IMPORTS)[: list(IMPORTS).index("seeds")], "__main__"]


def imported(tree: ast.AST) -> set[str]:
    """The dotted names that are imported anywhere below; `from a import b` gives a.b."""
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


def library_imports(tree: ast.AST) -> set[str]:
    """The modules of mlpcore that are imported, "" for the package itself."""
    parts = [name.split(".") for name in imported(tree) if name.split(".")[0] == "mlpcore"]
    return {part[1] if len(part) > 1 and part[1] in IMPORTS else "" for part in parts}


def packages(file: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(parse(file))}


def python_files(*folders: str) -> list[Path]:
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    assert files, folders
    return files


def at_import_time(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported: not those in functions, nor those for type checkers."""
    for node in tree.body:
        is_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if not is_typing and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def in_fresh_python(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


class TestDirection:
    def test_every_module_of_the_library_is_on_the_map(self):
        names = {file.stem for file in python_files("mlpcore")} - {"__init__"} | {""}
        assert names == set(IMPORTS)

    @pytest.mark.parametrize("name", IMPORTS)
    def test_a_module_imports_what_the_map_says(self, name):
        tree = parse(ROOT / "mlpcore" / f"{name or '__init__'}.py")
        assert sorted(library_imports(tree)) == IMPORTS[name].split()

    def test_the_map_never_points_back(self):
        order = list(IMPORTS)
        for name, others in IMPORTS.items():
            assert [other for other in others.split() if order.index(other) >= order.index(name)] == [], name

    def test_only_the_app_and_the_pages_import_streamlit(self):
        allowed = {ROOT / "app.py", *python_files("pages")}
        project = [ROOT / "app.py", *python_files("mlpcore", "pages")]
        assert [file for file in project if "streamlit" in packages(file) and file not in allowed] == []

    def test_the_library_imports_neither_the_app_nor_the_pages(self):
        above = {"app", "pages", *(file.stem for file in (ROOT / "pages").glob("*.py")), "components"}
        assert [file for file in python_files("mlpcore") if packages(file) & above] == []

    def test_no_page_and_no_component_imports_a_page(self):
        pages = {"app", "pages", *(file.stem for file in (ROOT / "pages").glob("*.py"))}
        assert [file for file in python_files("pages") if packages(file) & pages] == []

    def test_no_page_speaks_torch_or_sql(self):
        assert [file for file in python_files("pages") if packages(file) & {"torch", "torchvision", "sqlalchemy"}] == []

    def test_what_pages_import_at_once_loads_no_torch(self):
        for file in python_files("pages"):
            for node in at_import_time(parse(file)):
                assert library_imports(node) <= set(WITHOUT_TORCH), file


def test_modules_above_torch_import_without_it():
    modules = ", ".join(f"mlpcore.{name}".rstrip(".") for name in WITHOUT_TORCH)
    result = in_fresh_python(f"import sys; sys.modules['torch'] = None\nimport {modules}")
    assert result.returncode == 0, result.stderr


def test_the_library_imports_without_streamlit():
    modules = ", ".join(f"mlpcore.{name}".rstrip(".") for name in IMPORTS)
    result = in_fresh_python(f"import sys; sys.modules['streamlit'] = None\nimport {modules}")
    assert result.returncode == 0, result.stderr


class TestPins:
    @staticmethod
    def pinned(file: str) -> dict[str, str]:
        lines = (ROOT / file).read_text(encoding="utf-8").split("\n")
        pins = [line.split("==") for line in lines if line and not line.startswith("-r")]
        return {name.lower().replace("_", "-"): number for name, number in pins}

    @staticmethod
    def needed(files: list[Path]) -> set[str]:
        """The distributions that these files import, under the names they have in requirements."""
        distributions = packages_distributions()
        found = {name for file in files for package in packages(file) for name in distributions.get(package, ())}
        return {name.lower().replace("_", "-") for name in found}

    def test_every_package_the_program_imports_is_pinned(self):
        needed = self.needed([ROOT / "app.py", *python_files("mlpcore", "pages")])
        assert needed - self.pinned("requirements.txt").keys() == set()

    def test_nothing_is_pinned_that_the_program_does_not_import(self):
        needed = self.needed([ROOT / "app.py", *python_files("mlpcore", "pages")])
        by_name = {"torchvision"}  # in torchvision_ops, which prepares it first
        assert self.pinned("requirements.txt").keys() - needed == by_name

    def test_every_package_the_tests_import_is_pinned(self):
        assert (ROOT / "tests/requirements.txt").read_text().startswith("-r ../requirements.txt\n")
        pins = self.pinned("requirements.txt") | self.pinned("tests/requirements.txt")
        assert self.needed(python_files("tests")) - pins.keys() == set()


class TestTexts:
    @staticmethod
    def texts() -> Iterator[tuple[Path, str]]:
        """Our own files: a clone may also hold an environment, or data sets somebody put there."""
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
    command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "."]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
