"""A run's recipe: all of its hyperparameters, in an object that is valid once constructed."""

import math
from itertools import pairwise, zip_longest
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from mlpcore.messages import SentenceError
from mlpcore.recipes import messages
from mlpcore.recipes.hyperparameters import AS_TUPLE, Hyperparameters, Iterations, Lr, Momentum, WeightDecay, younger
from mlpcore.recipes.optimizer_base import MAX_BATCH
from mlpcore.recipes.optimizers import (  # the parts that a page or a rule knows by name are imported from here too
    SGD as SGD,
    Adagrad as Adagrad,
    Adam as Adam,
    AdamW as AdamW,
    AnyOptimizer as AnyOptimizer,
    RMSprop as RMSprop,
)
from mlpcore.recipes.parts import OPTIMIZERS as OPTIMIZERS, PARTS as PARTS, SCHEDULERS as SCHEDULERS
from mlpcore.recipes.points import AnyPoints, DataSource, complete_points, keep_folder
from mlpcore.recipes.schedulers import (
    MAX_MILESTONES as MAX_MILESTONES,
    AnyScheduler as AnyScheduler,
    CosineAnnealingLR as CosineAnnealingLR,
    CyclicLR,
    ExponentialLR as ExponentialLR,
    MultiStepLR as MultiStepLR,
    NoScheduler as NoScheduler,
    OneCycleLR as OneCycleLR,
    Scheduler as Scheduler,
    StepLR as StepLR,
)

MAX_WEIGHTS = 20_000_000  # of a network: 80 MB, and as much again for gradients and for each moment of the optimizer
MAX_ITERATIONS = 200_000  # of a run: its preview steps the scheduler that often, 2.5 µs each
MAX_REPLAYED = 2_000_000  # iterations, of all changes of lr together: each steps a new scheduler up to its own step
MAX_EVALUATIONS = 5_000  # of a run; the store and the charts are measured with as many


class Change(Hyperparameters):
    """A change of the optimizer's hyperparameters during a run.

    Every iteration after the first `step` ones uses the new values.
    """

    step: int = Field(ge=0, le=1_000_000)
    lr: Lr | None = None
    momentum: Momentum | None = None
    weight_decay: WeightDecay | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> "Change":
        if not self.values:
            raise SentenceError(messages.EMPTY_CHANGE, field="changes")
        return self

    @property
    def values(self) -> dict[str, float]:
        """The hyperparameters that this change sets, by name."""
        return self.model_dump(exclude={"step"}, exclude_none=True)


