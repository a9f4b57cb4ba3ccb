"""The optimizers' hyperparameters: type, bounds, default and one line of help, each at its field.

Names, defaults and meanings are those of torch.optim.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from mlpcore.messages import SentenceError
from mlpcore.recipes import messages
from mlpcore.recipes.hyperparameters import AS_TUPLE, Lr, Momentum, WeightDecay
from mlpcore.recipes.optimizer_base import Amsgrad, Betas, DecoupledDecay, Eps, Group, Optimizer

LEAST_ETA, GREATEST_ETA = 0.01, 10.0
Eta = Annotated[float, Field(ge=LEAST_ETA, le=GREATEST_ETA)]
StepSize = Annotated[float, Field(ge=1e-12, le=1e3)]


class SGD(Optimizer):
    """Stochastic gradient descent: torch.optim.SGD."""

    group = Group.LECTURE
    states = 1
    tested_lr = 0.1

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


class Adam(Optimizer):
    """Adaptive moment estimation: torch.optim.Adam."""

    group = Group.LECTURE
    states = 2
    tested_lr = 1e-3

    name: Literal["Adam"] = "Adam"
    lr: Lr = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.0
    amsgrad: Amsgrad = False


class AdamW(Optimizer):
    """Adam with the decay applied to the weights themselves: torch.optim.AdamW."""

    group = Group.ADAPTIVE
    states = 2
    tested_lr = 1e-3

    name: Literal["AdamW"] = "AdamW"
    lr: Lr = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.01
    amsgrad: Amsgrad = False


class RMSprop(Optimizer):
    """Divides by a running root mean square of the gradient: torch.optim.RMSprop."""

    group = Group.ADAPTIVE
    states = 2
    tested_lr = 1e-3

    name: Literal["RMSprop"] = "RMSprop"
    lr: Lr = Field(
        default=1e-3,
        description="The learning rate. With torch's 0.001, accuracy after 1,000 iterations "
        "is 10.3 pp (Shapes) and 2.4 pp (CIFAR-10) below the best optimizer's.",
    )
    alpha: float = Field(default=0.99, ge=0.0, le=0.9999, description="How long the squared gradient is remembered.")
    eps: Eps = 1e-8
    momentum: Momentum = 0.0
    weight_decay: WeightDecay = 0.0


class Adagrad(Optimizer):
    """Divides by the root of all squared gradients so far: torch.optim.Adagrad."""

    group = Group.ADAPTIVE
    states = 1
    tested_lr = 0.01

    name: Literal["Adagrad"] = "Adagrad"
    lr: Lr = Field(
        default=0.01,
        description="The learning rate. With torch's 0.01, accuracy after 1,000 iterations "
        "is 12.8 pp (Shapes) and 1.3 pp (CIFAR-10) below the best optimizer's.",
    )
    lr_decay: float = Field(default=0.0, ge=0.0, le=1.0, description="Divides the rate by 1 + lr_decay · iterations.")
    eps: Eps = 1e-10
    weight_decay: WeightDecay = 0.0


class NAdam(Optimizer):
    """Adam with Nesterov's momentum: torch.optim.NAdam."""

    group = Group.ADAPTIVE
    states = 2
    tested_lr = 1e-3

    name: Literal["NAdam"] = "NAdam"
    lr: Lr = Field(
        default=2e-3,
        description="The learning rate. With torch's 0.002, accuracy after 1,000 iterations "
        "is 10.9 pp (Shapes) and 3.4 pp (CIFAR-10) below the best optimizer's.",
    )
    betas: Betas = (0.9, 0.999)
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.0
    momentum_decay: float = Field(
        default=4e-3, ge=0.0, le=1.0, description="How fast momentum grows from half of beta 1 to all of it."
    )
    decoupled_weight_decay: DecoupledDecay = False


class RAdam(Optimizer):
    """Adam that steps as SGD until its mean square can be trusted: torch.optim.RAdam."""

    group = Group.ADAPTIVE
    states = 2
    tested_lr = 1e-3

    name: Literal["RAdam"] = "RAdam"
    lr: Lr = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.0
    decoupled_weight_decay: DecoupledDecay = False


class Adamax(Optimizer):
    """Adam that divides by the largest recent gradient instead of a mean square: torch.optim.Adamax."""

    group = Group.ADAPTIVE
    states = 2
    tested_lr = 2e-3

    name: Literal["Adamax"] = "Adamax"
    lr: Lr = 2e-3
    betas: Betas = Field(
        default=(0.9, 0.999),
        description="How long the gradient's mean (first) and its largest size (second) are remembered.",
    )
    eps: Eps = 1e-8
    weight_decay: WeightDecay = 0.0


