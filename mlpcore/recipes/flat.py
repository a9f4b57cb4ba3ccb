"""The codec between a recipe and flat names: links, tables, flags, forms and lessons all read and write through it.

The flat name is normally the field's name: all optimizers share one `lr`, all schedulers one `gamma`. If a field that
is added later has a name that another part uses already, it gets a prefix: a scheduler's `eps` becomes `scheduler.eps`,
and an optimizer nested in the field `adamw` has `adamw.lr`. So every name in an old link keeps its meaning.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from mlpcore.numbers import exact_number
from mlpcore.recipes.hyperparameters import Hyperparameters
from mlpcore.recipes.parts import PARTS
from mlpcore.recipes.points import CHOOSERS, KINDS
from mlpcore.recipes.recipe import Recipe

Path = tuple[str, ...]  # where a hyperparameter stands in a recipe: ("optimizer", "lr")

# Who has a name, by the part's path. Add the names of new hyperparameters here: a name in a link is for ever.
BARE_NAMES: dict[str, Path] = {
    name: path
    for path, names in {
        ("optimizer",): "lr momentum weight_decay nesterov betas eps alpha lr_decay amsgrad momentum_decay "
        "decoupled_weight_decay rho lambd t0 beta2_decay d adamw_scale "
        "adjust_lr_fn etas step_sizes",
        ("points",): "count noise classes data_seed",
        ("scheduler",): "warmup_iters start_factor step_size gamma milestones T_max eta_min pct_start div_factor "
        "final_div_factor end_factor total_iters power factor T_0 T_mult step_size_up step_size_down mode "
        "cycle_momentum base_momentum max_momentum stable_iters decay_iters patience threshold threshold_mode cooldown "
        "min_lr",
        (): "dataset train_size validation_size label_noise hidden_sizes activation dropout optimizer scheduler "
        "batch_size train_iter eval_every seed precision device changes init label_smoothing l1_penalty max_norm "
        "average ema_decay swa_start",
        (
            "link",
        ): "rows names seeds hold_out lock hide title task run runs lang lab remedies predict concept sweep kind rates "
        "datasets",  # the rest of an address
    }.items()
    for name in names.split()
}


@dataclass(frozen=True)
class FlatField:
    """A hyperparameter beside all others: its flat name, its path, and the models that have it."""

    name: str
    path: Path
    # by the name of the optimizer, the scheduler or the data set of points; "" for the recipe itself
    owners: Mapping[str, type[Hyperparameters]]

    @property
    def part(self) -> str:
        """The part of the recipe that it belongs to: "optimizer", "scheduler", "points", or "" for the recipe."""
        return self.path[0] if len(self.path) > 1 else ""

    @property
    def chosen_by(self) -> str:
        """The flat name of what decides whether a recipe has it: its part, or `dataset` for points; "" if all do."""
        return CHOOSERS.get(self.part, self.part)

    def chosen_in(self, recipe: Recipe) -> str:
        """The name in a recipe that decides whether it has this hyperparameter."""
        value = getattr(recipe, self.chosen_by, "")
        return value if isinstance(value, str) else value.name

    @property
    def info(self) -> FieldInfo:
        """The field of the first model that has it."""
        return next(iter(self.owners.values())).model_fields[self.path[-1]]

    @property
    def help(self) -> str:
        """What it does, in a line of English, for the first model that has it."""
        return self.info.description or ""

    def list_helps(self, owners: Collection[str] | None = None) -> dict[str, list[str]]:
        """List what it does for some of its owners, or for all: each line, and whom it is for."""
        found: dict[str, list[str]] = {}
        for owner, model in self.owners.items():
            if owners is None or owner in owners:
                found.setdefault(model.model_fields[self.path[-1]].description or "", []).append(owner)
        return found

    @property
    def type(self) -> type[Any]:
        """What a value is: int, float, bool, tuple for several numbers, or str for a name or a choice."""
        annotation = self.info.annotation
        kinds = (annotation, get_origin(annotation), *get_args(annotation))
        return next((kind for kind in (bool, int, float) if kind in kinds), tuple if tuple in kinds else str)

    @property
    def may_be_empty(self) -> bool:
        """Whether None is a value."""
        return type(None) in get_args(self.info.annotation)

    @property
    def options(self) -> list[str]:
        """The names to choose from; none where it is no choice."""
        return list(PARTS.get(self.name, ())) or [name for name in get_args(self.info.annotation) if type(name) is str]


@cache
def list_fields(model: type[Hyperparameters] = Recipe) -> dict[str, FlatField]:
    """List the hyperparameters of a recipe by their flat names, in the order of its fields; changes are not one."""
    found: dict[Path, dict[str, type[Hyperparameters]]] = {}
    for path, owner, kind in _walk(model):
        found.setdefault(path, {})[owner] = kind
    taken, fields = dict(BARE_NAMES), {}
    for path, owners in found.items():
        is_free = taken.setdefault(path[-1], path[:-1]) == path[:-1]
        name = path[-1] if is_free else ".".join(("recipe", *path)[-2:])
        fields[name] = FlatField(name, path, owners)
    return fields


def flatten(recipe: Recipe) -> dict[str, Any]:
    """Write all hyperparameters of a recipe side by side; `optimizer` and `scheduler` are their names."""
    names = {field.path: name for name, field in list_fields(type(recipe)).items()}
    values = _dump(recipe)
    values["changes"] = tuple(change.model_dump() for change in recipe.changes)
    parts = {part: values.pop(part) for part in KINDS}
    if parts["points"] is None:  # images
        del parts["points"]
    own = {names.get((name,), name): value for name, value in values.items()}
    return {part: parts[part]["name"] for part in PARTS} | dict(_spread(parts, names)) | own


def nest(values: Mapping[str, Any], base: Recipe, *, foreign: bool = False) -> dict[str, Any]:
    """Put flat values where they belong in a recipe, for it to validate; other names are left out.

    base: its optimizer, scheduler and data set decide where `values` names none.
    foreign: keep the values that the chosen optimizer, scheduler or data set lacks, for it to refuse.
    """
    fields = list_fields(type(base))
    recipe: dict[str, Any] = {part: {"name": values.get(part, getattr(base, part).name)} for part in PARTS}
    chosen = {part: recipe[part]["name"] for part in PARTS} | {"dataset": values.get("dataset", base.dataset), "": ""}
    for name, value in values.items():
        if name == "changes":
            recipe[name] = value
        if (field := fields.get(name)) is None or name in PARTS:
            continue
        owner = chosen[field.chosen_by]
        if foreign or (isinstance(owner, str) and owner in field.owners):
            place = recipe
            for step in field.path[:-1]:
                place = place.setdefault(step, {})
            place[field.path[-1]] = value
    return recipe


def unflatten(values: Mapping[str, Any], base: Recipe | None = None) -> Recipe:
    """Make a recipe of flat values; those that its optimizer, scheduler or data lack are left out, None is the default.

    Raises ValidationError, a ValueError.
    """
    base = base or Recipe()
    given = {name: value for name, value in values.items() if value is not None}
    return type(base).model_validate(nest(given, base))


def write_text(value: Any) -> str:
    """Write a value as a link does: 0.1, true, 128,64."""
    if isinstance(value, str):
        return value
    text = json.dumps(value, separators=(",", ":"))
    return text[1:-1] if isinstance(value, tuple) else text


def read_text(name: str, text: str) -> Any:
    """Read a value in a link; an unreadable text is returned unchanged, for the recipe to refuse."""
    kind = list_fields()[name].type if name in list_fields() else None
    if kind is str:
        return text
    try:
        return json.loads(f"[{text}]" if kind is tuple else text)
    except (ValueError, RecursionError):  # not JSON, or nested without end
        return text


def read_number(text: str) -> int | float | str:
    """Read a number that a person typed; an unreadable text is returned unchanged, for the recipe to refuse."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text.strip()