class Recipe(Hyperparameters):
    """Everything that decides a run. The defaults are the lecture's network and its first optimizer.

    Frozen and hashable. Raises ValidationError, a ValueError, for a value out of range, for an unknown name and for
    values that do not fit together.
    """

    dataset: str = Field(
        default="Shapes", pattern=r"^[\w\-][\w .\-]{0,39}$", description="The images to train on and to test with."
    )
    points: AnyPoints | None = younger(
        None,
        discriminator="name",
        description="How the points of the data set are drawn; none for images.",
    )
    train_size: int | None = Field(
        default=None, ge=1, le=10_000_000, description="How many training images are used: a few are soon memorised."
    )
    validation_size: int = Field(
        default=0, ge=0, le=1_000_000, description="Training images held out for validation, to choose the best step."
    )
    label_noise: float = Field(
        default=0.0, ge=0.0, le=1.0, description="The share of training images whose label is drawn at random."
    )
    hidden_sizes: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], AS_TUPLE] = Field(
        default=(128, 64), min_length=1, max_length=6, description="Units of each hidden layer, first to last."
    )
    activation: Literal["sigmoid", "tanh", "relu"] = Field(
        default="relu", description="The activation function of each hidden layer."
    )
    dropout: float = Field(
        default=0.5,
        ge=0.0,
        le=0.95,
        description="The share of units switched off before the last layer during training.",
    )
    init: Literal["torch", "xavier", "he", "zeros"] = younger(
        "torch",
        description="The initial weights: torch's own, Xavier's or He's; from zeros all units of a layer stay alike.",
    )
    label_smoothing: float = younger(
        0.0,
        ge=0.0,
        le=0.9,
        description="The share of each label that is spread over all classes in the training loss.",
    )
    l1_penalty: float = younger(
        0.0,
        ge=0.0,
        le=1.0,
        description="Adds this times the sum of all |weights| to what is minimised, so that many of them get to 0.",
    )
    max_norm: float | None = younger(
        None,
        ge=1e-3,
        le=1e3,
        description="Shortens the gradient where its norm is larger than this; empty leaves it as it is.",
    )
    optimizer: AnyOptimizer = Field(default=SGD(), description="How gradients become updates of the weights.")
    scheduler: AnyScheduler = Field(default=StepLR(), description="How the learning rate changes during training.")
    batch_size: int = Field(
        default=64,
        ge=1,
        le=MAX_BATCH,
        description="Images in one mini-batch; with all of them it is full-batch gradient descent.",
    )
    train_iter: int = Field(
        default=3000, ge=1, le=MAX_ITERATIONS, description="How many iterations (mini-batches) the run trains for."
    )
    eval_every: Iterations = Field(default=200, description="Iterations between two evaluations.")
    seed: int = Field(
        default=0,
        ge=0,
        le=2**32 - 1,
        description="Decides every random draw: same seed, same initial weights and batches.",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="The numbers that training multiplies: bfloat16 has 3 digits; all else stays float32.",
    )
    device: Literal["auto", "cpu", "cuda", "mps", "xpu"] = Field(
        default="auto", description="The device that computes: auto takes an accelerator if there is one."
    )
    average: Literal["none", "EMA", "SWA"] = younger(
        "none",
        description="An average of the weights, tested beside them: EMA forgets old ones, SWA counts all alike.",
    )
    ema_decay: float = younger(
        0.999,
        ge=0.0,
        le=0.99999,
        description="The share of EMA's average that each iteration keeps.",
    )
    swa_start: float = younger(
        0.5,
        ge=0.0,
        le=0.99,
        description="The share of the run after which SWA begins.",
    )
    changes: Annotated[tuple[Change, ...], AS_TUPLE] = Field(
        default=(), max_length=1000, description="Changes of hyperparameters made during the run."
    )

    @property
    def evaluation_count(self) -> int:
        """How many evaluations a run of it has when it finishes."""
        return math.ceil(self.train_iter / self.eval_every)

    @property
    def swa_begin(self) -> int:
        """The iterations after which SWA begins."""
        return int(self.swa_start * self.train_iter)

    @property
    def data(self) -> DataSource:
        """Which data a run of it needs."""
        return DataSource(self.dataset, self.points)

    @model_validator(mode="before")
    @classmethod
    def _complete_points(cls, values: Any) -> Any:
        return complete_points(values) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _fits_together(self) -> "Recipe":
        if self.points is not None and self.points.name != self.dataset:
            values = {"value": self.points.name, "dataset": self.dataset}
            raise SentenceError(messages.OTHER_POINTS, field="points", **values)
        if self.evaluation_count > MAX_EVALUATIONS:
            raise SentenceError(
                messages.TOO_MANY_EVALUATIONS,
                field="eval_every",
                value=self.eval_every,
                train_iter=self.train_iter,
                low=math.ceil(self.train_iter / MAX_EVALUATIONS),
                most=MAX_EVALUATIONS,
            )
        weights = sum(size * following for size, following in pairwise(self.hidden_sizes))
        weights += self.data.largest_input.size * self.hidden_sizes[0]
        if weights > MAX_WEIGHTS:
            raise SentenceError(
                messages.TOO_MANY_WEIGHTS,
                field="hidden_sizes",
                value=", ".join(map(str, self.hidden_sizes)),
                weights=weights,
                most=MAX_WEIGHTS,
            )
        self.optimizer.check_batch(train_size=self.train_size, batch_size=self.batch_size)
        if isinstance(self.scheduler, OneCycleLR):
            _check_one_cycle(self.scheduler, self.train_iter - self.scheduler.warmup_iters)
        self._check_changes()
        return self

    def _check_changes(self) -> None:
        last = -1
        is_cycled = isinstance(self.scheduler, CyclicLR) and self.scheduler.cycles(self.optimizer)
        for change in self.changes:
            if not last < change.step < self.train_iter:
                raise SentenceError(
                    messages.STEP_OUT_OF_RANGE,
                    field="changes",
                    value=change.step,
                    low=last + 1,
                    high=self.train_iter - 1,
                )
            last = change.step
            unknown = change.values.keys() - type(self.optimizer).model_fields.keys()
            if unknown:
                values = {"value": ", ".join(sorted(unknown)), "optimizer": self.optimizer.name}
                raise SentenceError(messages.NOT_IN_OPTIMIZER, field="changes", **values)
            if change.lr is not None and self.optimizer.reads_lr_once:
                raise SentenceError(messages.LR_IS_READ_ONCE, field="changes", optimizer=self.optimizer.name)
            if change.momentum is not None and is_cycled:
                raise SentenceError(messages.MOMENTUM_IS_CYCLED, field="changes")
            self.optimizer.replace(**change.values)
        replayed = sum(change.step for change in self.changes if change.lr is not None)
        if replayed > MAX_REPLAYED:
            raise SentenceError(messages.TOO_MANY_RATES, field="changes", value=replayed, most=MAX_REPLAYED)


