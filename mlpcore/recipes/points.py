"""Points in the plane: data sets with two inputs that the program draws, and the name and values of any data set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from mlpcore.messages import SentenceError
from mlpcore.recipes import messages
from mlpcore.recipes.hyperparameters import Hyperparameters
from mlpcore.recipes.inputs import IMAGE, POINT, InputSpec
from mlpcore.recipes.parts import PARTS

Noise = Annotated[
    float, Field(ge=0.0, le=0.5, description="How far points stray, as a standard deviation: the plane is 2 wide.")
]
Classes = Annotated[int, Field(ge=2, le=6, description="How many classes the points have.")]


class Points(Hyperparameters):
    """What all data sets of points have: how many there are to train on, and the seed that draws them."""

    count: int = Field(default=500, ge=20, le=10_000, description="How many points there are to train on.")
    data_seed: int = Field(
        default=0, ge=0, le=2**32 - 1, description="Decides the points: same data_seed, same points on every machine."
    )


class Moons(Points):
    """Two half circles that reach into each other."""

    name: Literal["Moons"] = "Moons"
    noise: Noise = 0.1

    @property
    def classes(self) -> int:
        """One per half circle."""
        return 2


class Circles(Points):
    """Circles around one centre, one per class."""

    name: Literal["Circles"] = "Circles"
    noise: Noise = 0.05
    classes: Classes = 2


class Spiral(Points):
    """Arms of a spiral, one per class."""

    name: Literal["Spiral"] = "Spiral"
    noise: Noise = 0.03
    classes: Classes = 2


class Checkerboard(Points):
    """A board of four by four squares, whose classes come in turn."""

    name: Literal["Checkerboard"] = "Checkerboard"
    noise: Noise = 0.0
    classes: Classes = 2


class Blobs(Points):
    """Clouds around the corners of a regular polygon, one per class."""

    name: Literal["Blobs"] = "Blobs"
    noise: Noise = 0.2
    classes: Classes = 3


AnyPoints = Moons | Circles | Spiral | Checkerboard | Blobs
POINT_SETS: dict[str, type[AnyPoints]] = {kind.model_fields["name"].default: kind for kind in get_args(AnyPoints)}
# the models of each field that holds one of several
KINDS: dict[str, Mapping[str, type[Hyperparameters]]] = {**PARTS, "points": POINT_SETS}
CHOOSERS = {"points": "dataset"}  # the field whose value says which of these models; otherwise it is their own name
POINT_NAMES = tuple(name for name in Spiral.model_fields if name != "name")  # of their hyperparameters


def name_folder(name: str) -> str:
    """Name the data set of a folder of images whose own name has become that of a data set of points."""
    return f"{name} folder"


@dataclass(frozen=True)
class DataSource:
    """Which data a run needs: the name of a data set, and how its points are drawn if it has points.

    Runs with equal sources read the same images or points. A source named like a data set of points has some: the
    default ones, if none are given.
    """

    name: str
    points: AnyPoints | None = None

    def __post_init__(self) -> None:
        if self.points is None and self.name in POINT_SETS:
            object.__setattr__(self, "points", POINT_SETS[self.name]())

    @property
    def largest_input(self) -> InputSpec:
        """What goes into a network, or the largest that may: a folder's images are as large as any."""
        return IMAGE if self.points is None else POINT


def keep_folder(values: Any) -> Any:
    """Let a recipe from before there were points mean the folder of images that it meant.

    values: a recipe written whole, as runs are in files. One with points names them.
    """
    name = values.get("dataset") if isinstance(values, dict) and "points" not in values else None
    return values | {"dataset": name_folder(name)} if isinstance(name, str) and name in POINT_SETS else values


def complete_points(values: dict[str, Any]) -> dict[str, Any]:
    """Add to the values of a recipe what they leave out of its points. Raises SentenceError if it has images."""
    dataset, given = values.get("dataset"), values.get("points")
    if isinstance(dataset, str) and dataset in POINT_SETS:
        if given is None or isinstance(given, dict):
            return values | {"points": {"name": dataset} | (given or {})}
    elif given is not None:
        names = given if isinstance(given, dict) else ()
        field = next((str(name) for name in names if name != "name"), "points")
        raise SentenceError(messages.NOT_OF_IMAGES, field=field, options=", ".join(POINT_SETS))
    return values
