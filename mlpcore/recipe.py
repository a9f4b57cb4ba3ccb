"""Every knob of a run: its type, bounds, default and one line of help. A recipe is valid once constructed."""

import math
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from mlpcore.messages import SentenceError

LARGEST_IMAGE = 3 * 32 * 32  # numbers of an image
MAX_WEIGHTS = 20_000_000  # of a network: 80 MB, and as much again for gradients and for each moment of the optimizer
MAX_ITERATIONS = 200_000  # a run: its preview steps the scheduler that often, 2.5 µs each
MAX_REPLAYED = 2_000_000  # iterations, of all edits of lr together: each steps a new scheduler up to where it happens
MAX_EVALUATIONS = 5_000  # a run; what the store and the charts are measured with
MAX_ITEMS = 10_000  # of a list that is looked at: three million wrong ones would be as many complaints, 3 GB


class Knobs(BaseModel):
    """Frozen, strict (a "3" is no 3), closed to unknown keys, without NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _as_tuple(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, list) and len(value) > MAX_ITEMS:
        raise SentenceError(
            "{field} has {count:,} values: no knob has so many.", field=info.field_name, count=len(value)
        )
    return tuple(value) if isinstance(value, list) else value


Lr = Annotated[float, Field(ge=1e-6, le=10.0, description="How far each update goes against the gradient.")]
WeightDecay = Annotated[
    float, Field(ge=0.0, le=1.0, description="Pulls every parameter towards 0, so that weights stay small.")
]
Momentum = Annotated[
    float, Field(ge=0.0, le=0.999, description="The share of the last update carried into the next: 0 is plain SGD.")
]
Eps = Annotated[
    float, Field(ge=1e-12, le=0.1, description="Added to the denominator, so that tiny gradients divide by no zero.")
]
Iterations = Annotated[int, Field(ge=1, le=1_000_000)]
Beta = Annotated[float, Field(ge=0.0, le=0.9999)]
Betas = Annotated[
    tuple[Beta, Beta],
    BeforeValidator(_as_tuple),
    Field(description="How long Adam remembers: the gradient's mean (first) and its square (second)."),
]


class SGD(Knobs):
    """Stochastic gradient descent: torch.optim.SGD."""

    name: Literal["SGD"] = "SGD"
    lr: Lr = 0.01
    momentum: Momentum = 0.9
    weight_decay: WeightDecay = 5e-4
    nesterov: bool = Field(
        default=True, description="Takes the gradient where momentum is about to carry the weights; needs momentum."
    )

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "SGD":
        if self.nesterov and self.momentum == 0:
            raise SentenceError("{field} is on while momentum is 0: it needs a momentum above 0.", field="nesterov")
        return self


class Adam(Knobs):
    """Adaptive moment estimation: torch.optim.Adam."""

    name: Literal["Adam"] = "Adam"
    lr: Lr = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.0


class AdamW(Knobs):
    """Adam with the decay applied to the weights themselves: torch.optim.AdamW."""

    name: Literal["AdamW"] = "AdamW"
    lr: Lr = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.01


class RMSprop(Knobs):
    """Divides by a running root mean square of the gradient: torch.optim.RMSprop."""

    name: Literal["RMSprop"] = "RMSprop"
    lr: Lr = 1e-3
    alpha: float = Field(default=0.99, ge=0.0, le=0.9999, description="How long the squared gradient is remembered.")
    eps: Eps = 1e-8
    momentum: Momentum = 0.0
    weight_decay: WeightDecay = 0.0


class Adagrad(Knobs):
    """Divides by the root of all squared gradients so far: torch.optim.Adagrad."""

    name: Literal["Adagrad"] = "Adagrad"
    lr: Lr = 0.01
    lr_decay: float = Field(default=0.0, ge=0.0, le=1.0, description="Divides the rate by 1 + lr_decay · iterations.")
    eps: Eps = 1e-10
    weight_decay: WeightDecay = 0.0


class Schedule(Knobs):
    """What every schedule can begin with: a linear warm-up (torch's LinearLR)."""

    warmup_iters: int = Field(
        default=0, ge=0, le=100_000, description="Iterations in which the rate climbs to lr before the schedule begins."
    )
    start_factor: float = Field(
        default=0.01, ge=1e-4, le=1.0, description="The share of lr that the warm-up starts from."
    )


class Constant(Schedule):
    """No scheduler: the rate stays at lr."""

    name: Literal["none"] = "none"


class StepLR(Schedule):
    """Multiplies the rate by gamma every step_size iterations."""

    name: Literal["StepLR"] = "StepLR"
    step_size: Iterations = Field(default=1000, description="Iterations between two drops of the rate.")
    gamma: float = Field(default=0.5, ge=1e-4, le=1.0, description="What the rate is multiplied by at each drop.")


class MultiStepLR(Schedule):
    """Multiplies the rate by gamma at each milestone."""

    name: Literal["MultiStepLR"] = "MultiStepLR"
    milestones: Annotated[tuple[Iterations, ...], BeforeValidator(_as_tuple)] = Field(
        default=(1500, 2500), min_length=1, max_length=20, description="The iterations at which the rate drops."
    )
    gamma: float = Field(default=0.1, ge=1e-4, le=1.0, description="What the rate is multiplied by at each drop.")

    @model_validator(mode="after")
    def _milestones_ascend(self) -> "MultiStepLR":
        if any(later <= earlier for earlier, later in zip(self.milestones, self.milestones[1:], strict=False)):
            template = "{field} is {value}: each milestone must be larger than the one before it."
            raise SentenceError(template, field="milestones", value=list(self.milestones))
        return self


class CosineAnnealingLR(Schedule):
    """Lets the rate follow half a cosine from lr down to eta_min in T_max iterations."""

    name: Literal["CosineAnnealingLR"] = "CosineAnnealingLR"
    T_max: Iterations = Field(default=3000, description="Half the period of the cosine: the rate is lowest there.")
    eta_min: float = Field(default=0.0, ge=0.0, le=1.0, description="The lowest rate, reached after T_max iterations.")


class ExponentialLR(Schedule):
    """Multiplies the rate by gamma at every iteration."""

    name: Literal["ExponentialLR"] = "ExponentialLR"
    gamma: float = Field(default=0.999, ge=0.9, le=1.0, description="What the rate is multiplied by, each iteration.")


class OneCycleLR(Schedule):
    """Climbs to lr and comes down again within the run; moves the rate only, not momentum."""

    name: Literal["OneCycleLR"] = "OneCycleLR"
    pct_start: float = Field(default=0.3, ge=0.01, le=0.99, description="The share of the run spent climbing to lr.")
    div_factor: float = Field(default=25.0, ge=1.0, le=1e4, description="The rate starts at lr divided by this.")
    final_div_factor: float = Field(
        default=1e4, ge=1.0, le=1e6, description="The rate ends at its starting value divided by this."
    )


OPTIMIZERS = {kind.model_fields["name"].default: kind for kind in (SGD, Adam, AdamW, RMSprop, Adagrad)}
SCHEDULERS = {
    kind.model_fields["name"].default: kind
    for kind in (Constant, StepLR, MultiStepLR, CosineAnnealingLR, ExponentialLR, OneCycleLR)
}
OptimizerKnobs = SGD | Adam | AdamW | RMSprop | Adagrad
SchedulerKnobs = Constant | StepLR | MultiStepLR | CosineAnnealingLR | ExponentialLR | OneCycleLR


class Change(Knobs):
    """An edit of optimizer knobs while the run went on; every iteration after the first `step` ones uses it."""

    step: int = Field(ge=0, le=1_000_000)
    lr: Lr | None = None
    momentum: Momentum | None = None
    weight_decay: WeightDecay | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> "Change":
        if not self.values:
            raise SentenceError("{field} has one without lr, momentum or weight_decay.", field="changes")
        return self

    @property
    def values(self) -> dict[str, float]:
        """The knobs this change sets."""
        return self.model_dump(exclude={"step"}, exclude_none=True)


class Recipe(Knobs):
    """Everything that decides a run. The defaults are the lecture's network and its first optimizer cell."""

    dataset: str = Field(
        default="Shapes", pattern=r"^[\w\-][\w .\-]{0,39}$", description="The images to train on and to test with."
    )
    train_size: int | None = Field(
        default=None, ge=1, le=10_000_000, description="How many training images are used: few are soon memorised."
    )
    validation_size: int = Field(
        default=0, ge=0, le=1_000_000, description="Training images held out, to choose the best step by."
    )
    label_noise: float = Field(
        default=0.0, ge=0.0, le=1.0, description="The share of training images whose label is drawn at random."
    )
    hidden_sizes: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], BeforeValidator(_as_tuple)] = Field(
        default=(128, 64), min_length=1, max_length=6, description="Units of each hidden layer, first to last."
    )
    activation: Literal["sigmoid", "tanh", "relu"] = Field(
        default="relu", description="What bends the output of each hidden layer."
    )
    dropout: float = Field(
        default=0.5, ge=0.0, le=0.95, description="The share of units switched off before the last layer in training."
    )
    optimizer: OptimizerKnobs = Field(default=SGD(), discriminator="name", description="How gradients become updates.")
    scheduler: SchedulerKnobs = Field(
        default=StepLR(), discriminator="name", description="How the learning rate moves while training goes on."
    )
    batch_size: int = Field(
        default=64, ge=1, le=100_000, description="Images in one mini-batch; all of them is full-batch descent."
    )
    train_iter: int = Field(
        default=3000, ge=1, le=MAX_ITERATIONS, description="Iterations (mini-batches) the run trains for."
    )
    eval_every: Iterations = Field(default=200, description="Iterations between two evaluations, the chart's points.")
    seed: int = Field(
        default=0, ge=0, le=2**32 - 1, description="Decides every random draw: same seed, same weights and batches."
    )
    device: Literal["auto", "cpu", "cuda", "mps", "xpu"] = Field(
        default="auto", description="What computes: auto takes the accelerator where there is one."
    )
    changes: Annotated[tuple[Change, ...], BeforeValidator(_as_tuple)] = Field(
        default=(), max_length=1000, description="Edits of knobs made while the run went on."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> "Recipe":
        evaluations = math.ceil(self.train_iter / self.eval_every)
        if evaluations > MAX_EVALUATIONS:
            raise SentenceError(
                "{field} is {value:,}: with {train_iter:,} iterations it must be at least {low:,}, since a run keeps "
                "{most:,} evaluations.",
                field="eval_every",
                value=self.eval_every,
                train_iter=self.train_iter,
                low=math.ceil(self.train_iter / MAX_EVALUATIONS),
                most=MAX_EVALUATIONS,
            )
        weights = sum(size * following for size, following in pairwise(self.hidden_sizes))
        weights += LARGEST_IMAGE * self.hidden_sizes[0]
        if weights > MAX_WEIGHTS:
            template = "{field} is {value}: that makes {weights:,} weights, and at most {most:,} are trained."
            sizes = ", ".join(map(str, self.hidden_sizes))
            raise SentenceError(template, field="hidden_sizes", value=sizes, weights=weights, most=MAX_WEIGHTS)
        if isinstance(self.scheduler, OneCycleLR):
            _check_one_cycle(self.scheduler, self.train_iter - self.scheduler.warmup_iters)
        self._check_changes()
        return self

    def _check_changes(self) -> None:
        last = -1
        for change in self.changes:
            if not last < change.step < self.train_iter:
                raise SentenceError(
                    "{field} has one at step {value:,}: it must lie between {low:,} and {high:,}.",
                    field="changes",
                    value=change.step,
                    low=last + 1,
                    high=self.train_iter - 1,
                )
            last = change.step
            knobs = self.optimizer.model_dump() | change.values
            unknown = change.values.keys() - type(self.optimizer).model_fields.keys()
            if unknown:
                template = "{field} sets {value}: {optimizer} has no such knob."
                names = ", ".join(sorted(unknown))
                raise SentenceError(template, field="changes", value=names, optimizer=self.optimizer.name)
            type(self.optimizer).model_validate(knobs)
        if sum(change.step for change in self.changes if change.lr is not None) > MAX_REPLAYED:
            raise SentenceError("{field} edits lr too often for so long a run: start a new run.", field="changes")


def _check_one_cycle(scheduler: OneCycleLR, cycle: int) -> None:
    # torch divides by the length of each phase: the climb takes pct_start · cycle − 1 iterations, the descent the rest
    climb = scheduler.pct_start * cycle - 1
    if cycle < 2 or climb <= 0 or cycle - 1 - climb <= 0:
        raise SentenceError(
            "{field} leaves {value:,} iterations to OneCycleLR: both its climb and its descent need more than 1.",
            field="train_iter",
            value=max(cycle, 0),
        )


def current_knobs(recipe: Recipe) -> Recipe:
    """The recipe whose optimizer has the knobs that the changes have led to, and no changes of its own."""
    knobs = recipe.optimizer.model_dump()
    for change in recipe.changes:
        knobs |= change.values
    return recipe.model_copy(update={"optimizer": type(recipe.optimizer).model_validate(knobs), "changes": ()})


def with_change(recipe: Recipe, step: int, knobs: dict[str, float]) -> Recipe:
    """Add an edit at `step` to a recipe; a second edit at the same step joins the first. Raises ValueError."""
    earlier = [change.model_dump() for change in recipe.changes]
    change = earlier.pop() if earlier and earlier[-1]["step"] == step else {"step": step}
    return Recipe.model_validate(recipe.model_dump() | {"changes": [*earlier, change | knobs]})
