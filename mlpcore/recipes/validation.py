"""What is wrong with a recipe, in sentences that name the field, its value and what is allowed."""

import re
import reprlib
from collections.abc import Collection
from typing import Any, get_args

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from mlpcore.messages import Sentence, SentenceError
from mlpcore.numbers import exact_number
from mlpcore.recipes import messages
from mlpcore.recipes.flat import list_fields
from mlpcore.recipes.hyperparameters import Hyperparameters
from mlpcore.recipes.points import KINDS
from mlpcore.recipes.recipe import PARTS, Change, Recipe

NUMBERS = ("float_type", "float_parsing", "finite_number", "greater_than_equal", "less_than_equal")
WHOLE_NUMBERS = ("int_type", "int_parsing", "int_from_float", "int_parsing_size")
LENGTHS = ("too_short", "too_long", "missing")
LISTS = ("tuple_type",)
CHANGES = ("missing", "model_type", "tuple_type")
PAIRS = ("betas", "etas", "step_sizes")
MAX_PROBLEMS = 50  # named of one recipe: a file can hold thousands of unknown names


def find_problems(error: ValueError, kind: type[Hyperparameters] = Recipe) -> list[tuple[str, Sentence]]:
    """Name each thing wrong with a recipe, at most MAX_PROBLEMS: its flat name ("" for the whole) and a sentence.

    Args:
        kind: the model that was validated.
    """
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False)[:MAX_PROBLEMS]
        # an item that is refused is not counted: pydantic then calls the list too short as well
        lists = {details["loc"][:-1] for details in found}
        said = [_explain(each, kind) for each in found if each["type"] != "too_short" or each["loc"] not in lists]
        return [one for place, one in enumerate(said) if one not in said[:place]]
    sentence = getattr(error, "sentence", Sentence("{text}", {"text": str(error)}))
    return [(sentence.values.get("field", ""), sentence)]


def check_value(kind: type[Hyperparameters], name: str, value: Any) -> Any:
    """Validate one value of a model, whatever its others are; return it as the model holds it.

    Raises SentenceError.
    """
    others = {"nesterov": False} if name == "momentum" and "nesterov" in kind.model_fields else {}
    try:
        return getattr(kind.model_validate(others | {name: value}), name)
    except ValidationError as error:
        sentence = find_problems(error, kind)[0][1]
        raise SentenceError(sentence.template, **sentence.values) from None


def find_misfit(recipe: Recipe, datasets: Collection[str], images: int) -> Sentence | None:
    """Say why this machine cannot train a recipe, before it is tried; None where it can.

    Args:
        images: the number of training images of the recipe's data set.
    """
    if recipe.dataset not in datasets:
        values = {"field": "dataset", "value": recipe.dataset, "options": ", ".join(datasets)}
        return Sentence(messages.NOT_ON_THIS_MACHINE, values)
    most = images - recipe.validation_size
    if most < 1:
        left_out = {"field": "validation_size", "value": recipe.validation_size, "high": images - 1}
        return Sentence(messages.NO_IMAGES_LEFT, left_out)
    size = most if recipe.train_size is None else recipe.train_size
    if size > most:
        return Sentence(messages.FEW_IMAGES_LEFT, {"field": "train_size", "value": size, "high": most})
    if recipe.batch_size > size:
        return Sentence(messages.LARGE_BATCH, {"field": "batch_size", "value": recipe.batch_size, "high": size})
    return None


def find_limits(kind: type[BaseModel], name: str) -> tuple[float, float]:
    """The least and the greatest value that a field, or each of its items, may have. Raises KeyError without them."""
    bounds = _find_bounds(kind.model_fields[name])
    return bounds["ge"], bounds["le"]


def _find_bounds(field: FieldInfo) -> dict[str, Any]:
    """Collect the bounds of a field, and of its items where it is a tuple."""
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