def read_numbers(text: str) -> list[int | float | str]:
    """Read numbers that a person typed with commas between them: "128, 64"."""
    return [read_number(part) for part in text.split(",") if part.strip()]


def write_numbers(values: Sequence[Any]) -> str:
    """Write numbers as a person types them: "128, 64", "1e-6, 50"; anything else as it is."""
    return ", ".join(exact_number(value) if isinstance(value, float) else str(value) for value in values)


def _walk(
    model: type[Hyperparameters], path: Path = (), owner: str = ""
) -> Iterator[tuple[Path, str, type[Hyperparameters]]]:
    """Visit each field of a model, and of the models that its fields hold: its path, the kind chosen, and its model."""
    for name, field in model.model_fields.items():
        if name in ("name", "changes"):
            continue
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if _is_model(kind)]
        if len(kinds) != 1 and name not in CHOOSERS:  # a field that always holds the same model is no choice
            yield (*path, name), owner, model
        for kind in kinds:
            yield from _walk(kind, (*path, name), owner or kind.model_fields["name"].default)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Hyperparameters)


def _dump(model: Hyperparameters) -> dict[str, Any]:
    """Dump a model with all of its fields; `model_dump` leaves out what is at the default of a younger field."""
    return {name: _dump(value) if isinstance(value, Hyperparameters) else value for name, value in model}


def _spread(values: Mapping[str, Any], names: Mapping[Path, str], path: Path = ()) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        here = (*path, key)
        if isinstance(value, dict):
            yield from _spread(value, names, here)
        elif here in names:
            yield names[here], value
