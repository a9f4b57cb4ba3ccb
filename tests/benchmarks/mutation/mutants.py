"""Small changes of the code: a comparison turned round, a statement left out …"""

import ast
import copy
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NEED_A_GPU = ("cuda_graph.py",)  # without one their tests are skipped, and every mutant would survive
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
    statement: tuple[int, int]  # the first and the last line of the statement around it, without its block
    start: int
    end: int
    original: str
    replacement: str
    at_import: bool  # outside all functions: executed once, whatever a test does

    @property
    def package(self) -> str:
        return Path(self.file).parts[1]

    def key(self, root: Path) -> str:
        """Identify the change together with the source that it changes."""
        source = (root / self.file).read_bytes()
        return hashlib.sha256(source + repr((self.start, self.end, self.replacement)).encode()).hexdigest()[:16]

    def rank(self, root: Path, seed: int) -> bytes:
        """Return what mutants are drawn by: it changes only with the statement, not with the code around it."""
        source = (root / self.file).read_bytes()
        first, last = self.statement
        lines = source.splitlines(keepends=True)
        offset = self.start - sum(map(len, lines[: first - 1]))
        identity = (seed, self.file, b"".join(lines[first - 1 : last]), offset, self.replacement)
        return hashlib.sha256(repr(identity).encode()).digest()

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
    for node, lines, at_import in _walk(ast.parse(source), (1, 1)):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        original = source[start:end].decode()
        for replacement in dict.fromkeys(_change(node)):
            name = str(file.relative_to(root))
            yield Mutant(name, node.lineno, lines, start, end, original, replacement, at_import)


def _walk(
    node: ast.AST, lines: tuple[int, int], *, at_import: bool = True
) -> Iterator[tuple[ast.stmt | ast.expr, tuple[int, int], bool]]:
    """Yield what runs (no annotations, f-strings, and blocks for type checkers), with the lines of its statement.

    And whether it runs at import.
    """
    if isinstance(node, ast.stmt | ast.excepthandler):
        assert node.end_lineno is not None
        body = getattr(node, "body", None)
        lines = (node.lineno, max(node.lineno, body[0].lineno - 1) if body else node.end_lineno)
    if isinstance(node, ast.stmt | ast.expr):
        yield node, lines, at_import
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params") or isinstance(node, ast.JoinedStr):
            continue
        for child in value if isinstance(value, list) else [value]:
            is_for_types = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            if isinstance(child, ast.AST) and not is_for_types:
                in_body = name == "body" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from _walk(child, lines, at_import=at_import and not in_body)


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
