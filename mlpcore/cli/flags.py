"""A recipe on the command line: one flag per hyperparameter, and the recipe when flags override a file.

The flags are made from the recipe's own fields, so that a new hyperparameter is a flag without a line here.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlpcore.cli import messages
from mlpcore.messages import SentenceError
from mlpcore.recipes.flat import FlatField, list_fields, nest, read_number
from mlpcore.recipes.points import KINDS
from mlpcore.recipes.recipe import PARTS, Recipe
from mlpcore.recipes.validation import find_problems

MAX_CHARACTERS = 1_000_000  # of a file that is read: a recipe with a thousand changes has 100,000


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each hyperparameter of a recipe."""
    groups: dict[str, argparse._ActionsContainer] = {"": parser}
    groups |= {part: parser.add_argument_group(f"hyperparameters of the {part}") for part in KINDS}
    for name, field in list_fields().items():
        group = groups[name if name in PARTS else field.part]
        group.add_argument(f"--{name.replace('_', '-')}", dest=name, help=_help(field), **_reading(field))


def build_recipe(file: str | None, given: Mapping[str, Any]) -> Recipe:
    """Make a recipe from a JSON file ("-" is the standard input) and the flags that are `given`, which override it.

    Raises ValueError, with one sentence for each thing that is wrong.
    """
    values = load_json(file) if file else {}
    if isinstance(values, dict):
        own = {part: values.get(part, {"name": getattr(Recipe(), part).name}) for part in PARTS}
        names = {part: own[part].get("name") if isinstance(own[part], dict) else None for part in PARTS}
        dataset = values.get("dataset", Recipe().dataset)
        flags = nest({"dataset": dataset, **names, **given}, Recipe(), foreign=True)
        for part in PARTS:
            chosen = flags.pop(part)
            if not isinstance(own[part], dict):
                continue  # refused below
            if chosen["name"] != names[part]:  # another optimizer's hyperparameters mean nothing to this one
                values[part] = chosen
            elif len(chosen) > 1:
                values[part] = own[part] | chosen
        if flags["dataset"] != dataset:  # the points of one data set mean nothing to another
            values.pop("points", None)
        elif "points" in flags and isinstance(values.get("points"), dict):
            flags["points"] = values["points"] | flags["points"]
        values = values | flags
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise ValueError(" ".join(str(sentence) for _, sentence in find_problems(error))) from None


def load_json(file: str) -> Any:
    """Read a JSON file; "-" is the standard input. Raises SentenceError."""
    try:
        with contextlib.nullcontext(sys.stdin) if file == "-" else Path(file).open(encoding="utf-8") as source:
            text = source.read(MAX_CHARACTERS + 1)
        if len(text) <= MAX_CHARACTERS:
            return json.loads(text)
    except OSError as error:
        raise SentenceError(messages.FILE_CANNOT_BE_READ, file=file, reason=error.strerror) from None
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or nested without end
        raise SentenceError(messages.NOT_JSON, file=file, reason=error) from None
    raise SentenceError(messages.TOO_LONG, file=file, most=MAX_CHARACTERS)


def _help(field: FlatField) -> str:
    """Write a flag's help, with the names to choose from, or with the optimizers that have it or mean it so."""
    everyone = KINDS.get(field.part, {"": Recipe})
    lines = []
    for line, owners in field.list_helps().items():
        more = field.options or (owners if len(owners) < len(everyone) else [])
        lines.append(f"{line} ({', '.join(more)})" if more else line)
    if field.may_be_empty:
        lines.append('"" leaves it empty.')
    return " ".join(lines).replace("%", "%%")


def _reading(field: FlatField) -> dict[str, Any]:
    """How argparse reads a value of this type; an unreadable one is left for the recipe to refuse by name."""
    if field.type is bool:
        return {"action": argparse.BooleanOptionalAction}
    if field.type is str:
        return {"metavar": "NAME"}
    read = _read_optional_number if field.may_be_empty else read_number
    return {"type": read, "metavar": "N"} | ({"nargs": "+"} if field.type is tuple else {})


def _read_optional_number(text: str) -> int | float | str | None:
    return read_number(text) if text else None
