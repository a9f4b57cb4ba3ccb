"""A recipe as the query of a link, and back."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from mlpcore.messages import Sentence
from mlpcore.problems import find_problems
from mlpcore.recipe import OPTIMIZERS, SCHEDULERS, Recipe

TEXTS = ("dataset", "activation", "device")
LISTS = ("hidden_sizes", "betas", "milestones")
PARTS = {"optimizer": OPTIMIZERS, "scheduler": SCHEDULERS}


def to_query(recipe: Recipe) -> dict[str, str]:
    """Write a recipe as a query: data set, optimizer, scheduler, and every knob that differs from its default."""
    query = {"dataset": recipe.dataset, "optimizer": recipe.optimizer.name, "scheduler": recipe.scheduler.name}
    for name, value in recipe.model_dump(mode="json", exclude_defaults=True).items():
        if name in PARTS:
            kind = PARTS[name][query[name]]
            own = getattr(recipe, name).model_dump(mode="json")
            defaults = kind().model_dump(mode="json")
            query |= {knob: _write(knob, own[knob]) for knob in own if own[knob] != defaults[knob]}
        else:
            query[name] = _write(name, value)
    return query


def from_query(query: Mapping[str, str], default: Recipe) -> tuple[Recipe, list[Sentence]]:
    """Read a recipe from a query; what is wrong in it is left at its default, and named in a sentence each.

    A name that is no knob is passed over: a link may carry other things.
    """
    given = {name: _read(name, text) for name, text in query.items()}
    refused: list[Sentence] = []
    while True:
        try:
            return Recipe.model_validate(_nest(given, default)), refused
        except ValidationError as error:
            problems = find_problems(error)
            refused += [sentence for _, sentence in problems]
            named = {name for name, _ in problems}
            if not named & given.keys():  # two knobs that do not fit together, one of them not in the link
                named = _find_companions(named, given)
            if not named:
                return default, refused
            given = {name: value for name, value in given.items() if name not in named}


def _find_companions(named: set[str], given: Mapping[str, Any]) -> set[str]:
    """The knobs of the link that belong to the same optimizer, or to the schedule that must fit the run's length."""
    kinds = [kind for kind in OPTIMIZERS.values() if named & kind.model_fields.keys()]
    kinds = kinds or list(SCHEDULERS.values())
    knobs = {name for kind in kinds for name in kind.model_fields} | {"scheduler", "changes"}
    return knobs & given.keys()


def _nest(given: Mapping[str, Any], default: Recipe) -> dict[str, Any]:
    recipe: dict[str, Any] = {"dataset": default.dataset}
    for part, kinds in PARTS.items():
        name = given.get(part, getattr(default, part).name)
        recipe[part] = {"name": name}
        if isinstance(name, str) and name in kinds:
            fields = kinds[name].model_fields
            recipe[part] |= {knob: value for knob, value in given.items() if knob in fields and knob != "name"}
    own = {name: value for name, value in given.items() if name in Recipe.model_fields and name not in PARTS}
    return recipe | own


def _write(name: str, value: Any) -> str:
    if name in TEXTS:
        return value
    text = json.dumps(value, separators=(",", ":"))
    return text[1:-1] if name in LISTS else text


def _read(name: str, text: str) -> Any:
    if name in TEXTS or name in PARTS:
        return text
    try:
        return json.loads(f"[{text}]" if name in LISTS else text)
    except (ValueError, RecursionError):  # no JSON, or nested without end
        return text  # the recipe refuses it, by name
