"""Lessons: links that set, lock or hide hyperparameters, so that a class changes only what the lesson is about."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from mlpcore.messages import Sentence
from mlpcore.recipes import messages
from mlpcore.recipes.flat import flatten, list_fields, read_text, write_text
from mlpcore.recipes.hyperparameters import Hyperparameters
from mlpcore.recipes.points import KINDS, POINT_NAMES
from mlpcore.recipes.recipe import PARTS, Change, Recipe
from mlpcore.recipes.url import from_query, to_query
from mlpcore.recipes.validation import check_value, shorten

MAX_TITLE, MAX_TASK = 60, 300  # characters
DIAGNOSES = "diagnoses"  # what a lesson can hide beside hyperparameters
ROWS = "rows"  # what a lesson of a comparison can lock
TERMS = ("lock", "hide", "title", "task")  # what a link says of a lesson, beside the values
FIELDS = list_fields()
PART_ORDER = ("scheduler", "optimizer", "points", "")
CHOICES = sorted(FIELDS, key=lambda name: PART_ORDER.index(FIELDS[name].part))  # to lock or hide
GROUPS = {
    "images": ("dataset", "train_size", "label_noise", "validation_size"),
    "points": POINT_NAMES,
    "network": ("hidden_sizes", "activation", "dropout", "init", "label_smoothing", "l1_penalty", "max_norm"),
    "run": ("train_iter", "eval_every", "seed", "precision", "device", "average", "ema_decay", "swa_start"),
    "schedule": ("scheduler", *(name for name in CHOICES if FIELDS[name].part == "scheduler")),
}
# What these groups had when labels were first written. The rest is no part of a label while at its default, so that
# labels stay what they were.
FIRST = (
    *("hidden_sizes", "activation", "dropout", "train_iter", "eval_every", "seed", "precision", "device"),
    *("scheduler", "warmup_iters", "start_factor", "step_size", "gamma", "milestones", "T_max", "eta_min"),
    *("pct_start", "div_factor", "final_div_factor"),
)
YOUNGER = [name for group in ("network", "run", "schedule") for name in GROUPS[group] if name not in FIRST]


@dataclass(frozen=True)
class Lesson:
    """What a lesson fixes: hyperparameters that are locked, those that are hidden, and their values.

    A teaching aid, not a security boundary: a button, or a shorter address, leaves the lesson.
    """

    locked: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    values: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    task: str = ""  # what students are asked to do
    hides_diagnoses: bool = False

    @property
    def is_on(self) -> bool:
        """Whether there is a lesson at all."""
        return bool(self.locked or self.hidden or self.title or self.task or self.hides_diagnoses)

    @property
    def label(self) -> str:
        """What a run keeps of the lesson it was started in: a hash of all that it fixes, then its title; "" for none.

        The link of a lesson gives the same label to everybody, whatever they make of its open hyperparameters.
        """
        if not self.is_on:
            return ""
        default = {name: FIELDS[name].info.default for name in YOUNGER}
        plain = {name for name in YOUNGER if self.values.get(name, default[name]) == default[name]}
        values = {name: write_text(value) for name, value in sorted(self.values.items()) if name not in plain}
        held = [sorted(self.locked - plain), sorted(self.hidden - plain)]
        fixed = [*held, values, self.title, self.task, self.hides_diagnoses]
        return f"{hashlib.sha256(json.dumps(fixed).encode()).hexdigest()[:8]} {self.title}".strip()

    def holds(self, name: str) -> bool:
        """Whether a hyperparameter keeps the lesson's value."""
        return name in self.locked or name in self.hidden

    def value_of(self, name: str, kind: type[Hyperparameters]) -> Any:
        """The value of a locked or hidden hyperparameter of an optimizer, a scheduler, points or the recipe itself.

        The default where the lesson's value is out of range there: ExponentialLR takes no gamma of 0.5.
        """
        key = FIELDS[name].path[-1]
        default = kind.model_fields[key].default
        if name in PARTS:
            return self.values.get(name, default.name)
        try:
            return check_value(kind, key, self.values[name])
        except (KeyError, ValueError):
            return default

    def without_held(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """Leave out of a run's changes what the lesson locks or hides."""
        kept = [
            (change.step, {name: value for name, value in change.values.items() if not self.holds(name)})
            for change in changes
        ]
        return tuple(Change(step=step, **values) for step, values in kept if values)


def make_lesson(
    recipe: Recipe,
    *,
    locked: Iterable[str],
    hidden: Iterable[str],
    title: str = "",
    task: str = "",
    hides_diagnoses: bool = False,
    others: Mapping[str, Any] = MappingProxyType({}),
) -> Lesson:
    """Make a lesson that keeps these hyperparameters at the recipe's values; one both locked and hidden is hidden.

    Args:
        others: values to keep instead, or of hyperparameters that this recipe lacks.
    """
    hidden = frozenset(hidden)
    locked = frozenset(locked) - hidden
    values = {name: value for name, value in flatten(recipe).items() if name in locked | hidden}
    return Lesson(locked, hidden, values | {**others}, title, task, hides_diagnoses)


def title_of_label(label: str) -> str:
    """Return the title in a lesson's label; "" if it has none."""
    return label.partition(" ")[2]


def lesson_to_query(recipe: Recipe, lesson: Lesson) -> dict[str, str]:
    """Write a recipe and its lesson as the query of a link.

    A value that the recipe lacks, say of SGD's momentum while Adam is chosen, is written all the same.
    """
    query, own = to_query(recipe), flatten(recipe)
    query |= {name: write_text(value) for name, value in lesson.values.items() if own.get(name) != value}
    return query | terms_to_query(lesson)


def terms_to_query(lesson: Lesson) -> dict[str, str]:
    """Write what a link says of a lesson beside the values: what is locked and hidden, its title and its task."""
    hidden = [name for name in (_name(lesson.hidden), DIAGNOSES if lesson.hides_diagnoses else "") if name]
    terms = (_name(lesson.locked), ",".join(hidden), lesson.title, lesson.task)
    return {name: text for name, text in zip(TERMS, terms, strict=True) if text}


def terms_from_query(
    query: Mapping[str, str], *, lock: str = "", hide: str = "", values: Mapping[str, str] = MappingProxyType({})
) -> tuple[Lesson, list[Sentence]]:
    """Read the lesson of a page that sets up more, or less, than one recipe; what is wrong is named in a sentence.

    Args:
        lock: what a lesson can lock there, say ROWS.
        hide: what it can hide.
        values: what a lesson that locks keeps.
    """
    refused: list[Sentence] = []
    title, task = _read_line(query, "title", MAX_TITLE, refused), _read_line(query, "task", MAX_TASK, refused)
    for name, option in (("lock", lock), ("hide", hide)):
        if option and query.get(name, option) != option:
            named = {"field": name, "value": shorten(query[name]), "options": option}
            refused.append(Sentence(messages.NOT_AN_OPTION, named))
    locked = frozenset({lock} if lock and query.get("lock") == lock else ())
    hides = bool(hide) and query.get("hide") == hide
    return Lesson(locked, frozenset(), values if locked else {}, title, task, hides), refused


def lesson_from_query(query: Mapping[str, str], default: Recipe) -> tuple[Recipe, Lesson, list[Sentence]]:
    """Read a recipe and its lesson; what is wrong is left out and named in a sentence."""
    refused: list[Sentence] = []
    hidden = _read_names(query, "hide", refused, also=DIAGNOSES)
    locked = _read_names(query, "lock", refused)
    title, task = _read_line(query, "title", MAX_TITLE, refused), _read_line(query, "task", MAX_TASK, refused)
    hides_diagnoses, hidden = DIAGNOSES in hidden, hidden - {DIAGNOSES}
    others = _read_foreign(query, hidden | locked, default)
    recipe, problems = from_query({name: text for name, text in query.items() if name not in others}, default)
    refused += problems
    lesson = make_lesson(
        recipe, locked=locked, hidden=hidden, title=title, task=task, hides_diagnoses=hides_diagnoses, others=others
    )
    kept = lesson.without_held(recipe.changes)
    if kept != recipe.changes:
        refused.append(Sentence(messages.LESSON_KEEPS, {"field": "changes"}))
    return recipe.model_copy(update={"changes": kept}), lesson, refused


def _read_foreign(query: Mapping[str, str], held: Collection[str], default: Recipe) -> dict[str, Any]:
    """Read the values that are valid only for another optimizer, scheduler or data set than the link's."""
    found: dict[str, Any] = {}
    for one in [FIELDS[name] for name in held & query.keys() if FIELDS[name].part]:
        chosen = query.get(one.chosen_by, "")
        chosen = chosen if chosen in KINDS[one.part] else one.chosen_in(default)
        for owner in sorted(one.owners, key=lambda owner: owner != chosen):  # the link's own first
            with suppress(ValueError):
                value = check_value(one.owners[owner], one.path[-1], read_text(one.name, query[one.name]))
                found |= {one.name: value} if owner != chosen else {}
                break
    return found


def _name(chosen: frozenset[str]) -> str:
    """Write names as a link does: a group's name stands for all that it holds."""
    groups = [group for group, names in GROUPS.items() if chosen >= set(names)]
    grouped = {name for group in groups for name in GROUPS[group]}
    return ",".join(groups + [name for name in (*CHOICES, ROWS) if name in chosen - grouped])


def _read_names(query: Mapping[str, str], parameter: str, refused: list[Sentence], *, also: str = "") -> frozenset[str]:
    """Read names of hyperparameters and groups. also: another name that may stand there."""
    asked = dict.fromkeys(part.strip() for part in query.get(parameter, "").split(","))
    asked.pop("", None)
    unknown = [name for name in asked if name not in CHOICES and name not in GROUPS and name != also]
    if unknown:
        values = {"field": parameter, "names": shorten(", ".join(unknown))}
        refused.append(Sentence(messages.UNKNOWN_NAMES, values))
    return frozenset(one for name in asked if name not in unknown for one in GROUPS.get(name, (name,)))


def _read_line(query: Mapping[str, str], parameter: str, most: int, refused: list[Sentence]) -> str:
    text = query.get(parameter, "").strip()
    if len(text) <= most and text.isprintable():
        return text
    refused.append(Sentence(messages.BAD_LINE, {"field": parameter, "value": shorten(text), "most": most}))
    return ""
