"""The learning-rate schedulers' hyperparameters: type, bounds, default and one line of help, each at its field.

Names and meanings are those of torch.optim.lr_scheduler. All count in iterations.
"""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from mlpcore.messages import SentenceError
from mlpcore.recipes import messages
from mlpcore.recipes.hyperparameters import AS_TUPLE, Hyperparameters, Iterations

MAX_MILESTONES = 20
DropFactor = Annotated[float, Field(ge=1e-4, le=1.0, description="The factor of each drop of the learning rate.")]


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


AnyScheduler = Annotated[
    NoScheduler | StepLR | MultiStepLR | CosineAnnealingLR | ExponentialLR | OneCycleLR, Field(discriminator="name")
]
