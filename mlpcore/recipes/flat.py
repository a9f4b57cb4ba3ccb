"""Recipes as flat names and values, and back."""

from collections.abc import Mapping
from typing import Any

from mlpcore.recipes.recipe import PARTS, Recipe


def flatten(recipe: Recipe) -> dict[str, Any]:
    """Write all knobs of a recipe side by side; `optimizer` and `scheduler` are their names."""
    knobs = recipe.model_dump()
    optimizer, scheduler = knobs.pop("optimizer"), knobs.pop("scheduler")
    names = {"optimizer": optimizer.pop("name"), "scheduler": scheduler.pop("name")}
    return names | optimizer | scheduler | knobs


def unflatten(knobs: Mapping[str, Any]) -> Recipe:
    """Make a recipe of knobs written side by side; those that its optimizer or scheduler lacks are left out.

    None stands for a knob's default. Raises ValidationError, a ValueError.
    """
    values = {name: value for name, value in knobs.items() if value is not None}
    recipe = {name: value for name, value in values.items() if name in Recipe.model_fields}
    for part, kinds in PARTS.items():
        name = values.get(part, Recipe.model_fields[part].default.name)
        fields = kinds[name].model_fields if isinstance(name, str) and name in kinds else {}
        recipe[part] = {knob: value for knob, value in values.items() if knob in fields} | {"name": name}
    return Recipe.model_validate(recipe)
