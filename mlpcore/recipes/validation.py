"""What is wrong with a recipe, in sentences that name the field, its value and what is allowed."""

import re
import reprlib
from collections.abc import Collection
from typing import Any, get_args

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import PARTS, Change, Recipe

NUMBERS = ("float_type", "float_parsing", "finite_number", "greater_than_equal", "less_than_equal")
WHOLE_NUMBERS = ("int_type", "int_parsing", "int_from_float", "int_parsing_size")
LENGTHS = ("too_short", "too_long", "missing")
LISTS = ("tuple_type",)
EDITS = ("missing", "model_type", "tuple_type")
MAX_PROBLEMS = 50  # that are said of one recipe: a file can hold thousands of unknown names


def find_problems(error: ValueError) -> list[tuple[str, Sentence]]:
    """Name each thing wrong with a recipe, at most MAX_PROBLEMS: the field (empty for the whole) and a sentence."""
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False)[:MAX_PROBLEMS]
        # an item that is refused is not counted: pydantic then calls the list too short as well
        lists = {details["loc"][:-1] for details in found}
        said = [_explain(each) for each in found if each["type"] != "too_short" or each["loc"] not in lists]
        return [one for place, one in enumerate(said) if one not in said[:place]]
    sentence = getattr(error, "sentence", Sentence("{text}", {"text": str(error)}))
    return [(sentence.values.get("field", ""), sentence)]


def find_misfit(recipe: Recipe, datasets: Collection[str], images: int) -> Sentence | None:
    """Say why a recipe cannot run on the images there are, before it is tried; None where it can.

    images: the number of training images of its data set.
    """
    if recipe.dataset not in datasets:
        values = {"field": "dataset", "value": recipe.dataset, "options": ", ".join(datasets)}
        return Sentence("{field} is {value}: this machine has {options}.", values)
    most = images - recipe.validation_size
    if most < 1:
        template = "{field} is {value:,}: at least one of the {images:,} training images must be left."
        return Sentence(template, {"field": "validation_size", "value": recipe.validation_size, "images": images})
    size = most if recipe.train_size is None else recipe.train_size
    if size > most:
        template = "{field} is {value:,}: it must be from 1 to {high:,}, the images that are left for training."
        return Sentence(template, {"field": "train_size", "value": size, "high": most})
    if recipe.batch_size > size:
        template = "{field} is {value:,}: it must be from 1 to {high:,}, the images to train on."
        return Sentence(template, {"field": "batch_size", "value": recipe.batch_size, "high": size})
    return None


def find_limits(kind: type[BaseModel], name: str) -> tuple[float, float]:
    """The least and the greatest value that a field, or each of its items, may have. Raises KeyError without them."""
    bounds = _metadata(kind.model_fields[name])
    return bounds["ge"], bounds["le"]


def _metadata(field: FieldInfo) -> dict[str, Any]:
    """The bounds of a field, and of the items where it is a tuple."""
    found: dict[str, Any] = {}
    stack: list[Any] = [field.annotation, *field.metadata]
    while stack:
        entry = stack.pop()
        if isinstance(entry, FieldInfo):
            stack += [entry.annotation, *entry.metadata]
        for kind, name in ((Ge, "ge"), (Le, "le"), (MinLen, "min_length"), (MaxLen, "max_length")):
            if isinstance(entry, kind):
                found[name] = getattr(entry, name)
        stack += [argument for argument in get_args(entry) if argument is not Ellipsis]
        stack += getattr(entry, "__metadata__", ())
    return found


def _explain(details: ErrorDetails) -> tuple[str, Sentence]:
    name, sentence = _describe(details)
    return ("changes" if details["loc"][:1] == ("changes",) else name), sentence


