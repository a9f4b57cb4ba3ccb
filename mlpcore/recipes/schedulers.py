"""The learning-rate schedulers' hyperparameters: type, bounds, default and one line of help, each at its field.

Names and meanings are those of torch.optim.lr_scheduler. All count in iterations, but for ReduceLROnPlateau's patience
and cooldown.
"""

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from mlpcore.messages import SentenceError
from mlpcore.recipes import messages
from mlpcore.recipes.hyperparameters import AS_TUPLE, Hyperparameters, Iterations
from mlpcore.recipes.optimizer_base import Optimizer

MAX_MILESTONES = 20
WarmupIters = Annotated[
    int, Field(ge=0, le=100_000, description="Iterations of warm-up: the rate climbs to lr before the schedule begins.")
]
Evaluations = Annotated[int, Field(ge=0, le=5_000)]
TotalIters = Annotated[int, Field(ge=1, le=1_000_000, description="Iterations until the rate stands still.")]
EndFactor = Annotated[float, Field(ge=0.0, le=1.0, description="The share of lr at which the rate ends.")]
DivFactor = Annotated[float, Field(ge=1.0, le=1e4, description="The rate starts at lr divided by this.")]
SlowGamma = Annotated[float, Field(ge=0.9, le=1.0, description="The factor of the learning rate at each iteration.")]
CycledMomentum = Annotated[float, Field(ge=0.01, le=0.999)]
DropFactor = Annotated[float, Field(ge=1e-4, le=1.0, description="The factor of each drop of the learning rate.")]


class Scheduler(Hyperparameters):
    """A learning-rate scheduler; each can begin with a linear warm-up (torch.optim.lr_scheduler.LinearLR)."""

    warmup_iters: WarmupIters = 0
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
    gamma: SlowGamma = 0.999


class OneCycleLR(Scheduler):
    """Climbs to lr and comes down again within the run; changes the learning rate only, not the momentum."""

    name: Literal["OneCycleLR"] = "OneCycleLR"
    pct_start: float = Field(default=0.3, ge=0.01, le=0.99, description="The share of the run spent climbing to lr.")
    div_factor: DivFactor = 25.0
    final_div_factor: float = Field(
        default=1e4, ge=1.0, le=1e6, description="The rate ends at its starting value divided by this."
    )


class LinearLR(Hyperparameters):
    """Lets the learning rate follow a line from start_factor · lr to end_factor · lr.

    A warm-up is such a line itself, so it has no other.
    """

    warmup_iters: ClassVar[int] = 0

    name: Literal["LinearLR"] = "LinearLR"
    start_factor: float = Field(default=1 / 3, ge=1e-4, le=1.0, description="The share of lr at which the rate starts.")
    end_factor: EndFactor = 1.0
    total_iters: TotalIters = 1000


class PolynomialLR(Scheduler):
    """Lowers the learning rate to 0 in total_iters iterations, along a power of what is left of them."""

    name: Literal["PolynomialLR"] = "PolynomialLR"
    total_iters: TotalIters = 3000
    power: float = Field(default=1.0, ge=0.0, le=10.0, description="1 is a straight line; more falls faster at first.")


class ConstantLR(Scheduler):
    """Multiplies the learning rate by a factor for total_iters iterations, and then no longer."""

    name: Literal["ConstantLR"] = "ConstantLR"
    factor: float = Field(default=1 / 3, ge=1e-4, le=1.0, description="The share of lr that is used at first.")
    total_iters: TotalIters = 1000


class CosineAnnealingWarmRestarts(Scheduler):
    """Half a cosine from lr down to eta_min, again and again; each time it jumps back to lr."""

    name: Literal["CosineAnnealingWarmRestarts"] = "CosineAnnealingWarmRestarts"
    T_0: Iterations = Field(default=1000, description="Iterations until the first restart.")
    T_mult: int = Field(default=1, ge=1, le=100, description="Each cosine is this many times as long as the last one.")
    eta_min: float = Field(default=0.0, ge=0.0, le=1.0, description="The lowest rate that the cosine comes to.")


class CyclicLR(Scheduler):
    """Lets the learning rate climb to lr and come down again, cycle after cycle; momentum goes the other way."""

    name: Literal["CyclicLR"] = "CyclicLR"
    div_factor: DivFactor = 10.0
    step_size_up: Iterations = Field(default=500, description="Iterations of each climb.")
    step_size_down: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Iterations of each descent; as many as of a climb if empty."
    )
    mode: Literal["triangular", "triangular2", "exp_range"] = Field(
        default="triangular", description="The height of the cycles: all alike, halved each time, or shrunk by gamma."
    )
    gamma: SlowGamma = 1.0
    cycle_momentum: bool = Field(
        default=True, description="Also cycles momentum, or beta 1, where the optimizer has it above 0."
    )
    base_momentum: CycledMomentum = Field(default=0.8, description="The momentum where the rate is highest.")
    max_momentum: CycledMomentum = Field(default=0.9, description="The momentum where the rate is lowest.")

    def cycles(self, optimizer: Optimizer) -> bool:
        """Return whether it cycles this optimizer's momentum or beta 1; torch refuses to where there is neither."""
        has_betas = "betas" in type(optimizer).model_fields
        return self.cycle_momentum and (has_betas or getattr(optimizer, "momentum", 0.0) > 0)


class WarmupStableDecay(Scheduler):
    """Warm-up, then lr, then a line down to end_factor · lr (torch.optim.lr_scheduler.SequentialLR)."""

    name: Literal["WarmupStableDecay"] = "WarmupStableDecay"
    warmup_iters: WarmupIters = 100
    stable_iters: Iterations = Field(default=2000, description="Iterations at lr, after the warm-up.")
    decay_iters: Iterations = Field(default=900, description="Iterations of the descent.")
    end_factor: EndFactor = 0.0


class ReduceLROnPlateau(Scheduler):
    """Multiplies the learning rate by factor where the loss has stopped falling, seen at the evaluations.

    The loss is the validation loss, or the train loss in eval mode where nothing is held out. torch's mode is "min".
    """

    name: Literal["ReduceLROnPlateau"] = "ReduceLROnPlateau"
    factor: float = Field(default=0.1, ge=1e-4, le=0.999, description="The factor of each drop of the learning rate.")
    patience: Evaluations = Field(
        default=10,
        description="How many evaluations in a row may pass without a better loss; the rate drops at the next one.",
    )
    threshold: float = Field(
        default=1e-4,
        ge=0.0,
        le=0.9,
        description="A loss counts as better if it is lower than the best by more than this.",
    )
    threshold_mode: Literal["rel", "abs"] = Field(
        default="rel", description="Whether threshold is a share of the best loss (rel) or a difference from it (abs)."
    )
    cooldown: Evaluations = Field(
        default=0, description="Evaluations after a drop that are not counted against patience."
    )
    min_lr: float = Field(default=0.0, ge=0.0, le=1.0, description="The rate does not drop below this.")
    eps: float = Field(default=1e-8, ge=0.0, le=0.1, description="A drop by no more than this is left out.")


AnyScheduler = Annotated[
    NoScheduler
    | StepLR
    | MultiStepLR
    | CosineAnnealingLR
    | ExponentialLR
    | OneCycleLR
    | LinearLR
    | PolynomialLR
    | ConstantLR
    | CosineAnnealingWarmRestarts
    | CyclicLR
    | WarmupStableDecay
    | ReduceLROnPlateau,
    Field(discriminator="name"),
]
