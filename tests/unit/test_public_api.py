"""What `from mlpcore import …` offers: every name exists, type checkers see the same names, and torch waits."""

import ast
import subprocess
import sys

import mlpcore
from tests.support.paths import ROOT


def test_every_public_name_can_be_imported():
    assert [name for name in mlpcore.__all__ if not callable(getattr(mlpcore, name))] == []
    assert set(mlpcore.__all__) <= set(dir(mlpcore))


def test_type_checkers_see_the_same_names_from_the_same_modules():
    tree = ast.parse((ROOT / "mlpcore/__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == {name: f"mlpcore.{module}" for name, module in mlpcore._HOMES.items()}


def test_recipes_are_had_without_torch():
    code = "import sys, mlpcore; mlpcore.Recipe(optimizer=mlpcore.Adam()); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
