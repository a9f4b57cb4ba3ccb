"""A recipe on the command line: a flag for every knob, and the recipe that a file and the flags come to.

The flags are the recipe's own fields, so a knob that is new there is a flag here.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import PARTS, Recipe
from mlpcore.recipes.validation import find_problems

NO_FLAGS = {*PARTS, "changes", "name"}  # of the fields; a part has a flag and a group of its own
MAX_CHARACTERS = 1_000_000  # of a recipe that is read: one with a thousand edits has 100,000


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every knob of a recipe."""
    _add_knobs(parser, {"": Recipe})
    for part, kinds in PARTS.items():
        group = parser.add_argument_group(f"the {part}'s knobs")
        group.add_argument(f"--{part}", metavar="NAME", help=_help(Recipe, part, ", ".join(kinds)))
        _add_knobs(group, kinds)


def read_recipe(file: str | None, given: Mapping[str, Any]) -> Recipe:
    """Make a recipe of a JSON file ("-" is the standard input) and of the flags that are `given`, which override it.

    Raises ValueError, with a sentence for each thing that is wrong.
    """
    values = _read_json(file) if file else {}
    if isinstance(values, dict):
        values = values | {name: given[name] for name in _knobs({"": Recipe}) if name in given}
        for part, kinds in PARTS.items():
            knobs = {name: given[name] for name in _knobs(kinds) if name in given}
            chosen = {"name": given[part]} if part in given else {}
            own = values.get(part, {"name": getattr(Recipe(), part).name})
            if not (knobs or chosen) or not isinstance(own, dict):
                continue
            if chosen and chosen["name"] != own.get("name"):
                own = {}  # another optimizer's knobs mean nothing to this one
            values[part] = own | chosen | knobs
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise ValueError(" ".join(str(sentence) for _, sentence in find_problems(error))) from None


def _read_json(file: str) -> Any:
    try:
        with contextlib.nullcontext(sys.stdin) if file == "-" else Path(file).open(encoding="utf-8") as source:
            text = source.read(MAX_CHARACTERS + 1)
        if len(text) > MAX_CHARACTERS:
            template = "{file} is too long: a recipe has at most {most:,} characters."
            raise SentenceError(template, file=file, most=MAX_CHARACTERS)
        return json.loads(text)
    except OSError as error:
        raise SentenceError("{file} cannot be read: {reason}.", file=file, reason=error.strerror) from None
    except SentenceError:
        raise
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or nested without end
        raise SentenceError("{file} is not JSON: {reason}.", file=file, reason=error) from None


def _add_knobs(parser: argparse._ActionsContainer, kinds: Mapping[str, type[BaseModel]]) -> None:
    """Add a flag for every knob of these models, one for those that share a name."""
    for name, owners in _knobs(kinds).items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            help=_help(kinds[owners[0]], name, "" if len(owners) == len(kinds) else ", ".join(owners)),
            **_reading(kinds[owners[0]].model_fields[name].annotation),
        )


def _knobs(kinds: Mapping[str, type[BaseModel]]) -> dict[str, list[str]]:
    """Name the knobs of these models, and for each the models that have it."""
    found: dict[str, list[str]] = {}
    for owner, kind in kinds.items():
        for name in kind.model_fields.keys() - NO_FLAGS:
            found.setdefault(name, []).append(owner)
    return {name: found[name] for kind in kinds.values() for name in kind.model_fields if name in found}


def _help(kind: type[BaseModel], name: str, only: str) -> str:
    text = kind.model_fields[name].description or ""
    return f"{text} ({only})".replace("%", "%%") if only else text.replace("%", "%%")


def _reading(annotation: Any) -> dict[str, Any]:
    """How argparse reads a field of this type: what is no value of it is left for the recipe to refuse, by name."""
    if annotation is bool:
        return {"action": argparse.BooleanOptionalAction}
    if get_origin(annotation) is tuple:
        return {"nargs": "+", "type": _as_number, "metavar": "N"}
    if {int, float} & {annotation, *get_args(annotation)}:
        return {"type": _as_number, "metavar": "N"}
    return {"metavar": "NAME"}


def _as_number(text: str) -> int | float | str:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text