def _explain(details: ErrorDetails, root: type[Hyperparameters]) -> tuple[str, Sentence]:
    kind, name = _locate(details["loc"], root)
    context = details.get("ctx", {})
    if details["type"] == "value_error":
        sentence = context["error"].sentence
        name = sentence.values["field"]
    elif details["type"] == "json_invalid":
        return "", Sentence(messages.NOT_JSON, _find_place(context))
    else:
        owned = (f for f in list_fields().values() if f.path[-1] == name and kind in f.owners.values())
        flat = next((field.name for field in owned), name)
        sentence = _describe(details, kind, name, flat)
        name = flat
    return ("changes" if details["loc"][:1] == ("changes",) else name), sentence


def _describe(details: ErrorDetails, kind: type[BaseModel], name: str, flat: str) -> Sentence:
    """Say what is allowed: `name` is the field's name in its model, `flat` its flat name."""
    code, context = details["type"], details.get("ctx", {})
    values: dict[str, Any] = {"field": shorten(flat), "value": shorten(details["input"])}
    if name == "" and code != "extra_forbidden":
        return Sentence(messages.NOT_A_RECIPE, values)
    if name in ("changes", "step") and code in CHANGES:
        return Sentence(messages.BAD_CHANGE, values | {"field": "changes"})
    if code == "extra_forbidden":
        if "name" not in kind.model_fields:
            return Sentence(messages.NOT_CHANGEABLE if kind is Change else messages.NOT_IN_RECIPES, values)
        values["part"] = kind.model_fields["name"].default
        values["options"] = ", ".join(other for other in kind.model_fields if other != "name")
        return Sentence(messages.NOT_IN_PART, values)
    field = kind.model_fields.get(name)
    bounds = {} if field is None else _find_bounds(field)
    if name in PARTS or code == "literal_error":
        options = PARTS.get(name) or get_args(field.annotation if field else None)
        values |= {"value": shorten(context.get("tag", details["input"])), "options": ", ".join(options)}
        return Sentence(messages.NOT_AN_OPTION, values)
    if "ge" in bounds:
        values |= {"low": exact_number(bounds["ge"]), "high": exact_number(bounds["le"])}
    if name in PAIRS and code in (*LISTS, *LENGTHS):
        return Sentence(messages.NOT_TWO_NUMBERS, values)
    if code in LISTS and "ge" in bounds:
        values |= {"least": bounds["min_length"], "most": bounds["max_length"]}
        return Sentence(messages.NOT_WHOLE_NUMBERS, values)
    if code in LENGTHS and "max_length" in bounds:
        values |= {"count": context["actual_length"], "low": bounds.get("min_length", 0), "high": bounds["max_length"]}
        return Sentence(messages.BAD_COUNT, values)
    if "ge" in bounds and code in (*NUMBERS, *WHOLE_NUMBERS):
        if code in WHOLE_NUMBERS or isinstance(bounds["ge"], int):
            return Sentence(messages.NOT_A_WHOLE_NUMBER, values)
        return Sentence(messages.NOT_A_NUMBER, values)
    if name == "dataset":
        return Sentence(messages.BAD_NAME, values)
    if code == "bool_type":
        return Sentence(messages.NOT_A_BOOLEAN, values)
    return Sentence(messages.NOT_ALLOWED, values)


def _find_place(context: dict[str, Any]) -> dict[str, str]:
    """Where JSON breaks off: its line and column."""
    return {"line": "1", "column": "0"} | dict(re.findall(r"(line|column) (\d+)", context.get("error", "")))


def _locate(loc: tuple[int | str, ...], kind: type[BaseModel]) -> tuple[type[BaseModel], str]:
    """Find the model and the field of an error's place: ("optimizer", "SGD", "lr") is SGD's lr."""
    name = ""
    for step in loc:
        if step in KINDS.get(name, ()):
            kind = KINDS[name][str(step)]
        elif isinstance(step, str):
            kind = Change if name == "changes" else kind
            name = step
    return kind, name


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