class Adadelta(Optimizer):
    """Scales each step by the size of the steps before; lr only multiplies it: torch.optim.Adadelta."""

    group = Group.ADAPTIVE
    states = 2
    tested_lr = 1.0

    name: Literal["Adadelta"] = "Adadelta"
    lr: Lr = Field(
        default=1.0,
        description="The learning rate. With torch's 1, accuracy after 1,000 iterations "
        "is 8.1 pp (Shapes) and 3.5 pp (CIFAR-10) below the best optimizer's.",
    )
    rho: float = Field(
        default=0.9, ge=0.0, le=0.9999, description="How long squared gradients and squared steps are remembered."
    )
    eps: Eps = 1e-6
    weight_decay: WeightDecay = 0.0


class Adafactor(Optimizer):
    """Adam's mean square from its rows and columns alone, and a rate relative to the weights: torch.optim.Adafactor."""

    group = Group.ADAPTIVE
    states = 1
    tested_lr = 0.01

    name: Literal["Adafactor"] = "Adafactor"
    lr: Lr = 0.01
    beta2_decay: float = Field(
        default=-0.8, ge=-1.0, le=0.0, description="The mean square forgets by iteration ^ beta2_decay."
    )
    d: float = Field(default=1.0, ge=1.0, le=100.0, description="Steps whose root mean square is larger are shortened.")
    weight_decay: WeightDecay = 0.0


class ASGD(Optimizer):
    """SGD that keeps an average of its weights, which training and evaluation do not read: torch.optim.ASGD."""

    group = Group.OTHER
    states = 1
    tested_lr = 0.1

    name: Literal["ASGD"] = "ASGD"
    lr: Lr = Field(
        default=0.01,
        description="The learning rate. With torch's 0.01, accuracy after 1,000 iterations "
        "is 22.8 pp (Shapes) and 5.4 pp (CIFAR-10) below the best optimizer's.",
    )
    lambd: float = Field(
        default=1e-4, ge=0.0, le=1.0, description="Shrinks the weights, and the rate with the iterations."
    )
    alpha: float = Field(
        default=0.75, ge=0.0, le=1.0, description="The rate is lr / (1 + lambd · lr · iterations) to this power."
    )
    t0: int = Field(
        default=1_000_000, ge=0, le=10_000_000, description="The iteration from which the weights are averaged."
    )
    weight_decay: WeightDecay = 0.0


class Muon(Optimizer):
    """Makes the steps of weight matrices orthogonal, in bfloat16; biases have AdamW: torch.optim.Muon."""

    group = Group.OTHER
    states = 1
    tested_lr = 1e-3

    name: Literal["Muon"] = "Muon"
    lr: Lr = Field(default=1e-3, description="The learning rate of the weights, whose steps are computed in bfloat16.")
    momentum: Momentum = 0.95
    nesterov: bool = Field(default=True, description="Looks ahead along the momentum.")
    adamw_scale: float = Field(
        default=1.0, ge=1e-3, le=1e3, description="The rate of the biases, which AdamW updates, is lr times this."
    )
    adjust_lr_fn: Literal["original", "match_rms_adamw"] = Field(
        default="original",
        description="How lr is scaled by a matrix's shape; match_rms_adamw makes steps like AdamW's.",
    )
    weight_decay: WeightDecay = 0.1


class Rprop(Optimizer):
    """Gives each weight a step size of its own, by the signs of full-batch gradients alone: torch.optim.Rprop."""

    group = Group.OTHER
    states = 2
    tested_lr = 1e-3
    needs_full_batch = True
    reads_lr_once = True
    weight_decay: ClassVar[float] = 0.0  # it has none to set

    name: Literal["Rprop"] = "Rprop"
    lr: Lr = Field(
        default=0.01,
        description="The first step size of every weight, read once: schedules and later changes do nothing. With "
        "torch's 0.01, accuracy after 100 iterations on 500 images is 6.2 pp (Shapes) and 4.3 pp (CIFAR-10) below "
        "Adam's.",
    )
    etas: Annotated[tuple[Eta, Eta], AS_TUPLE] = Field(
        default=(0.5, 1.2),
        description="What a step size is multiplied by: where the gradient's sign has changed, and where it has not.",
    )
    step_sizes: Annotated[tuple[StepSize, StepSize], AS_TUPLE] = Field(
        default=(1e-6, 50.0), description="The smallest and the largest step size."
    )

    @model_validator(mode="after")
    def _pairs_ascend(self) -> "Rprop":
        (shrink, grow), (least, most) = self.etas, self.step_sizes
        if not shrink < 1 < grow:
            values = {"value": f"{shrink:g}, {grow:g}", "low": LEAST_ETA, "high": GREATEST_ETA}
            raise SentenceError(messages.ETAS_NOT_AROUND_ONE, field="etas", **values)
        if least > most:
            raise SentenceError(messages.PAIR_DESCENDS, field="step_sizes", value=f"{least:g}, {most:g}")
        return self


AnyOptimizer = Annotated[
    SGD | Adam | AdamW | RMSprop | Adagrad | NAdam | RAdam | Adamax | Adadelta | Adafactor | ASGD | Muon | Rprop,
    Field(discriminator="name"),
]
