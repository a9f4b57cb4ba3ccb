"""The source code of an exported script: a template filled with a recipe's values and code of mlpcore."""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from itertools import accumulate, pairwise
from textwrap import wrap
from typing import Any
from unicodedata import east_asian_width

from jinja2 import Environment, StrictUndefined, Template

from mlpcore.data.catalog import BUILT_IN, FASHION_MNIST, MNIST, PUBLISHED, TEST_POINTS
from mlpcore.data.folders import SPLIT_SALT
from mlpcore.export.messages import COMMENTS, TITLES
from mlpcore.recipes.points import POINT_SETS, AnyPoints, name_folder
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.stages import LrShare, Stage, find_plateau, list_stages
from mlpcore.runs.kernel_rule import LARGE, KernelRule

COMMENT_WIDTH = 110  # columns
STATEMENT_WIDTH = 116  # columns: a statement may be indented by four more
FUSED = ("SGD", "Adam", "AdamW", "Adagrad")  # the optimizers whose fused kernels the playground uses on the CPU

Translate = Callable[[str], str]


def fill_template(recipe: Recipe, rule: KernelRule, translate: Translate) -> str:
    """Write the cells of the script, each under a line `# %% title`."""
    points = recipe.points
    is_grey = recipe.dataset in (FASHION_MNIST, MNIST)
    is_built_in = recipe.dataset in BUILT_IN or points is not None
    num_classes = "10" if is_built_in else "num_classes"  # the classes of a folder are counted when it is read
    features = "28 * 28" if is_grey else "3 * 32 * 32"
    if points is not None:
        num_classes, features = str(points.classes), "2"
    plateau = find_plateau(recipe)
    rebuilds = any(change.lr is not None for change in recipe.changes)
    scheduler_lines = _write_scheduler(recipe, always=plateau is not None and rebuilds)
    settings = recipe.optimizer.model_dump(exclude={"name"})
    arguments = {name: _write_argument(value) for name, value in settings.items()}
    if recipe.optimizer.name in FUSED:
        arguments["fused"] = True

    def sentence(name: str) -> str:
        return translate(COMMENTS[name]).format(dataset=recipe.dataset, label_noise=recipe.label_noise)

    return _read_template().render(
        recipe=recipe,
        title=lambda name: translate(TITLES[name]),
        sentence=sentence,
        comment=lambda name, indent=0: write_comment(sentence(name), indent),
        library=read_library,
        dataset=recipe.dataset,
        folder=next((name for name in POINT_SETS if name_folder(name) == recipe.dataset), recipe.dataset),
        points=points,
        test_points=TEST_POINTS,
        drawing=read_library("data/points.py", *_list_drawing(points)) if points else "",
        is_built_in=is_built_in,
        is_published=recipe.dataset in PUBLISHED,
        is_grey=is_grey,
        split_salt=SPLIT_SALT,
        num_classes=num_classes,
        large=LARGE,
        in_bfloat16=recipe.precision == "bfloat16",
        uses_onednn=rule is KernelRule.ONEDNN,
        smoothing=f", label_smoothing={recipe.label_smoothing}" if recipe.label_smoothing else "",
        layers=list(pairwise([features, *recipe.hidden_sizes, num_classes])),
        optimizer_line=_write_call("optimizer", _name_optimizer(recipe), "model.parameters()", arguments),
        scheduler_lines=scheduler_lines,
        followed="val_loss" if recipe.validation_size else "train_eval_loss",
        plateau_line=_write_stage(plateau) if plateau else "",
        scheduler_arguments=(", scheduler" if scheduler_lines else "") + (", plateau" if plateau else ""),
        rebuilds=bool(scheduler_lines) and rebuilds,
        average=recipe.average if recipe.average != "none" else "",
        average_function=f"get_ema_multi_avg_fn({recipe.ema_decay})"
        if recipe.average == "EMA"
        else "get_swa_multi_avg_fn()",
        sets_rmsprop_momentum=recipe.optimizer.name == "RMSprop" and any(change.momentum for change in recipe.changes),
    )


