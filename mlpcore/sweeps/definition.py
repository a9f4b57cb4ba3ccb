"""What a sweep does: its rows, search space, sampler, number of trials and seeds. From it follows every run."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, PlainValidator, ValidationError, ValidationInfo, model_validator

from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.flat import flatten, list_fields, unflatten
from mlpcore.recipes.hyperparameters import AS_TUPLE, Hyperparameters
from mlpcore.recipes.parts import PARTS
from mlpcore.recipes.points import DataSource
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.url import MAX_ROWS, MAX_SEEDS
from mlpcore.recipes.validation import find_problems, shorten
from mlpcore.runs.records import LONGEST_NAME
from mlpcore.sweeps import messages
from mlpcore.sweeps.space import MAX_DIMENSIONS, Dimension, Range, Value, find_allowed, list_values, read_dimension

MAX_STUDIES = 9
MAX_TRIALS = 1000
MAX_RUNS = 5000
MIN_HELD_OUT = 1  # images; with fewer than 500 a trial is judged by its last step
FRESH_SEEDS = 5  # at most, of each row at its best, for the verdict
ROW = "row"  # in a point: the place of its row, where there are several

Sampler = Literal["grid", "sobol", "tpe"]
Point = Mapping[str, Value]  # by flat name, and ROW


def _read_space(given: Any, info: ValidationInfo) -> dict[str, Dimension]:
    if not isinstance(given, Mapping) or not given:
        raise SentenceError(messages.EMPTY_SPACE, field="space", most=MAX_DIMENSIONS)
    if len(given) > MAX_DIMENSIONS:
        raise SentenceError(messages.TOO_MANY_DIMENSIONS, field="space", count=len(given), most=MAX_DIMENSIONS)
    kinds = _find_kinds(info.data.get("rows", ()), given)
    return {str(name): read_dimension(str(name), value, kinds) for name, value in given.items()}


def _find_kinds(rows: Sequence[Recipe], space: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return the names of the optimizers and of the schedulers that a sweep has."""
    kinds: dict[str, set[str]] = {}
    for part in PARTS:
        swept, own = space.get(part), {getattr(row, part).name for row in rows}
        kinds[part] = set(map(str, swept)) if isinstance(swept, list | tuple) else own
    return kinds


def _write_space(space: Mapping[str, Dimension]) -> dict[str, Any]:
    return {name: one.model_dump() if isinstance(one, Range) else list(one) for name, one in space.items()}


