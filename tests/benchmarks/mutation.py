"""Mutation testing: `python -m tests.benchmarks.mutation --mutants 300 --seed 0`, about one or two hours on two cores.

Draws small changes of the code (a comparison turned round, a statement left out …) and runs the unit tests of the
changed package against each, in copies of the project. A mutant is killed if a test fails or the tests take too long.
Prints the share killed per package and every survivor. Results go to a file, line by line: started again with the same
file, the program does only what is missing.
"""

import argparse
import ast
import copy
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from time import monotonic

from tests.support.paths import ROOT

PACKAGES = ("jobs", "runs", "training", "analysis")
NEED_A_GPU = ("cuda_graph.py",)  # without one their tests are skipped, and every mutant would survive
PARTS = ("app.py", "mlpcore", "pages", "tests", "pyproject.toml", ".streamlit")
SLOWDOWN = 3.0  # times the tests' time without a change, after which a mutant counts as endless
OTHER_COMPARISON: dict[type[ast.cmpop], type[ast.cmpop]] = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq},
    **{ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In},
}
OTHER_CONNECTIVE: dict[type[ast.boolop], type[ast.boolop]] = {ast.And: ast.Or, ast.Or: ast.And}
OTHER_OPERATOR: dict[type[ast.operator], type[ast.operator]] = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult},
    **{ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd},
}


@dataclass(frozen=True)
class Mutant:
    """One change: the source's bytes from `start` to `end` become `replacement`."""

    file: str  # below the project's folder
    line: int
    start: int
    end: int
    original: str
    replacement: str

    @property
    def package(self) -> str:
        return Path(self.file).parts[1]

    def key(self, root: Path) -> str:
        """Identify the change together with the source that it changes."""
        source = (root / self.file).read_bytes()
        return hashlib.sha256(source + repr((self.start, self.end, self.replacement)).encode()).hexdigest()[:16]

    def describe(self) -> str:
        before, after = (" ".join(text.split())[:100] for text in (self.original, self.replacement))
        return f"{self.file}:{self.line}: {before}  →  {after}"


def find_mutants(root: Path, package: str) -> list[Mutant]:
    """Return every change that can be made to a package, in the order of its files and lines."""
    files = sorted((root / "mlpcore" / package).rglob("*.py"))
    return [mutant for file in files if file.name not in NEED_A_GPU for mutant in _mutate_file(root, file)]


def _mutate_file(root: Path, file: Path) -> Iterator[Mutant]:
    source = file.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in _walk(ast.parse(source)):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        original = source[start:end].decode()
        for replacement in dict.fromkeys(_change(node)):
            yield Mutant(str(file.relative_to(root)), node.lineno, start, end, original, replacement)


def _walk(node: ast.AST) -> Iterator[ast.stmt | ast.expr]:
    """Yield the statements and expressions that run: no annotations, f-strings, and blocks for type checkers."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params") or isinstance(node, ast.JoinedStr):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.stmt | ast.expr):
                yield child
            if isinstance(child, ast.AST):
                yield from _walk(child)


def _change(node: ast.stmt | ast.expr) -> Iterator[str]:
    """Yield the other forms of one node, as source."""
    match node:
        case ast.Compare(ops=operators):
            for place, operator in enumerate(operators):
                other = copy.deepcopy(node)
                other.ops[place] = OTHER_COMPARISON[type(operator)]()
                yield f"({ast.unparse(other)})"
        case ast.BinOp(left, operator, right) if type(operator) in OTHER_OPERATOR:
            yield f"({ast.unparse(ast.BinOp(left, OTHER_OPERATOR[type(operator)](), right))})"
        case ast.BoolOp(connective, values):
            yield f"({ast.unparse(ast.BoolOp(OTHER_CONNECTIVE[type(connective)](), values))})"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield f"({ast.unparse(operand)})"
        case ast.Constant(value=bool(value)):
            yield str(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield f"({value + 1})"
        case ast.IfExp(body=body, orelse=orelse):
            yield f"({ast.unparse(orelse)})"
            yield f"({ast.unparse(body)})"
        case ast.Expr(value=ast.Call() | ast.Await() | ast.YieldFrom()) | ast.AugAssign() | ast.Delete():
            yield "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "pass"
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield "return None"
        case ast.Break():
            yield "continue"
        case ast.Continue():
            yield "break"


class Copy:
    """A copy of the project in which one mutant after the other is tried."""

    def __init__(self, folder: Path) -> None:
        self.root, self._temporary = folder / "project", folder / "tmp"
        self.root.mkdir(parents=True)
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, self.root / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(ROOT / part, self.root / part)

    def run_tests(self, package: str, *, limit: float) -> tuple[int | None, str]:
        """Run a package's unit tests until one fails; return the exit code, None past the limit, and the output."""
        arguments = ["-x", "-n0", "--hypothesis-seed=0", "-p", "no:cacheprovider", f"--basetemp={self._temporary}"]
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "MLPCORE_HOME": str(self._temporary / "home")}
        for wanted in ("MLPCORE_TEST_IMAGES", "MLPCORE_REQUIRE", "MLPCORE_DATA"):  # the real images take too long
            environment.pop(wanted, None)
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *arguments, f"tests/unit/{package}"],
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None, ""
        return process.returncode, output

    def try_mutant(self, mutant: Mutant, *, limit: float) -> str:
        """Test one mutant; return what killed it, or nothing for a survivor."""
        file = self.root / mutant.file
        source = file.read_bytes()
        file.write_bytes(source[: mutant.start] + mutant.replacement.encode() + source[mutant.end :])
        try:
            code, output = self.run_tests(mutant.package, limit=limit)
        finally:
            file.write_bytes(source)
        if code == 0:
            return ""
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
        return "time limit" if code is None else failed[1] if failed else f"exit code {code}"


