"""The search space of a sweep: which hyperparameters vary, and over which values or range."""

import math
from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from mlpcore.messages import SentenceError
from mlpcore.numbers import exact_number
from mlpcore.recipes.flat import FlatField, list_fields
from mlpcore.recipes.hyperparameters import Hyperparameters
from mlpcore.recipes.messages import NOT_A_WHOLE_NUMBER, NOT_AN_OPTION
from mlpcore.recipes.parts import PARTS
from mlpcore.recipes.points import POINT_NAMES
from mlpcore.recipes.validation import check_value, find_limits, find_problems, shorten
from mlpcore.sweeps import messages

MAX_DIMENSIONS = 6
MAX_VALUES = 50  # of a list
FIXED = ("dataset", *POINT_NAMES, "validation_size", "seed", "device", "eval_every")  # what makes trials comparable
LOG_ABOVE = 100.0  # a range that spans more than this factor is logarithmic by default

Value = bool | int | float | str | tuple[int | float, ...]
Kinds = Mapping[str, Collection[str]]  # the names of the optimizers and of the schedulers that a sweep has


class Range(Hyperparameters):
    """All numbers from `low` to `high`, whole ones if both are; on a grid, `points` of them at equal distances."""

    low: int | float
    high: int | float
    log: bool = False  # whether equal ratios are equally far apart, as for a learning rate
    points: Annotated[int, Field(ge=2, le=MAX_VALUES)] = 5

    @property
    def is_whole(self) -> bool:
        """Whether it has only whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def place(self, share: float) -> int | float:
        """Return the number at a share (0 to 1) of the range, rounded as `round` does."""
        if self.log:
            return self.round(math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low))))
        return self.round(self.low + share * (self.high - self.low))

    def round(self, number: float) -> int | float:
        """Round to a whole number, or to four digits that a person can read and type, within the range."""
        rounded = round(number) if self.is_whole else float(f"{number:.4g}")
        return min(max(rounded, self.low), self.high)

    def grid(self) -> list[int | float]:
        """Return `points` numbers at equal distances, both ends included; fewer if some are rounded to the same."""
        inner = [self.place(at / (self.points - 1)) for at in range(1, self.points - 1)]
        return list(dict.fromkeys([self.low, *inner, self.high]))


Dimension = Range | tuple[Value, ...]


def list_values(dimension: Dimension) -> list[Value]:
    """List the values of a dimension on a grid."""
    return [*dimension.grid()] if isinstance(dimension, Range) else list(dimension)


def read_dimension(name: str, given: Any, kinds: Kinds) -> Dimension:
    """Read one dimension as JSON has it; each value is checked at the hyperparameter's own field.

    kinds: a value must suit each of these optimizers or schedulers that has the hyperparameter.

    Raises SentenceError, which names the hyperparameter, the value and what is allowed.
    """
    fields = {name: field for name, field in list_fields().items() if name not in FIXED}
    if name not in fields:
        raise SentenceError(messages.NOT_SWEPT, field=shorten(name), options=", ".join(fields))
    field, owners = fields[name], _find_owners(fields[name], kinds)
    if not owners:
        raise SentenceError(messages.NO_OWNER, field=name)
    if isinstance(given, Range):
        given = given.model_dump()
    if isinstance(given, Mapping):
        return _read_range(field, owners, given)
    if not isinstance(given, list | tuple) or not 1 <= len(given) <= MAX_VALUES:
        raise SentenceError(messages.NOT_A_DIMENSION, field=name, value=shorten(given), most=MAX_VALUES)
    values = tuple(_check(field, owners, value) for value in given)
    for place, value in enumerate(values):
        if value in values[:place]:
            raise SentenceError(messages.REPEATED_VALUE, field=name, value=shorten(value))
    return values


def find_allowed(name: str, kinds: Kinds) -> tuple[float, float]:
    """Return the least and the greatest value of a numeric hyperparameter that suits all kinds which have it."""
    field = list_fields()[name]
    return _find_limits(field, _find_owners(field, kinds))


def _find_owners(field: FlatField, kinds: Kinds) -> list[type[Hyperparameters]]:
    return [kind for owner, kind in field.owners.items() if not field.part or owner in kinds[field.part]]


def _find_limits(field: FlatField, owners: Collection[type[Hyperparameters]]) -> tuple[float, float]:
    limits = [find_limits(kind, field.path[-1]) for kind in owners]
    return max(least for least, _most in limits), min(most for _least, most in limits)


def _read_range(field: FlatField, owners: Collection[type[Hyperparameters]], given: Mapping[str, Any]) -> Range:
    name = field.name
    if field.type not in (int, float):
        raise SentenceError(messages.NO_RANGE, field=name)
    if unknown := [key for key in given if key not in Range.model_fields]:
        options = ", ".join(Range.model_fields)
        raise SentenceError(messages.NOT_IN_RANGE, field=name, value=shorten(unknown[0]), options=options)
    least, most = _find_limits(field, owners)
    low, high = _check(field, owners, given.get("low", least)), _check(field, owners, given.get("high", most))
    if not low < high:
        raise SentenceError(messages.NOT_ASCENDING, field=name, low=exact_number(low), high=exact_number(high))
    is_log = given.get("log", low > 0 and high / low > LOG_ABOVE)
    if is_log is True and low <= 0:
        raise SentenceError(messages.LOG_OF_ZERO, field=name, low=exact_number(low))
    try:
        return Range.model_validate({**given, "low": low, "high": high, "log": is_log})
    except ValidationError as error:
        sentence = find_problems(error, Range)[0][1]
        raise SentenceError(sentence.template, **sentence.values) from None


def _check(field: FlatField, owners: Collection[type[Hyperparameters]], value: Any) -> Any:
    """Check a value at the field of every optimizer or scheduler that has it; return it as they hold it."""
    if field.name in PARTS:
        if value not in field.options:
            options = ", ".join(field.options)
            raise SentenceError(NOT_AN_OPTION, field=field.name, value=shorten(value), options=options)
        return value
    for kind in owners:
        if value is None:  # all training images, as a recipe has it: a trial needs a number
            low, high = map(exact_number, find_limits(kind, field.path[-1]))
            raise SentenceError(NOT_A_WHOLE_NUMBER, field=field.name, value=shorten(value), low=low, high=high)
        value = check_value(kind, field.path[-1], value)
    return value
