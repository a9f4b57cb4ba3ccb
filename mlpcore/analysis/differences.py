"""Differences between recipes: which hyperparameters differ, and labels that name only those."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from mlpcore.numbers import short_number
from mlpcore.recipes.flat import flatten, list_fields
from mlpcore.recipes.recipe import PARTS, Recipe
from mlpcore.runs.records import LONGEST_NAME

MAX_PARTS = 5  # of a label
LAB_WORDS = ("lab", "all", "images", "points", "units", "noise", "decay")  # in the names of the overfitting lab's runs
SEED = re.compile(r" seed \d+$")  # at the end of a name
READ_BY = {"ema_decay": "EMA", "swa_start": "SWA"}  # the average that reads it
ALWAYS_NAMED = ("lr", "weight_decay")  # even where they differ only by the defaults of two optimizers


class DifferenceKind(StrEnum):
    """How many hyperparameters recipes differ in."""

    NONE = "none"
    SEED = "seed"
    ONE = "one"
    ONE_PER_ROW = "one per row"  # each recipe differs from the one before in one
    SEVERAL = "several"


@dataclass(frozen=True)
class RecipeDifferences:
    """What was changed between recipes.

    implied: hyperparameters that differ only because the changed ones in `implied_by` have other defaults for them.
    """

    kind: DifferenceKind
    changed: tuple[str, ...] = ()
    implied: tuple[str, ...] = ()
    implied_by: tuple[str, ...] = ()


def find_differences(recipes: Sequence[Recipe], *, besides: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Return the values of each hyperparameter that differs; None where a recipe does not have or read it."""
    flat = [
        {name: value for name, value in flatten(recipe).items() if READ_BY.get(name, recipe.average) == recipe.average}
        for recipe in recipes
    ]
    names = dict.fromkeys(name for values in flat for name in values if name not in besides)
    columns = {name: [values.get(name) for values in flat] for name in names}
    return {name: values for name, values in columns.items() if any(value != values[0] for value in values)}


def classify_differences(recipes: Sequence[Recipe]) -> RecipeDifferences:
    """Find whether recipes differ in one hyperparameter, as a fair comparison needs, or in several."""
    changed, implied = _find_changed(recipes)
    if not changed:
        has_seeds = len({recipe.seed for recipe in recipes}) > 1
        return RecipeDifferences(DifferenceKind.SEED if has_seeds else DifferenceKind.NONE)
    if len(changed) == 1:
        return RecipeDifferences(DifferenceKind.ONE, tuple(changed), tuple(implied))
    rows = [_find_changed(pair) for pair in pairwise(recipes)]
    if any(len(one) != 1 for one, _implied in rows):
        return RecipeDifferences(DifferenceKind.SEVERAL, tuple(changed))
    return RecipeDifferences(
        DifferenceKind.ONE_PER_ROW,
        tuple(dict.fromkeys(one[0] for one, _implied in rows)),
        tuple(dict.fromkeys(name for _one, implied in rows for name in implied)),
        tuple(dict.fromkeys(one[0] for one, implied in rows if implied)),
    )


def name_differences(recipes: Sequence[Recipe]) -> list[str]:
    """Label each recipe by the hyperparameters that set it apart: `lr=0.1`, or `SGD lr=0.01 momentum=0.9`."""
    differences = find_differences(recipes)
    kinds = [part for part in PARTS if part in differences]
    names = [name for name in differences if name not in PARTS and _is_informative(recipes, name, differences[name])]
    labels = []
    for row, recipe in enumerate(recipes):
        parts = [getattr(recipe, part).name.replace("none", f"{part}=none") for part in kinds]
        written = [(name, differences[name][row]) for name in names if differences[name][row] is not None]
        parts += [f"{name}={_write(value)}" for name, value in written if not _is_default(name, value, kinds)]
        if not parts:
            parts = [f"{name}={_write(value)}" for name, value in written] or [recipe.optimizer.name]
        labels.append(" ".join(parts if len(parts) <= MAX_PARTS else [*parts[:MAX_PARTS], "…"]))
    return _number_twins(labels)


def label_recipes(recipes: Sequence[Recipe], names: Sequence[str]) -> list[str]:
    """Label each recipe by the name that a person gave it; by what sets it apart where the name is empty."""
    labels = name_differences(recipes)
    return _number_twins([name or label for name, label in zip(names, labels, strict=True)])


def find_given_name(name: str, recipe: Recipe) -> str:
    """Return a run's name without its seed if a person gave it; "" if it only says what its recipe says.

    Names that pages give are made of the words and values of the recipe: SGD lr 0.01 momentum 0.9 seed 2.
    """
    text = SEED.sub("", name)
    words = {"seed", "on", "off", *LAB_WORDS, *recipe.dataset.split()}
    for field in list_fields().values():
        words |= {field.name, *field.options}
    parts = text.split()
    if len(name) == LONGEST_NAME:  # the beginning may be cut off
        parts = parts[1:]
    is_automatic = text.startswith("lab ") or all(part in words or _is_number(part) for part in parts)
    return "" if is_automatic else text


def _number_twins(labels: Sequence[str]) -> list[str]:
    """Number equal labels, in their order."""
    return [
        label if labels.count(label) == 1 else f"{label} ({labels[: row + 1].count(label)})"
        for row, label in enumerate(labels)
    ]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _find_changed(recipes: Sequence[Recipe]) -> tuple[list[str], list[str]]:
    """Split what differs into what was changed and what an optimizer's or a scheduler's defaults imply."""
    differences = find_differences(recipes, besides=("seed",))
    changed = [part for part in PARTS if part in differences]
    implied: list[str] = []
    for name, values in differences.items():
        if name in PARTS or len(_distinct(values)) < 2:
            continue
        (implied if _is_implied(recipes, name) else changed).append(name)
    return changed, implied


def _is_informative(recipes: Sequence[Recipe], name: str, values: Sequence[Any]) -> bool:
    """Return whether a hyperparameter says more than the kinds of the optimizers and schedulers do."""
    return len(_distinct(values)) > 1 and (name in ALWAYS_NAMED or not _is_implied(recipes, name))


def _is_implied(recipes: Sequence[Recipe], name: str) -> bool:
    """Return whether a hyperparameter differs only because each optimizer (or scheduler) has its own default for it."""
    for part in PARTS:
        models = [getattr(recipe, part) for recipe in recipes]
        having = [one for one in models if name in type(one).model_fields]
        if having:
            defaults = [getattr(one, name) == type(one).model_fields[name].default for one in having]
            return len({type(one) for one in models}) > 1 and all(defaults)
    return False


def _distinct(values: Sequence[Any]) -> set[str]:
    return {repr(value) for value in values if value is not None}


def _is_default(name: str, value: Any, kinds: Sequence[str]) -> bool:
    return value is False or (name == "momentum" and value == 0 and "optimizer" in kinds)


def _write(value: Any) -> str:
    if isinstance(value, float):
        return short_number(value, 6)
    if isinstance(value, Mapping):  # a change
        return f"{value['step']}:" + "/".join(_write(new) for name, new in value.items() if new and name != "step")
    if isinstance(value, tuple | list):
        return ",".join(_write(item) for item in value) or "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