def run(chosen: Sequence[Mutant], places: Sequence[Copy], results: Path) -> dict[Mutant, str]:
    """Try mutants, one at a time in each copy; return what killed each. Results in the file are not tried again."""
    keys = {mutant: mutant.key(places[0].root) for mutant in chosen}
    killers: dict[str, str] = {}
    if results.exists():
        lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
        killers = {line["key"]: line["killed_by"] for line in lines}
    missing = [mutant for mutant in chosen if keys[mutant] not in killers]
    free: SimpleQueue[Copy] = SimpleQueue()
    for place in places:
        free.put(place)
    lock = Lock()

    def try_one(mutant: Mutant) -> None:
        place = free.get()
        killed_by = place.try_mutant(mutant, limit=limits[mutant.package])
        free.put(place)
        with lock, results.open("a", encoding="utf-8") as file:
            killers[keys[mutant]] = killed_by
            file.write(json.dumps(asdict(mutant) | {"key": keys[mutant], "killed_by": killed_by}) + "\n")
            print("killed  " if killed_by else "SURVIVED", mutant.describe(), flush=True)

    with ThreadPoolExecutor(len(places)) as pool:
        packages = sorted({mutant.package for mutant in missing})
        limits = dict(zip(packages, pool.map(lambda package: _measure_limit(free, package), packages), strict=True))
        list(pool.map(try_one, missing))
    return {mutant: killers[key] for mutant, key in keys.items()}


def _measure_limit(free: "SimpleQueue[Copy]", package: str) -> float:
    """Run a package's tests without any change, which must pass; return the seconds that a mutant gets."""
    place = free.get()
    began = monotonic()
    code, output = place.run_tests(package, limit=1800)
    free.put(place)
    if code != 0:
        raise SystemExit(f"The tests of {package} fail without any mutant:\n{output[-2000:]}")
    return SLOWDOWN * (monotonic() - began) + 30


def main() -> None:
    """Try the mutants, and print the share killed per package and the survivors."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.mutation", description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--packages", nargs="+", choices=PACKAGES, default=PACKAGES)
    parser.add_argument("--jobs", type=int, default=2, help="mutants tested at the same time")
    parser.add_argument("--results", type=Path, default=Path(tempfile.gettempdir()) / "mutation.jsonl")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        places = [Copy(Path(name) / str(number)) for number in range(asked.jobs)]
        possible = [mutant for package in asked.packages for mutant in find_mutants(places[0].root, package)]
        chosen = random.Random(asked.seed).sample(possible, min(asked.mutants, len(possible)))
        print(f"{len(chosen)} of {len(possible)} mutants, --seed {asked.seed}, results in {asked.results}", flush=True)
        killers = run(chosen, places, asked.results)
    survivors = [mutant for mutant in chosen if not killers[mutant]]
    for package in asked.packages:
        count = sum(mutant.package == package for mutant in chosen)
        alive = sum(mutant.package == package for mutant in survivors)
        print(f"{package:<10}{count - alive:>4} of {count:>4} killed")
    print(f"{'all':<10}{len(chosen) - len(survivors):>4} of {len(chosen):>4} killed")
    for mutant in sorted(survivors, key=lambda mutant: (mutant.file, mutant.line)):
        print(mutant.describe())


if __name__ == "__main__":
    main()
