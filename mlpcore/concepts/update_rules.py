"""The update rules written out for one parameter: each line as a formula, with its numbers, and its value.

The rules and their order of operations are torch.optim's; a test compares the two.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlpcore.numbers import latex_number
from mlpcore.recipes.recipe import SGD, Adam


@dataclass(frozen=True)
class OptimizerState:
    """A parameter after `step` updates, and what its optimizer keeps of the gradients so far."""

    parameter: float
    step: int = 0
    buffer: float = 0.0  # SGD's momentum buffer
    mean: float = 0.0  # Adam's running mean of the gradient
    square: float = 0.0  # Adam's running mean of the squared gradient


@dataclass(frozen=True)
class FormulaLine:
    """One line of a rule in LaTeX: `symbol` = `rule` = `numbers` = `value`."""

    symbol: str
    rule: str
    numbers: str
    value: float


def apply_update_rule(
    optimizer: SGD | Adam, state: OptimizerState, gradient: float
) -> tuple[OptimizerState, list[FormulaLine]]:
    """Take one optimizer step; return the new state and the lines that compute it.

    gradient: of the loss alone; weight decay is added here, as torch.optim does.
    """
    t, old, decay = state.step + 1, state.parameter, optimizer.weight_decay
    decayed = gradient + decay * old
    numbers = rf"{_tex(gradient)} + {_tex(decay)} \cdot {_tex(old)}"
    line = FormulaLine(f"g_{t}", rf"\nabla L + \lambda\,\theta_{t - 1}", numbers, decayed)
    state = replace(state, step=t)
    new, lines = _sgd(optimizer, state, decayed) if isinstance(optimizer, SGD) else _adam(optimizer, state, decayed)
    return new, [line, *lines]


def write_lines(lines: Sequence[FormulaLine]) -> str:
    """Write the lines of one step as aligned LaTeX, the formula above its numbers."""
    rows = [
        rf"{line.symbol} &= {line.rule} \\ &= {line.numbers} \\ &= \mathbf{{{_tex(line.value, bare=True)}}}"
        for line in lines
    ]
    return r"\begin{aligned}" + r" \\[0.6em] ".join(rows) + r"\end{aligned}"


def _sgd(optimizer: SGD, state: OptimizerState, gradient: float) -> tuple[OptimizerState, list[FormulaLine]]:
    t, old, momentum, lines = state.step, state.parameter, optimizer.momentum, []
    direction, name = gradient, f"g_{t}"
    if momentum:
        buffer = momentum * state.buffer + gradient
        numbers = rf"{_tex(momentum)} \cdot {_tex(state.buffer)} + {_tex(gradient)}"
        lines.append(FormulaLine(f"b_{t}", rf"\mu\,b_{t - 1} + g_{t}", numbers, buffer))
        state, direction, name = replace(state, buffer=buffer), buffer, f"b_{t}"
        if optimizer.nesterov:
            direction, name = gradient + momentum * buffer, f"d_{t}"
            numbers = rf"{_tex(gradient)} + {_tex(momentum)} \cdot {_tex(buffer)}"
            lines.append(FormulaLine(name, rf"g_{t} + \mu\,b_{t}", numbers, direction))
    new = old - optimizer.lr * direction
    numbers = rf"{_tex(old)} - {_tex(optimizer.lr)} \cdot {_tex(direction)}"
    lines.append(FormulaLine(rf"\theta_{t}", rf"\theta_{t - 1} - \eta\,{name}", numbers, new))
    return replace(state, parameter=new), lines


def _adam(optimizer: Adam, state: OptimizerState, gradient: float) -> tuple[OptimizerState, list[FormulaLine]]:
    t, old = state.step, state.parameter
    first, second = optimizer.betas
    mean = first * state.mean + (1 - first) * gradient
    square = second * state.square + (1 - second) * gradient**2
    mean_hat, square_hat = mean / (1 - first**t), square / (1 - second**t)
    new = old - optimizer.lr * mean_hat / (math.sqrt(square_hat) + optimizer.eps)
    means = rf"{_tex(first)} \cdot {_tex(state.mean)} + {_tex(1 - first)} \cdot {_tex(gradient)}"
    squares = rf"{_tex(second)} \cdot {_tex(state.square)} + {_tex(1 - second)} \cdot {_tex(gradient)}^2"
    root = rf"\sqrt{{{_tex(square_hat)}}} + {_tex(optimizer.eps, bare=True)}"
    step = rf"{_tex(old)} - {_tex(optimizer.lr)} \cdot {_tex(mean_hat)} / ({root})"
    rule = rf"\theta_{t - 1} - \eta\,\hat m_{t} / (\sqrt{{\hat v_{t}}} + \varepsilon)"
    lines = [
        FormulaLine(f"m_{t}", rf"\beta_1 m_{t - 1} + (1 - \beta_1)\,g_{t}", means, mean),
        FormulaLine(f"v_{t}", rf"\beta_2 v_{t - 1} + (1 - \beta_2)\,g_{t}^2", squares, square),
        FormulaLine(
            rf"\hat m_{t}", rf"m_{t} / (1 - \beta_1^{t})", rf"{_tex(mean)} / (1 - {_tex(first)}^{t})", mean_hat
        ),
        FormulaLine(
            rf"\hat v_{t}", rf"v_{t} / (1 - \beta_2^{t})", rf"{_tex(square)} / (1 - {_tex(second)}^{t})", square_hat
        ),
        FormulaLine(rf"\theta_{t}", rule, step, new),
    ]
    return replace(state, parameter=new, mean=mean, square=square), lines


def _tex(value: float, *, bare: bool = False) -> str:
    """Write a number with five significant digits; put a negative one, or a power of ten, in brackets unless `bare`."""
    text = latex_number(value, 5)
    return text if bare or not (value < 0 or "10^" in text) else f"({text})"
