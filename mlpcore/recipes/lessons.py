"""Lessons: a link that presets, locks or hides knobs, so that a class turns only those that the lesson is about."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from mlpcore.messages import Sentence
from mlpcore.recipes.flat import flatten
from mlpcore.recipes.recipe import PARTS, SCHEDULERS, Change, Recipe
from mlpcore.recipes.url import KNOBS, from_query, read_text, to_query, write_value
from mlpcore.recipes.validation import shorten

MAX_TITLE = 60  # characters
GROUPS = {
    "images": ("dataset", "train_size", "label_noise", "validation_size"),
    "network": ("hidden_sizes", "activation", "dropout"),
    "run": ("train_iter", "eval_every", "seed", "device"),
    "schedule": (
        "scheduler",
        *dict.fromkeys(name for kind in SCHEDULERS.values() for name in kind.model_fields if name != "name"),
    ),
}
CHOICES = [name for name in KNOBS if name != "changes"]  # what can be locked or hidden


@dataclass(frozen=True)
class Lesson:
    """What students find set: knobs shown but locked, knobs hidden, and the value of each.

    A teaching aid and no security boundary: whoever wants to leaves it by a button, or by shortening the address.
    """

    locked: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    values: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""

    @property
    def is_on(self) -> bool:
        """Whether there is a lesson at all."""
        return bool(self.locked or self.hidden or self.title)

    def holds(self, name: str) -> bool:
        """Whether a knob keeps the lesson's value."""
        return name in self.locked or name in self.hidden

    def value_of(self, name: str, kind: type[BaseModel]) -> Any:
        """The value of a held knob in this optimizer, this schedule or the recipe itself.

        Where the lesson's own does not fit (ExponentialLR takes no gamma of 0.5), the default.
        """
        if name in self.values and (name in PARTS or _takes(kind, name, self.values[name])):
            return self.values[name]
        default = kind.model_fields[name].default
        return default.name if name in PARTS else default

    def without_held(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """A run's edits less those of held knobs: they keep their value throughout."""
        kept = [
            {"step": change.step} | {name: value for name, value in change.values.items() if not self.holds(name)}
            for change in changes
        ]
        return tuple(Change.model_validate(change) for change in kept if len(change) > 1)


def make_lesson(
    recipe: Recipe,
    *,
    locked: Iterable[str],
    hidden: Iterable[str],
    title: str = "",
    others: Mapping[str, Any] = MappingProxyType({}),
) -> Lesson:
    """Hold these knobs at the recipe's values; one that is both locked and hidden is hidden.

    others: values of knobs that this recipe does not have, or has not with this value.
    """
    hidden = frozenset(hidden)
    locked = frozenset(locked) - hidden
    values = {name: value for name, value in flatten(recipe).items() if name in locked | hidden}
    return Lesson(locked, hidden, values | {**others}, title)


def lesson_to_query(recipe: Recipe, lesson: Lesson) -> dict[str, str]:
    """Write a recipe and the lesson that holds some of its knobs.

    A held value that the recipe does not show, say of SGD's momentum while Adam is chosen, is written all the same.
    """
    query, own = to_query(recipe), flatten(recipe)
    query |= {name: write_value(name, value) for name, value in lesson.values.items() if own.get(name) != value}
    named = {"lock": _name(lesson.locked), "hide": _name(lesson.hidden), "title": lesson.title}
    return query | {name: text for name, text in named.items() if text}


def lesson_from_query(query: Mapping[str, str], default: Recipe) -> tuple[Recipe, Lesson, list[Sentence]]:
    """Read a recipe and its lesson; what is wrong is left out, and named in a sentence each."""
    refused: list[Sentence] = []
    hidden = _read_names(query, "hide", refused)
    locked = _read_names(query, "lock", refused)
    title = _read_title(query, refused)
    values, others = _split_values(query, hidden | locked, default)
    recipe, problems = from_query({name: text for name, text in query.items() if name not in others}, default)
    refused += problems
    lesson = make_lesson(recipe, locked=locked, hidden=hidden, title=title, others=values)
    kept = lesson.without_held(recipe.changes)
    if kept != recipe.changes:
        template = "{field} edits a knob that this lesson holds: that edit is left out."
        refused.append(Sentence(template, {"field": "changes"}))
    return recipe.model_copy(update={"changes": kept}), lesson, refused


def _split_values(
    query: Mapping[str, str], held: Collection[str], default: Recipe
) -> tuple[dict[str, Any], frozenset[str]]:
    """The held values that only another optimizer or schedule than the link's takes, and where they stand."""
    values = {}
    for part, kinds in PARTS.items():
        chosen = query.get(part, getattr(default, part).name)
        for name in held & query.keys():
            having = [kind for kind in kinds.values() if name in kind.model_fields]
            value = read_text(name, query[name])
            takers = [kind for kind in having if _takes(kind, name, value)]
            if takers and kinds.get(chosen) not in takers:
                values[name] = getattr(takers[0].model_validate(_with(takers[0], name, value)), name)
    return values, frozenset(values)


def _with(kind: type[BaseModel], name: str, value: Any) -> dict[str, Any]:
    return {name: value} | ({"nesterov": False} if name == "momentum" and "nesterov" in kind.model_fields else {})


def _takes(kind: type[BaseModel], name: str, value: Any) -> bool:
    """Whether a knob of this optimizer or schedule may have a value, whatever the others are."""
    try:
        kind.model_validate(_with(kind, name, value))
    except ValidationError as error:
        return all(details["loc"][:1] != (name,) for details in error.errors(include_url=False))
    return True


def _name(knobs: frozenset[str]) -> str:
    """Write knobs as a link does, a group by its name where all of it is meant."""
    groups = [group for group, names in GROUPS.items() if knobs >= set(names)]
    grouped = {name for group in groups for name in GROUPS[group]}
    return ",".join(groups + [name for name in CHOICES if name in knobs - grouped])


def _read_names(query: Mapping[str, str], parameter: str, refused: list[Sentence]) -> frozenset[str]:
    asked = dict.fromkeys(part.strip() for part in query.get(parameter, "").split(","))
    asked.pop("", None)
    unknown = [name for name in asked if name not in CHOICES and name not in GROUPS]
    if unknown:
        values = {"field": parameter, "names": shorten(", ".join(unknown))}
        refused.append(Sentence("{field} names {names}: no such knob.", values))
    return frozenset(knob for name in asked if name not in unknown for knob in GROUPS.get(name, (name,)))


def _read_title(query: Mapping[str, str], refused: list[Sentence]) -> str:
    title = query.get("title", "").strip()
    if len(title) <= MAX_TITLE and title.isprintable():
        return title
    values = {"field": "title", "value": shorten(title), "most": MAX_TITLE}
    refused.append(Sentence("{field} is {value}: it must be at most {most} letters, digits and signs.", values))
    return ""