WrittenRecipe = Annotated[Recipe, BeforeValidator(keep_folder)]  # as the record of a run in a file has it


def _check_one_cycle(scheduler: OneCycleLR, cycle: int) -> None:
    # torch divides by the length of each phase: the climb takes pct_start · cycle − 1 iterations, the descent the rest
    climb = scheduler.pct_start * cycle - 1
    if cycle < 2 or climb <= 0 or cycle - 1 - climb <= 0:
        raise SentenceError(messages.SHORT_CYCLE, field="train_iter", value=max(cycle, 0))


def current_hyperparameters(recipe: Recipe) -> Recipe:
    """Apply a recipe's changes to its optimizer: the recipe as it stands at the end of the run, without changes."""
    latest = {name: value for change in recipe.changes for name, value in change.values.items()}
    return recipe.model_copy(update={"optimizer": recipe.optimizer.replace(**latest), "changes": ()})


def fork_recipe(recipe: Recipe, step: int, values: dict[str, float]) -> Recipe:
    """Change hyperparameters from `step` on, without the changes that the recipe makes later. Raises ValueError."""
    earlier = tuple(change for change in recipe.changes if change.step <= step)
    return with_change(recipe.model_copy(update={"changes": earlier}), step, values)


def find_fork(recipe: Recipe, other: Recipe) -> int | None:
    """Return the step up to which two recipes do the same.

    None if more sets them apart than their changes, and if nothing does: equal recipes do the same to the end.
    """
    if recipe.model_copy(update={"changes": ()}) != other.model_copy(update={"changes": ()}):
        return None
    pairs = zip_longest(recipe.changes, other.changes)
    return next((min(one.step for one in pair if one) for pair in pairs if pair[0] != pair[1]), None)


def with_change(recipe: Recipe, step: int, values: dict[str, float]) -> Recipe:
    """Add a change at `step` to a recipe; a second one at the same step joins the first. Raises ValueError."""
    earlier = [change.model_dump() for change in recipe.changes]
    change = earlier.pop() if earlier and earlier[-1]["step"] == step else {"step": step}
    return recipe.replace(changes=[*earlier, change | values])