def _list_drawing(points: AnyPoints) -> list[str]:
    """List what draws these points: functions and constants of data/points.py."""
    needs_turn = points.name != "Checkerboard"
    constants = ["Array", "SPLITS", *(["TWO_PI"] if needs_turn else []), "ROOT_OF_3"]
    return [*constants, "draw_points", points.name.lower(), *(["turn"] if needs_turn else [])]


def write_comment(sentence: str, indent: int = 0) -> str:
    """Write a sentence as a comment; lines after the first are indented."""
    wide = sum(east_asian_width(letter) in "FW" for letter in sentence)  # each takes two columns
    width = (COMMENT_WIDTH - indent) * len(sentence) // (len(sentence) + wide)
    return f"\n{' ' * indent}".join(f"# {line}" for line in wrap(sentence, width, break_long_words=False))


@cache
def read_library(file: str, *names: str) -> str:
    """Read functions, classes and constants from a file of mlpcore, all of them if none is named.

    Docstrings and comments are left out, because they are in one language only. Nothing is imported, torch included.
    """
    source = _read_file(file)
    lines: list[str | None] = [*source.splitlines()]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = (lines[row - 1] or "")[:column].rstrip() or None
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            first, end = node.body[0], node.body[0].end_lineno or 0
            end += lines[end] == ""
            lines[first.lineno - 1 : end] = [None] * (end - first.lineno + 1)
    named = [node for node in tree.body if _name(node) in names]
    parts = [lines[node.lineno - 1 : node.end_lineno] for node in named] if names else [lines]
    code = "\n\n\n".join("\n".join(line for line in part if line is not None) for part in parts)
    return re.sub(r"\n{4,}", "\n\n\n", code).strip("\n")


def _name_optimizer(recipe: Recipe) -> str:
    return "MuonWithAdamW" if recipe.optimizer.name == "Muon" else f"optim.{recipe.optimizer.name}"


def _write_scheduler(recipe: Recipe, *, always: bool) -> list[str]:
    """Write the statements that build `scheduler`; none if no iteration moves the rate by it, unless `always`."""
    stages = list_stages(recipe)
    if recipe.scheduler.name in ("none", "ReduceLROnPlateau") and len(stages) == 1 and not always:
        return []
    lines = [_write_stage(stage) for stage in reversed(stages)]
    if len(stages) > 1:
        milestones = list(accumulate(stage.iterations for stage in stages[:-1]))
        parts = ", ".join(stage.role for stage in stages)
        lines.append(f"scheduler = optim.lr_scheduler.SequentialLR(optimizer, [{parts}], milestones={milestones})")
    return lines


def _write_stage(stage: Stage) -> str:
    arguments = {name: _write_argument(value) for name, value in stage.settings.items()}
    return _write_call(stage.role, f"optim.lr_scheduler.{stage.torch_name}", "optimizer", arguments)


def _write_argument(value: Any) -> Any:
    """Write an argument as code where it depends on the optimizer's lr, or is text."""
    if isinstance(value, LrShare):
        return 'optimizer.param_groups[0]["lr"]' + (f" / {value.divisor}" if value.divisor != 1 else "")
    return f'"{value}"' if isinstance(value, str) else value


def _write_call(target: str, function: str, first: str, arguments: Mapping[str, object]) -> str:
    """Write `target = function(first, …)`; an argument that is a string is code already."""
    values = [f"{name}={value if isinstance(value, str) else repr(value)}" for name, value in arguments.items()]
    line = f"{target} = {function}({', '.join([first, *values])})"
    if len(line) <= STATEMENT_WIDTH:
        return line
    return f"{target} = {function}(\n" + "".join(f"    {part},\n" for part in [first, *values]) + ")"


@cache
def _read_template() -> Template:
    environment = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    return environment.from_string(_read_file("export/script.py.jinja"))


def _read_file(path: str) -> str:
    return files("mlpcore").joinpath(path).read_text("utf-8")


def _name(node: ast.stmt) -> Any:
    target = node.targets[0] if isinstance(node, ast.Assign) else node
    return getattr(target, "name", getattr(target, "id", ""))
