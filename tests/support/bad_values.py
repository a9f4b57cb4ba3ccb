"""What no hyperparameter of a recipe may be: strategies for hypothesis, and places to put it."""

import json
import math
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin

from hypothesis import strategies as st

from mlpcore.recipes.flat import list_fields
from mlpcore.recipes.hyperparameters import Hyperparameters
from mlpcore.recipes.points import POINT_SETS
from mlpcore.recipes.recipe import OPTIMIZERS, SCHEDULERS, Change, Recipe
from mlpcore.recipes.validation import PAIRS, find_limits

HUGE = (10**400, -(10**400), 2**64, 1e308, -1e308)
NO_NUMBERS = (math.nan, math.inf, -math.inf)
STRANGE_TEXTS = (
    *("", " ", "NaN", "inf", "-0", "1e999", "null", "true", "0x10", "1_000", "٣", "½", "{}", "[]", "{0}", "%s"),
    *("\0", "a\0b", "\ud800", "\u202eabc", "\u200b", "😀" * 30, "مرحبا", "e\u0301" * 40, "x\ny", "\x1b[31m"),
    *("../../etc/passwd", "/dev/zero", "C:\\", "\\\\host\\share", "file:///etc/passwd", "~root", "con"),
    *("![x](http://a.example/b.png)", "<img src=x onerror=alert(1)>", "[a](javascript:alert(1))", "$x$", ":red[x]"),
    *("'; drop table runs; --", "__class__", "{x.__class__}", "x" * 10_000, "9" * 5_000),
)
DATASET = re.compile(r"[\w\-][\w .\-]{0,39}")
LISTS = ("hidden_sizes", "milestones", *PAIRS, "changes")
PARTS = ("optimizer", "scheduler")
MODELS: dict[str, type[Hyperparameters]] = {"": Recipe, "Change": Change, **OPTIMIZERS, **SCHEDULERS, **POINT_SETS}


@dataclass(frozen=True)
class Field:
    """A hyperparameter: `kind` is who has it: an optimizer, a scheduler, points, "Change", or "" for the recipe."""

    kind: str
    name: str

    @property
    def model(self) -> type[Hyperparameters]:
        return MODELS[self.kind]

    @property
    def flat_name(self) -> str:
        """What links call it."""
        fields = list_fields().values()
        return next((one.name for one in fields if one.path[-1] == self.name and self.kind in one.owners), self.name)

    def place(self, value: Any) -> dict[str, Any]:
        """A recipe, as a dict, that is wrong in this field and in nothing else."""
        if self.kind == "":
            return {self.name: value}
        if self.kind == "Change":
            return {"changes": [{"step": 1, "lr": 0.1} | {self.name: value}]}
        part = {"name": self.kind} | {self.name: value}
        if self.kind in POINT_SETS:
            return {"dataset": self.kind, "points": part}
        return {"optimizer" if self.kind in OPTIMIZERS else "scheduler": part} | self._needed()

    def place_flat(self, value: Any) -> dict[str, Any]:
        """The same with flat names, as in a link or a row of a comparison."""
        if self.kind in ("", "Change"):
            return self.place(value)
        chooser = "dataset" if self.kind in POINT_SETS else "optimizer" if self.kind in OPTIMIZERS else "scheduler"
        return {chooser: self.kind, self.flat_name: value} | self._needed()

    def _needed(self) -> dict[str, Any]:
        """What a recipe needs so that nothing else is wrong: for a full batch, as many images as are in a batch."""
        is_full = self.kind in OPTIMIZERS and OPTIMIZERS[self.kind].needs_full_batch
        return {"train_size": Recipe().batch_size} if is_full else {}

    def is_named(self, sentence: str) -> bool:
        """Whether a sentence says which field it is about."""
        inner = ("step", "lr", "x") if self.name == "changes" else ("changes",) if self.kind == "Change" else ()
        return any(re.search(rf"\b{name}\b", sentence) for name in (self.name, *inner))


FIELDS = [
    Field(kind, name) for kind, model in MODELS.items() for name in model.model_fields if name not in ("name", "points")
]
HYPERPARAMETERS = [field for field in FIELDS if field.kind != "Change" and field.name != "changes"]


@cache
def texts() -> st.SearchStrategy[str]:
    return st.sampled_from(STRANGE_TEXTS) | st.text(max_size=12)


@cache
def containers() -> st.SearchStrategy[Any]:
    """What holds something else, but for lists that hold what a hyperparameter could be."""
    nested: st.SearchStrategy[Any] = st.recursive(
        st.sampled_from([[], {}]), lambda inner: st.lists(inner, min_size=1, max_size=2), max_leaves=4
    )
    return st.dictionaries(texts(), st.integers() | texts(), max_size=3) | nested.map(lambda inner: [inner])


@cache
def wrong_values(field: Field) -> st.SearchStrategy[Any]:
    """Values, as JSON has them, that this field must refuse."""
    name = field.name
    nothing = containers() | st.sampled_from(NO_NUMBERS) | st.sampled_from(HUGE)
    if name == "dataset":
        return nothing | st.integers() | st.booleans() | texts().filter(lambda text: not DATASET.fullmatch(text))
    if name in PARTS:
        kinds = OPTIMIZERS | SCHEDULERS
        unknown = texts().filter(lambda text: text not in kinds).map(lambda text: {"name": text})
        return unknown | st.integers() | st.booleans() | texts() | st.none() | st.lists(st.integers(), max_size=3)
    annotation = field.model.model_fields[name].annotation if name in field.model.model_fields else None
    if get_origin(annotation) is Literal:
        allowed = get_args(annotation)
        return nothing | st.integers() | st.booleans() | st.none() | texts().filter(lambda text: text not in allowed)
    if annotation is bool:
        return nothing | st.integers() | st.none() | texts()
    if name == "changes":
        edits = st.dictionaries(st.sampled_from(["step", "lr", "x"]), texts(), max_size=2)
        return st.integers() | texts() | st.booleans() | st.lists(edits | texts(), min_size=1, max_size=3)
    if name == "step":  # its bounds in a recipe: from 0 to the last iteration but one
        return nothing | st.booleans() | texts() | st.none() | st.integers(max_value=-1) | st.integers(min_value=3000)
    wrong = nothing | st.booleans() | texts() | _out_of_range(field)
    if name in LISTS:
        # a list of good numbers, then of at least one wrong one, or none at all
        return wrong | st.just([]) | st.lists(wrong, min_size=1, max_size=3) | st.just([1] * 2000)
    if field.model.model_fields[name].default is not None:
        wrong |= st.none()
    return wrong


def _out_of_range(field: Field) -> st.SearchStrategy[Any]:
    low, high = find_limits(field.model, field.name)
    if isinstance(low, int):
        fractions = st.floats(low, high, exclude_min=True).filter(lambda number: not number.is_integer())
        return st.integers(max_value=low - 1) | st.integers(min_value=int(high) + 1) | fractions
    below = st.floats(max_value=math.nextafter(low, -math.inf))
    return below | st.floats(min_value=math.nextafter(high, math.inf)) | st.integers(min_value=int(high) + 1)


def as_text(field: Field, value: Any) -> str:
    """A value as a link would carry it."""
    if isinstance(value, str):
        return value
    text = json.dumps(value)
    return text[1:-1] if field.name in LISTS[:-1] and isinstance(value, list) else text
