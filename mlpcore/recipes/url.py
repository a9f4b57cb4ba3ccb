"""Convert a recipe, or a comparison of several, to the query of a link and back."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from mlpcore.messages import Sentence
from mlpcore.recipes import messages
from mlpcore.recipes.flat import flatten, list_fields, nest, read_text, write_text
from mlpcore.recipes.points import POINT_SETS, name_folder
from mlpcore.recipes.recipe import PARTS, Recipe
from mlpcore.recipes.validation import find_problems, shorten

MAX_ROWS = 16  # recipes of a comparison
MAX_SEEDS = 5
NAME = re.compile(r"[\w .\-]{1,40}")
ROW = re.compile(r"(\d{1,9})\.", re.ASCII)
# what a link says even where it is the default; data_seed tells points from an older link to a folder of images
ALWAYS = ("dataset", *PARTS, "data_seed")
FIELDS = list_fields()


def to_query(recipe: Recipe) -> dict[str, str]:
    """Write a recipe as a query: data set, optimizer, scheduler, and every value that differs from its default."""
    texts, defaults = _write_all(recipe), _write_defaults(recipe)
    query = {name: text for name, text in texts.items() if name in ALWAYS or text != defaults[name]}
    if recipe.changes:
        query["changes"] = write_text([change.model_dump(exclude_none=True) for change in recipe.changes])
    return query


def from_query(query: Mapping[str, str], default: Recipe) -> tuple[Recipe, list[Sentence]]:
    """Read a recipe from a query; a wrong value is left at its default and named in a sentence.

    Names that are not hyperparameters are passed over: a link may carry other things.

    Args:
        default: gives the data set, the optimizer and the scheduler where the query names none.
    """
    given = {name: read_text(name, text) for name, text in query.items() if name in FIELDS or name == "changes"}
    refused: list[Sentence] = []
    while True:
        try:
            return Recipe.model_validate({"dataset": default.dataset} | nest(given, default)), refused
        except ValidationError as error:
            problems = find_problems(error)
            refused += [sentence for _, sentence in problems]
            wrong = {name for name, _ in problems}
            if not wrong & given.keys():  # two values that do not fit together, one of them not in the link
                wrong = _find_companions(wrong, given)
            if not wrong:
                return default, refused
            given = {name: value for name, value in given.items() if name not in wrong}


def drop_unknown_datasets(
    query: Mapping[str, str], datasets: Collection[str]
) -> tuple[dict[str, str], list[tuple[str, Sentence]]]:
    """Leave out the data sets that this machine lacks; name each, with the parameter it stood in.

    Where this machine has a folder of images called like a data set of points, a link from before there were points
    means the folder.
    """
    kept, refused = dict(query), []
    knows_points = any(name.rpartition(".")[2] == "data_seed" for name in query)
    for name, value in query.items():
        if name.rpartition(".")[2] != "dataset":
            continue
        if value in POINT_SETS and not knows_points and name_folder(value) in datasets:
            kept[name] = name_folder(value)
        elif value not in datasets:
            values = {"field": "dataset", "value": shorten(kept.pop(name)), "options": ", ".join(datasets)}
            refused.append((name, Sentence(messages.NOT_ON_THIS_MACHINE, values)))
    return kept, refused


@dataclass(frozen=True)
class Plan:
    """A comparison yet to be run: one recipe per row, each trained with `seeds` seeds."""

    recipes: tuple[Recipe, ...]
    seeds: int = 1
    hold_out: bool = False
    names: tuple[str, ...] = ()  # that a person gave to the rows, "" for none


def plan_to_query(plan: Plan) -> dict[str, str]:
    """Write a comparison: the first row as `to_query` does, of row N what differs, as N.lr; then the rest.

    Changes made while a run went on are left out: a comparison has none.
    """
    query = base = to_query(plan.recipes[0].model_copy(update={"changes": ()}))
    for number, recipe in enumerate(plan.recipes[1:], start=2):
        first = _write_defaults(recipe) | base
        query = query | {f"{number}.{name}": text for name, text in _write_all(recipe).items() if text != first[name]}
    query = query | {"rows": str(len(plan.recipes))}
    if plan.seeds > 1:
        query["seeds"] = str(plan.seeds)
    if any(plan.names):
        query["names"] = ",".join(plan.names)  # a name has no comma
    return query | ({"hold_out": "true"} if plan.hold_out else {})


def plan_from_query(query: Mapping[str, str], default: Recipe) -> tuple[Plan | None, list[tuple[int, Sentence]]]:
    """Read a comparison; a wrong value is left at its default and named with its row, 0 for all rows.

    None where the query holds no comparison.
    """
    refused: list[tuple[int, Sentence]] = []
    base = {name: text for name, text in query.items() if name in FIELDS}
    own: dict[int, dict[str, str]] = {}
    for name, text in query.items():
        number, _dot, field = name.partition(".")
        if not ROW.match(name):
            continue
        if not 1 <= int(number) <= MAX_ROWS:
            refused.append((0, Sentence(messages.BAD_ROW, {"field": shorten(name), "most": MAX_ROWS})))
        elif field not in FIELDS:
            refused.append((int(number), Sentence(messages.NOT_IN_RECIPES, {"field": shorten(field)})))
        else:
            own.setdefault(int(number), {})[field] = text
    if not base and not own and "rows" not in query:
        return None, refused
    rows = _read_count(query, "rows", MAX_ROWS, max(own, default=1), refused)
    seeds = _read_count(query, "seeds", MAX_SEEDS, 1, refused)
    hold_out = query.get("hold_out", "false")
    if hold_out not in ("true", "false"):
        values = {"field": "hold_out", "value": shorten(hold_out)}
        refused.append((0, Sentence(messages.NOT_A_BOOLEAN, values)))
    _first, common = from_query(base, default)
    refused += [(0, sentence) for sentence in common]
    recipes = []
    for row in range(1, rows + 1):
        recipe, problems = from_query(base | own.get(row, {}), default)
        recipes.append(recipe)
        refused += [(row, sentence) for sentence in problems if sentence not in common]
    return Plan(tuple(recipes), seeds, hold_out == "true", _read_names(query, rows, refused)), refused


def find_row(name: str) -> int:
    """The row that a parameter belongs to: 3 for 3.lr, 0 for lr."""
    found = ROW.match(name)
    return int(found[1]) if found else 0


def _read_names(query: Mapping[str, str], rows: int, refused: list[tuple[int, Sentence]]) -> tuple[str, ...]:
    names = [name.strip() for name in query.get("names", "").split(",")[:rows]]
    for row, name in enumerate(names):
        if name and not NAME.fullmatch(name):
            refused.append((row + 1, Sentence(messages.BAD_NAME, {"field": "name", "value": shorten(name)})))
            names[row] = ""
    return tuple(names + [""] * (rows - len(names))) if any(names) else ()


def _read_count(
    query: Mapping[str, str], name: str, most: int, default: int, refused: list[tuple[int, Sentence]]
) -> int:
    text = query.get(name, str(default))
    if re.fullmatch(r"\d{1,3}", text, re.ASCII) and 1 <= int(text) <= most:
        return int(text)
    values = {"field": name, "value": shorten(text), "low": 1, "high": most}
    refused.append((0, Sentence(messages.NOT_A_WHOLE_NUMBER, values)))
    return default


def _write_all(recipe: Recipe) -> dict[str, str]:
    """Write every value of a recipe, defaults included, in the order of a link."""
    flat, places = flatten(recipe), list(Recipe.model_fields)
    del flat["changes"]
    order = sorted(flat, key=lambda name: (name not in ALWAYS, places.index(FIELDS[name].path[0])))
    return {name: write_text(flat[name]) for name in order}


def _write_defaults(recipe: Recipe) -> dict[str, str]:
    optimizer, scheduler = type(recipe.optimizer)(), type(recipe.scheduler)()
    # not validated: Rprop needs a batch that is no default
    return _write_all(Recipe(dataset=recipe.dataset, scheduler=scheduler).model_copy(update={"optimizer": optimizer}))


def _find_companions(wrong: Collection[str], given: Collection[str]) -> set[str]:
    """Name the given values of the same optimizer, or the scheduler, which must fit the run's length."""
    part = next((FIELDS[name].part for name in wrong if name in FIELDS and FIELDS[name].part), "scheduler")
    either = {"changes", "scheduler"} if part == "scheduler" else {"changes"}
    return {name for name in given if name in either or FIELDS[name].part == part}
