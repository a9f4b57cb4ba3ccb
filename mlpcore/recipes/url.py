"""A recipe as the query of a link, and back; and a comparison of several."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import OPTIMIZERS, PARTS, SCHEDULERS, Recipe
from mlpcore.recipes.validation import find_problems, shorten

TEXTS = ("dataset", "activation", "device")
LISTS = ("hidden_sizes", "betas", "milestones")
KNOBS = {
    name: kind
    for kind in (*SCHEDULERS.values(), *OPTIMIZERS.values(), Recipe)
    for name in kind.model_fields
    if name != "name"
}  # every name that a link may set, with a model that has it
MAX_ROWS = 16  # recipes of a comparison
MAX_SEEDS = 5
ROW = re.compile(r"(\d{1,9})\.", re.ASCII)


def to_query(recipe: Recipe) -> dict[str, str]:
    """Write a recipe as a query: data set, optimizer, scheduler, and every knob that differs from its default."""
    query = {"dataset": recipe.dataset, "optimizer": recipe.optimizer.name, "scheduler": recipe.scheduler.name}
    for name, value in recipe.model_dump(mode="json", exclude_defaults=True).items():
        if name in PARTS:
            kind = PARTS[name][query[name]]
            own = getattr(recipe, name).model_dump(mode="json")
            defaults = kind().model_dump(mode="json")
            query |= {knob: write_value(knob, own[knob]) for knob in own if own[knob] != defaults[knob]}
        else:
            query[name] = write_value(name, value)
    return query


def from_query(query: Mapping[str, str], default: Recipe) -> tuple[Recipe, list[Sentence]]:
    """Read a recipe from a query; what is wrong in it is left at its default, and named in a sentence each.

    A name that is no knob is passed over: a link may carry other things.
    """
    given = {name: read_text(name, text) for name, text in query.items()}
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


def drop_unknown_datasets(
    query: Mapping[str, str], datasets: Collection[str]
) -> tuple[dict[str, str], list[tuple[str, Sentence]]]:
    """Leave out the data sets that are not there; name each, with the parameter it stood in."""
    kept, refused = dict(query), []
    for name, value in query.items():
        if name.rpartition(".")[2] == "dataset" and value not in datasets:
            values = {"field": "dataset", "value": shorten(kept.pop(name)), "options": ", ".join(datasets)}
            refused.append((name, Sentence("{field} is {value}: this machine has {options}.", values)))
    return kept, refused


@dataclass(frozen=True)
class Plan:
    """A comparison before it is run: a recipe a row, each trained with `seeds` seeds."""

    recipes: tuple[Recipe, ...]
    seeds: int = 1
    hold_out: bool = False


def plan_to_query(plan: Plan) -> dict[str, str]:
    """Write a comparison: the first row as `to_query` does, of row N what differs, as N.lr; then rows, seeds, hold_out.

    Changes made while a run went on have no place in a comparison.
    """
    query = base = to_query(plan.recipes[0].model_copy(update={"changes": ()}))
    for number, recipe in enumerate(plan.recipes[1:], start=2):
        defaults = _write_all(Recipe(optimizer=type(recipe.optimizer)(), scheduler=type(recipe.scheduler)()))
        own = {name: text for name, text in _write_all(recipe).items() if text != (defaults | base)[name]}
        query = query | {f"{number}.{name}": text for name, text in own.items()}
    query = query | {"rows": str(len(plan.recipes))}
    if plan.seeds > 1:
        query["seeds"] = str(plan.seeds)
    return query | ({"hold_out": "true"} if plan.hold_out else {})


def plan_from_query(query: Mapping[str, str], default: Recipe) -> tuple[Plan | None, list[tuple[int, Sentence]]]:
    """Read a comparison; what is wrong in it is left at its default, and named with its row, 0 for the whole.

    None where the query says nothing of recipes.
    """
    refused: list[tuple[int, Sentence]] = []
    base = {name: text for name, text in query.items() if name in KNOBS and name != "changes"}
    own: dict[int, dict[str, str]] = {}
    for name, text in query.items():
        if ROW.match(name):
            number, knob = find_row(name), name.partition(".")[2]
            if not 1 <= number <= MAX_ROWS:
                template = "{field}: the rows have the numbers 1 to {most}."
                refused.append((0, Sentence(template, {"field": shorten(name), "most": MAX_ROWS})))
            elif knob not in KNOBS or knob == "changes":
                refused.append((number, Sentence("{field} is no knob of a recipe.", {"field": shorten(knob)})))
            else:
                own.setdefault(number, {})[knob] = text
    if not base and not own and "rows" not in query:
        return None, refused
    rows = _read_count(query, "rows", MAX_ROWS, max(own, default=1), refused)
    seeds = _read_count(query, "seeds", MAX_SEEDS, 1, refused)
    hold_out = query.get("hold_out", "false")
    if hold_out not in ("true", "false"):
        values = {"field": "hold_out", "value": shorten(hold_out)}
        refused.append((0, Sentence("{field} is {value}: it must be true or false.", values)))
    _first, common = from_query(base, default)
    refused += [(0, sentence) for sentence in common]
    recipes = []
    for number in range(1, rows + 1):
        recipe, problems = from_query(base | own.get(number, {}), default)
        recipes.append(recipe)
        refused += [(number, sentence) for sentence in problems if sentence not in common]
    return Plan(tuple(recipes), seeds, hold_out == "true"), refused


def find_row(name: str) -> int:
    """The row that a parameter speaks of: 3 for 3.lr, 0 for lr."""
    found = ROW.match(name)
    return int(found[1]) if found else 0


def _read_count(
    query: Mapping[str, str], name: str, most: int, default: int, refused: list[tuple[int, Sentence]]
) -> int:
    text = query.get(name, str(default))
    if re.fullmatch(r"\d{1,3}", text, re.ASCII) and 1 <= int(text) <= most:
        return int(text)
    values = {"field": name, "value": shorten(text), "low": 1, "high": most}
    refused.append((0, Sentence("{field} is {value}: it must be a whole number from {low} to {high}.", values)))
    return default


def _write_all(recipe: Recipe) -> dict[str, str]:
    """Every knob of a recipe, defaults included, as a link would say it."""
    own = recipe.model_dump(mode="json", exclude={*PARTS, "changes"})
    query = {}
    for part in PARTS:
        knobs = getattr(recipe, part).model_dump(mode="json")
        query[part] = knobs.pop("name")
        own |= knobs
    return query | {name: write_value(name, value) for name, value in own.items()}


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


def write_value(name: str, value: Any) -> str:
    """Write a knob's value as a link does: 0.1, true, 128,64."""
    if name in TEXTS or name in PARTS:
        return value
    text = json.dumps(value, separators=(",", ":"))
    return text[1:-1] if name in LISTS else text


def read_text(name: str, text: str) -> Any:
    """Read a knob's value; a text that is none stays as it is, for the recipe to refuse."""
    if name in TEXTS or name in PARTS:
        return text
    try:
        return json.loads(f"[{text}]" if name in LISTS else text)
    except (ValueError, RecursionError):  # no JSON, or nested without end
        return text
