"""Copies of the project, in which mutants are tried."""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

from tests.benchmarks.mutation.mutants import Mutant
from tests.support.paths import ROOT

PARTS = ("app.py", "mlpcore", "pages", "tests", "docs", "pyproject.toml", ".streamlit")
SLOWDOWN = 10  # times the tests' time without a change, after which they count as endless: a machine may become busy
RECORD_LIMIT = 3600.0  # seconds without a change
OTHERS = 60.0  # seconds of other packages' tests, the fastest first, that a mutant has to survive


@dataclass(frozen=True)
class Record:
    """What tests have shown: their seconds, and which of them execute each line of each file."""

    seconds: dict[str, float]
    lines: dict[str, dict[str, list[str]]]

    def sort(self, tests: Iterable[str]) -> list[str]:
        return sorted(tests, key=self.seconds.__getitem__)

    def choose_for(self, mutant: Mutant) -> list[str]:
        """Choose the tests that execute the changed statement, the package's own first, the fastest first of each.

        All of the package's own if none of them does, and for what runs at import: the test that imports it first need
        not be the one that looks at it.
        """
        lines = self.lines.get(mutant.file, {})
        first, last = mutant.statement
        spans = lines.values() if mutant.at_import else (lines.get(str(line), []) for line in range(first, last + 1))
        near = {test for tests in spans for test in tests}
        own = {test for test in self.seconds if test.startswith(f"tests/unit/{mutant.package}/")}
        others = self.sort(near - own)
        spent = accumulate(self.seconds[test] for test in others)
        cheap = [test for test, time in zip(others, spent, strict=True) if time < OTHERS]
        return self.sort(own if mutant.at_import or not near else near & own) + cheap


def find_test_folders(root: Path) -> list[str]:
    """Return the folders whose tests are tried: one per package, and that of the pages."""
    folders = [*sorted((root / "tests" / "unit").iterdir()), root / "tests" / "pages"]
    return [str(folder.relative_to(root)) for folder in folders if any(folder.glob("test_*.py"))]


def merge(records: Iterable[Record]) -> Record:
    """Put what the tests of several folders have shown into one record."""
    seconds: dict[str, float] = {}
    lines: dict[str, dict[str, list[str]]] = {}
    for record in records:
        seconds |= record.seconds
        for file, executed in record.lines.items():
            for line, tests in executed.items():
                lines.setdefault(file, {}).setdefault(line, []).extend(tests)
    return Record(seconds, lines)


class Copy:
    """A copy of the project in which one mutant after the other is tried."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "project"
        self.root.mkdir(parents=True)
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, self.root / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(ROOT / part, self.root / part)

    def run_tests(self, tests: Sequence[str], *options: str, limit: float, test_limit: float) -> tuple[int | None, str]:
        """Run tests until one fails; return the exit code, None past the limit, and the output."""
        (self.folder / "tests").write_text("\n".join(tests))
        temporary, output = self.folder / "tmp", self.folder / "output"
        arguments = ["-x", "-n0", f"--timeout={test_limit}", "--hypothesis-seed=0", "-p", "no:cacheprovider"]
        arguments += [*options, f"--basetemp={temporary}", f"@{self.folder / 'tests'}"]
        own = {"MLPCORE_HOME": str(temporary / "home"), "EXECUTED_LINES": str(self.folder / "executed.json")}
        environment = os.environ | own
        for wanted in ("MLPCORE_TEST_IMAGES", "MLPCORE_REQUIRE", "MLPCORE_DATA"):  # the real images take too long
            environment.pop(wanted, None)
        with output.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *arguments],
                cwd=self.root,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        code: int | None = None
        try:
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(limit)
        finally:
            with suppress(ProcessLookupError):  # also what a failing test has left running
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return code, output.read_text(errors="replace")

    def record(self, folder: str, kept: Path) -> Record:
        """Run a folder's tests without any change: in their order and the fastest first, they must pass.

        `kept` is the file of what they showed. If it is of the same code, they do not run again.
        """
        code = sorted((self.root / "mlpcore").rglob("*.py")) + sorted((self.root / "tests").rglob("*.py"))
        digest = hashlib.sha256(b"".join(file.read_bytes() for file in code)).hexdigest()
        if kept.exists() and (known := json.loads(kept.read_text()))["digest"] == digest:
            return Record(**known["record"])
        limits = {"limit": RECORD_LIMIT, "test_limit": RECORD_LIMIT}
        plugin = "tests.benchmarks.mutation.executed_lines"
        exit_code, output = self.run_tests([folder], "-p", plugin, **limits)
        if exit_code == 0:
            record = Record(**json.loads((self.folder / "executed.json").read_text()))
            exit_code, output = self.run_tests(record.sort(record.seconds), **limits)
        if exit_code != 0:
            raise SystemExit(f"The tests of {folder} fail without any mutant:\n{output[-2000:]}")
        kept.write_text(json.dumps({"digest": digest, "record": asdict(record)}))
        return record

    def try_mutant(self, mutant: Mutant, record: Record) -> str:
        """Test one mutant; return what killed it, or nothing for a survivor."""
        if not (tests := record.choose_for(mutant)):
            return ""
        file = self.root / mutant.file
        source = file.read_bytes()
        compiled = Path(importlib.util.cache_from_source(str(file)))
        compiled.unlink(missing_ok=True)  # Python would take it for the same if the second and the size are the same
        file.write_bytes(source[: mutant.start] + mutant.replacement.encode() + source[mutant.end :])
        seconds = [record.seconds[test] for test in tests]
        limits = {"limit": SLOWDOWN * sum(seconds) + 60, "test_limit": SLOWDOWN * max(seconds) + 30}
        try:
            code, output = self.run_tests(tests, **limits)
        finally:
            file.write_bytes(source)
            compiled.unlink(missing_ok=True)
        if code == 0:
            return ""
        failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", output, re.MULTILINE)
        return "time limit" if code is None else failed[1] if failed else f"exit code {code}"
