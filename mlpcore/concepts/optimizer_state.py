"""What an optimizer keeps of one parameter between two updates."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OptimizerState:
    """A parameter after `step` updates, and what its optimizer keeps of the gradients so far."""

    parameter: float
    step: int = 0
    undecayed: float = 0.0  # the parameter before a decoupled decay
    symbol: str = ""  # of the parameter as the rule finds it: after a decoupled decay it is no longer θ
    buffer: float = 0.0  # the momentum buffer
    mean: float = 0.0  # a running mean of the gradient
    square: float = 0.0  # a mean or a sum of the squared gradient, or for Adamax its largest size
    greatest: float = 0.0  # the largest mean square so far, for amsgrad
    product: float = 1.0  # of all momenta so far, for NAdam
    moved: float = 0.0  # a running mean of the squared step, for Adadelta
    size: float = 0.0  # of the step, for Rprop
    kept: float = 0.0  # the gradient before, for Rprop, or 0 where its sign had changed