def _describe(details: ErrorDetails) -> tuple[str, Sentence]:
    kind, name = _locate(details["loc"])
    field = kind.model_fields.get(name)
    bounds = {} if field is None else _metadata(field)
    shown = shorten(details["input"])
    code = details["type"]
    context = details.get("ctx", {})
    if code == "value_error":
        sentence = context["error"].sentence
        return sentence.values["field"], sentence
    if code == "json_invalid":
        return "", Sentence("This is not JSON: it cannot be read past {place}.", {"place": _find_place(context)})
    if name == "" and code != "extra_forbidden":
        return name, Sentence("A recipe is expected here, {value} is none.", {"value": shown})
    values = {"field": shorten(name), "value": shown}
    if name in ("changes", "step") and code in EDITS:
        template = "{field} is {value}: each edit must have a step, and lr, momentum or weight_decay."
        return "changes", Sentence(template, values | {"field": "changes"})
    if code == "extra_forbidden":
        if "name" not in kind.model_fields:
            return name, Sentence("{field} is no knob of a recipe.", values)
        return name, Sentence("{field} is no knob of {part}.", values | {"part": kind.model_fields["name"].default})
    if name in PARTS:
        given = {"value": shorten(context.get("tag", details["input"])), "options": ", ".join(PARTS[name])}
        return name, Sentence("{field} is {value}: it must be one of {options}.", values | given)
    if code == "literal_error":
        given = {"options": ", ".join(get_args(field.annotation))}
        return name, Sentence("{field} is {value}: it must be one of {options}.", values | given)
    if name == "betas" and code in (*LISTS, *LENGTHS):
        given = {"low": _write_number(bounds["ge"]), "high": _write_number(bounds["le"])}
        return name, Sentence("{field} is {value}: it must be two numbers from {low} to {high}.", values | given)
    if code in LISTS and "ge" in bounds:
        given = {"least": bounds["min_length"], "most": bounds["max_length"]}
        given |= {"low": _write_number(bounds["ge"]), "high": _write_number(bounds["le"])}
        template = "{field} is {value}: it must be {least} to {most} whole numbers from {low} to {high}."
        return name, Sentence(template, values | given)
    if code in LENGTHS and "max_length" in bounds:
        given = {"count": context["actual_length"], "low": bounds.get("min_length", 0), "high": bounds["max_length"]}
        return name, Sentence("{field} has {count} values: it must have {low} to {high}.", values | given)
    if "ge" in bounds and code in (*NUMBERS, *WHOLE_NUMBERS):
        given = {"low": _write_number(bounds["ge"]), "high": _write_number(bounds["le"])}
        if code in WHOLE_NUMBERS or isinstance(bounds["ge"], int):
            template = "{field} is {value}: it must be a whole number from {low} to {high}."
        else:
            template = "{field} is {value}: it must be a number from {low} to {high}."
        return name, Sentence(template, values | given)
    if name == "dataset":
        template = "{field} is {value}: it must be 1 to 40 letters, digits, spaces, dots, hyphens or underscores."
        return name, Sentence(template, values)
    if code == "bool_type":
        return name, Sentence("{field} is {value}: it must be true or false.", values)
    return name, Sentence("{field} is {value}, which it cannot be.", values)


def _find_place(context: dict[str, Any]) -> str:
    """Where JSON breaks off, as line:column."""
    return ":".join(re.findall(r"(?:line|column) (\d+)", context.get("error", ""))) or "1:0"


def _locate(loc: tuple[int | str, ...]) -> tuple[type[BaseModel], str]:
    """The model and the field that an error's place speaks of: ("optimizer", "SGD", "lr") is SGD's lr."""
    kind: type[BaseModel] = Recipe
    name = ""
    for part in loc:
        if part in PARTS.get(name, ()):
            kind = PARTS[name][part]
        elif isinstance(part, str):
            kind = Change if name == "changes" else kind
            name = part
    return kind, name


def _write_number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}".replace("e-0", "e-")


def shorten(value: Any) -> str:
    """Write a value, whatever it is, in at most 40 printable characters."""
    # an integer of millions of digits takes minutes to write out, or is not written at all, and lists nest deeply
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**30:
        return "> 10^30" if value > 0 else "< -10^30"
    try:
        text = value if isinstance(value, str) else reprlib.repr(value)
    except (ValueError, RecursionError):
        text = type(value).__name__
    text = "".join(character if character.isprintable() else "·" for character in text[:60])
    if not text.strip():
        return '""'
    return text if len(text) <= 40 else f"{text[:39]}…"