class Definition(Hyperparameters):
    """A sweep: recipes, what varies of them, and how the trials are drawn. Frozen; the same one trains the same runs.

    Each trial is one point of the space, put into one of the rows, and is trained with `seeds` seeds. Once all are
    over, the best of each row is trained with `fresh_seeds` seeds more, which had no part in the choice.
    """

    rows: Annotated[tuple[Recipe, ...], AS_TUPLE] = Field(min_length=1, max_length=MAX_ROWS)
    names: Annotated[tuple[Annotated[str, Field(max_length=LONGEST_NAME)], ...], AS_TUPLE] = Field(
        default=(), max_length=MAX_ROWS
    )
    space: Annotated[dict[str, Dimension], PlainValidator(_read_space), PlainSerializer(_write_space)]
    sampler: Sampler = "grid"
    trials: Annotated[int, Field(ge=1, le=MAX_TRIALS)] = 16  # a grid has as many as it has points
    seeds: Annotated[int, Field(ge=1, le=MAX_SEEDS)] = 1
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0  # of the sampler
    fresh_seeds: Annotated[int, Field(ge=0, le=FRESH_SEEDS)] = 0
    # with Sobol's points: each row gets `trials` of them, in so many independent studies; 0 draws the rows too
    studies: Annotated[int, Field(ge=0, le=MAX_STUDIES)] = 0
    prune: bool = False  # whether hopeless trials are stopped

    @model_validator(mode="after")
    def _fits_together(self) -> "Definition":
        for name in ("dataset", "points", "validation_size"):
            if len({getattr(row, name) for row in self.rows}) > 1:
                raise SentenceError(messages.DIFFERENT_DATA, field=name)
        if (held := self.rows[0].validation_size) < MIN_HELD_OUT:
            raise SentenceError(messages.NOT_HELD_OUT, field="validation_size", value=held, low=MIN_HELD_OUT)
        ranges = [name for name, one in self.space.items() if isinstance(one, Range) and name != "lr"]
        if self.fresh_seeds and ranges:
            values = {"value": self.fresh_seeds, "other": ranges[0]}
            raise SentenceError(messages.FRESH_WITHOUT_CURVES, field="fresh_seeds", **values)
        if self.studies and (self.sampler != "sobol" or self.trials % self.studies):
            raise SentenceError(messages.UNEVEN_STUDIES, field="studies", value=self.studies, trials=self.trials)
        if self.prune and (self.sampler == "grid" or self.studies):
            raise SentenceError(messages.NOT_PRUNED, field="prune")
        count = self.count_trials()
        if count > MAX_TRIALS:
            raise SentenceError(messages.TOO_MANY_POINTS, field="space", count=count, most=MAX_TRIALS)
        if count * self.seeds > MAX_RUNS:
            values = {"trials": count, "seeds": self.seeds, "count": count * self.seeds, "most": MAX_RUNS}
            raise SentenceError(messages.TOO_MANY_RUNS, field="trials", **values)
        return self

    def dimensions(self) -> dict[str, Dimension]:
        """List what varies, what others depend on first: the row, then the kinds, then their hyperparameters."""
        rows: dict[str, Dimension] = {ROW: tuple(range(len(self.rows)))} if len(self.rows) > 1 else {}
        kinds = {part: self.space[part] for part in PARTS if part in self.space}
        return rows | kinds | {name: dimension for name, dimension in self.space.items() if name not in PARTS}

    def row_of(self, point: Point) -> Recipe:
        """Return the row that a point is put into."""
        return self.rows[int(point.get(ROW, 0))]  # type: ignore[arg-type]

    def applies(self, name: str, point: Point) -> bool:
        """Return whether the optimizer or the scheduler of a point has this hyperparameter."""
        field = list_fields().get(name)
        if field is None or not field.part:
            return True
        return point.get(field.chosen_by, field.chosen_in(self.row_of(point))) in field.owners

    def find_allowed(self, name: str) -> tuple[float, float]:
        """Return the least and the greatest value that a numeric hyperparameter may have in every trial."""
        return find_allowed(name, _find_kinds(self.rows, self.space))

    def count_trials(self) -> int:
        """Count the trials, without those of fresh seeds."""
        if self.sampler != "grid":
            return self.trials * (len(self.rows) if self.studies else 1)
        axes = {name: list_values(dimension) for name, dimension in self.dimensions().items()}
        first = [name for name in axes if name in (ROW, *PARTS)]
        points = [dict(zip(first, values, strict=True)) for values in product(*(axes[name] for name in first))]
        rest = [name for name in axes if name not in first]
        return sum(math.prod(len(axes[name]) for name in rest if self.applies(name, point)) for point in points)

    def build_recipe(self, point: Point, seed: int) -> Recipe:
        """Put a point into its row; another optimizer or scheduler than the row's starts from its own defaults.

        Raises ValidationError if the values do not fit together.
        """
        row, fields = self.row_of(point), list_fields()
        other = {part for part in PARTS if point.get(part, getattr(row, part).name) != getattr(row, part).name}
        own = {
            name: value for name, value in flatten(row).items() if name not in fields or fields[name].part not in other
        }
        given = {name: value for name, value in point.items() if name != ROW}
        return unflatten(own | given | {"seed": seed}, row)

    def find_refusal(self, point: Point) -> Sentence | None:
        """Say why the values of a point do not fit together; None if they do."""
        try:
            self.build_recipe(point, 0)
        except ValidationError as error:
            return find_problems(error)[0][1]
        return None


def read_definition(given: Any, *, hold_out: Callable[[DataSource], int] | None = None) -> Definition:
    """Read a sweep as JSON has it, with `base` for a single row. Raises SentenceError, for the first thing wrong.

    hold_out: how many images of a data set are for validation where a row names no validation_size.
    """
    if not isinstance(given, Mapping):
        raise SentenceError(messages.NOT_A_SWEEP, value=shorten(given))
    values = {"space": {}} | dict(given)
    if "base" in values and "rows" in values:
        raise SentenceError(messages.BASE_AND_ROWS, field="base")
    if "rows" not in values:
        values["rows"] = [values.pop("base", {})]
    if unknown := [name for name in values if name not in Definition.model_fields]:
        options = ", ".join(["base", *Definition.model_fields])
        raise SentenceError(messages.NOT_IN_SWEEP, field=shorten(unknown[0]), options=options)
    try:
        if isinstance(values["rows"], list | tuple):
            values["rows"] = [_read_row(row, hold_out) for row in values["rows"][: MAX_ROWS + 1]]
    except ValidationError as error:
        raise _first(error, Recipe) from None
    try:
        return Definition.model_validate(values)
    except ValidationError as error:
        raise _first(error, Definition) from None


def name_sweep(definition: Definition) -> str:
    """Name a sweep by the hyperparameters that vary."""
    return re.sub(r"[^\w .\-]", "", f"sweep {' '.join(definition.space)}")[:LONGEST_NAME].strip()


def _read_row(given: Any, hold_out: Callable[[DataSource], int] | None) -> Recipe:
    row = Recipe.model_validate(given)
    if hold_out is None or "validation_size" in row.model_fields_set:
        return row
    return row.replace(validation_size=hold_out(row.data))


def _first(error: ValidationError, kind: type[Hyperparameters]) -> SentenceError:
    sentence = find_problems(error, kind)[0][1]
    return SentenceError(sentence.template, **sentence.values)
