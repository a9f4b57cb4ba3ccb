"""The optimizers' and schedulers' hyperparameters: type, bounds, default and one line of help, each at its field."""

from itertools import pairwise
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from mlpcore.messages import SentenceError
from mlpcore.recipes import messages

MAX_ITEMS = 10_000  # of a list that is validated: three million wrong ones make as many errors, 3 GB
MAX_MILESTONES = 20


class Hyperparameters(BaseModel):
    """Values that are validated once and then frozen: no unknown names, no text for a number, no NaN, no infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def replace(self, **values: Any) -> Self:
        """Copy with other values, validated. Raises ValidationError, a ValueError."""
        return type(self).model_validate(dict(self) | values)


def _as_tuple(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, list) and len(value) > MAX_ITEMS:
        raise SentenceError(messages.TOO_MANY_VALUES, field=info.field_name, count=len(value), most=MAX_ITEMS)
    return tuple(value) if isinstance(value, list) else value


AS_TUPLE = BeforeValidator(_as_tuple)  # JSON has lists
Lr = Annotated[
    float, Field(ge=1e-6, le=10.0, description="The learning rate: how far each update goes against the gradient.")
]
WeightDecay = Annotated[
    float, Field(ge=0.0, le=1.0, description="Pulls every parameter towards 0, so that weights stay small.")
]
Momentum = Annotated[
    float,
    Field(ge=0.0, le=0.999, description="The share of the last update that is carried into the next: 0 is plain SGD."),
]
Eps = Annotated[float, Field(ge=1e-12, le=0.1, description="Added to the denominator, so that it is never zero.")]
DropFactor = Annotated[float, Field(ge=1e-4, le=1.0, description="The factor of each drop of the learning rate.")]
Iterations = Annotated[int, Field(ge=1, le=1_000_000)]
Beta = Annotated[float, Field(ge=0.0, le=0.9999)]
Betas = Annotated[
    tuple[Beta, Beta],
    AS_TUPLE,
    Field(description="How long Adam remembers the gradient's mean (first) and its square (second)."),
]


class SGD(Hyperparameters):
    """Stochastic gradient descent: torch.optim.SGD."""

    name: Literal["SGD"] = "SGD"
    lr: Lr = 0.01
    momentum: Momentum = 0.9
    weight_decay: WeightDecay = 5e-4
    nesterov: bool = Field(
        default=True, description="Computes the gradient where momentum is about to carry the weights; needs momentum."
    )

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "SGD":
        if self.nesterov and self.momentum == 0:
            raise SentenceError(messages.NESTEROV_WITHOUT_MOMENTUM, field="nesterov")
        return self


class Adam(Hyperparameters):
    """Adaptive moment estimation: torch.optim.Adam."""

    name: Literal["Adam"] = "Adam"
    lr: Lr = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.0


class AdamW(Hyperparameters):
    """Adam with the decay applied to the weights themselves: torch.optim.AdamW."""

    name: Literal["AdamW"] = "AdamW"
    lr: Lr = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.01


class RMSprop(Hyperparameters):
    """Divides by a running root mean square of the gradient: torch.optim.RMSprop."""

    name: Literal["RMSprop"] = "RMSprop"
    lr: Lr = 1e-3
    alpha: float = Field(default=0.99, ge=0.0, le=0.9999, description="How long the squared gradient is remembered.")
    eps: Eps = 1e-8
    momentum: Momentum = 0.0
    weight_decay: WeightDecay = 0.0


class Adagrad(Hyperparameters):
    """Divides by the root of all squared gradients so far: torch.optim.Adagrad."""

    name: Literal["Adagrad"] = "Adagrad"
    lr: Lr = 0.01
    lr_decay: float = Field(default=0.0, ge=0.0, le=1.0, description="Divides the rate by 1 + lr_decay · iterations.")
    eps: Eps = 1e-10
    weight_decay: WeightDecay = 0.0


class Scheduler(Hyperparameters):
    """A learning-rate scheduler; each can begin with a linear warm-up (torch.optim.lr_scheduler.LinearLR)."""

    warmup_iters: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Iterations of warm-up: the rate climbs to lr before the schedule begins.",
    )
    start_factor: float = Field(
        default=0.01, ge=1e-4, le=1.0, description="The share of lr at which the warm-up starts."
    )


class NoScheduler(Scheduler):
    """No scheduler: the learning rate stays at lr, after the warm-up."""

    name: Literal["none"] = "none"


class StepLR(Scheduler):
    """Multiplies the learning rate by gamma every step_size iterations."""

    name: Literal["StepLR"] = "StepLR"
    step_size: Iterations = Field(default=1000, description="Iterations between two drops of the rate.")
    gamma: DropFactor = 0.5


class MultiStepLR(Scheduler):
    """Multiplies the learning rate by gamma at each milestone."""

    name: Literal["MultiStepLR"] = "MultiStepLR"
    milestones: Annotated[tuple[Iterations, ...], AS_TUPLE] = Field(
        default=(1500, 2500),
        min_length=1,
        max_length=MAX_MILESTONES,
        description="The iterations at which the rate drops.",
    )
    gamma: DropFactor = 0.1

    @model_validator(mode="after")
    def _milestones_ascend(self) -> "MultiStepLR":
        if any(later <= earlier for earlier, later in pairwise(self.milestones)):
            values = list(self.milestones)
            raise SentenceError(messages.MILESTONES_NOT_ASCENDING, field="milestones", value=values)
        return self


class CosineAnnealingLR(Scheduler):
    """Lets the learning rate follow half a cosine from lr down to eta_min in T_max iterations."""

    name: Literal["CosineAnnealingLR"] = "CosineAnnealingLR"
    T_max: Iterations = Field(default=3000, description="Half the period of the cosine: the rate is lowest there.")
    eta_min: float = Field(default=0.0, ge=0.0, le=1.0, description="The lowest rate, reached after T_max iterations.")


class ExponentialLR(Scheduler):
    """Multiplies the learning rate by gamma at every iteration."""

    name: Literal["ExponentialLR"] = "ExponentialLR"
    gamma: float = Field(
        default=0.999, ge=0.9, le=1.0, description="The factor of the learning rate at each iteration."
    )


class OneCycleLR(Scheduler):
    """Climbs to lr and comes down again within the run; changes the learning rate only, not the momentum."""

    name: Literal["OneCycleLR"] = "OneCycleLR"
    pct_start: float = Field(default=0.3, ge=0.01, le=0.99, description="The share of the run spent climbing to lr.")
    div_factor: float = Field(default=25.0, ge=1.0, le=1e4, description="The rate starts at lr divided by this.")
    final_div_factor: float = Field(
        default=1e4, ge=1.0, le=1e6, description="The rate ends at its starting value divided by this."
    )


AnyOptimizer = Annotated[SGD | Adam | AdamW | RMSprop | Adagrad, Field(discriminator="name")]
AnyScheduler = Annotated[
    NoScheduler | StepLR | MultiStepLR | CosineAnnealingLR | ExponentialLR | OneCycleLR, Field(discriminator="name")
]


def _by_name(union: Any) -> dict[str, type[Hyperparameters]]:
    return {kind.model_fields["name"].default: kind for kind in get_args(get_args(union)[0])}


OPTIMIZERS = _by_name(AnyOptimizer)
SCHEDULERS = _by_name(AnyScheduler)
PARTS = {"optimizer": OPTIMIZERS, "scheduler": SCHEDULERS}  # of a recipe, by the field that holds them
