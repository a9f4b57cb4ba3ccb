"""The update rules written out for one parameter, each line as a formula, with its numbers, and as a number.

These are torch.optim's rules, in its order of operations; a test holds them against it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlpcore.recipes.recipe import SGD, Adam


@dataclass(frozen=True)
class State:
    """A parameter after `step` updates, and what its optimizer remembers of the gradients so far."""

    parameter: float
    step: int = 0
    buffer: float = 0.0  # SGD's momentum buffer
    mean: float = 0.0  # Adam's running mean of the gradient
    square: float = 0.0  # Adam's running mean of its square


@dataclass(frozen=True)
class Line:
    """One line of a rule in LaTeX: `symbol` = `rule` = `numbers` = `value`."""

    symbol: str
    rule: str
    numbers: str
    value: float


def update(knobs: SGD | Adam, state: State, gradient: float) -> tuple[State, list[Line]]:
    """Take one step; return where it leads and the lines that lead there.

    gradient: of the loss alone; weight decay is added to it here, as torch.optim does.
    """
    t, old, decay = state.step + 1, state.parameter, knobs.weight_decay
    slope = gradient + decay * old
    lines = [
        Line(
            f"g_{t}",
            rf"\nabla L + \lambda\,\theta_{t - 1}",
            rf"{_tex(gradient)} + {_tex(decay)} \cdot {_tex(old)}",
            slope,
        )
    ]
    state = replace(state, step=t)
    return (_sgd if isinstance(knobs, SGD) else _adam)(knobs, state, slope, lines)


def write_lines(lines: Sequence[Line]) -> str:
    """Align the lines of one step as LaTeX, formula above numbers."""
    rows = [
        rf"{line.symbol} &= {line.rule} \\ &= {line.numbers} \\ &= \mathbf{{{_tex(line.value, bare=True)}}}"
        for line in lines
    ]
    return r"\begin{aligned}" + r" \\[0.6em] ".join(rows) + r"\end{aligned}"


def _sgd(knobs: SGD, state: State, slope: float, lines: list[Line]) -> tuple[State, list[Line]]:
    t, old, momentum = state.step, state.parameter, knobs.momentum
    direction, name = slope, f"g_{t}"
    if momentum:
        buffer = momentum * state.buffer + slope
        numbers = rf"{_tex(momentum)} \cdot {_tex(state.buffer)} + {_tex(slope)}"
        lines.append(Line(f"b_{t}", rf"\mu\,b_{t - 1} + g_{t}", numbers, buffer))
        state, direction, name = replace(state, buffer=buffer), buffer, f"b_{t}"
        if knobs.nesterov:
            direction, name = slope + momentum * buffer, f"d_{t}"
            numbers = rf"{_tex(slope)} + {_tex(momentum)} \cdot {_tex(buffer)}"
            lines.append(Line(name, rf"g_{t} + \mu\,b_{t}", numbers, direction))
    new = old - knobs.lr * direction
    numbers = rf"{_tex(old)} - {_tex(knobs.lr)} \cdot {_tex(direction)}"
    lines.append(Line(rf"\theta_{t}", rf"\theta_{t - 1} - \eta\,{name}", numbers, new))
    return replace(state, parameter=new), lines


def _adam(knobs: Adam, state: State, slope: float, lines: list[Line]) -> tuple[State, list[Line]]:
    t, old = state.step, state.parameter
    first, second = knobs.betas
    mean = first * state.mean + (1 - first) * slope
    square = second * state.square + (1 - second) * slope**2
    mean_hat, square_hat = mean / (1 - first**t), square / (1 - second**t)
    new = old - knobs.lr * mean_hat / (math.sqrt(square_hat) + knobs.eps)
    lines += [
        Line(
            f"m_{t}",
            rf"\beta_1 m_{t - 1} + (1 - \beta_1)\,g_{t}",
            rf"{_tex(first)} \cdot {_tex(state.mean)} + {_tex(1 - first)} \cdot {_tex(slope)}",
            mean,
        ),
        Line(
            f"v_{t}",
            rf"\beta_2 v_{t - 1} + (1 - \beta_2)\,g_{t}^2",
            rf"{_tex(second)} \cdot {_tex(state.square)} + {_tex(1 - second)} \cdot {_tex(slope)}^2",
            square,
        ),
        Line(
            rf"\hat m_{t}",
            rf"m_{t} / (1 - \beta_1^{t})",
            rf"{_tex(mean)} / (1 - {_tex(first)}^{t})",
            mean_hat,
        ),
        Line(
            rf"\hat v_{t}",
            rf"v_{t} / (1 - \beta_2^{t})",
            rf"{_tex(square)} / (1 - {_tex(second)}^{t})",
            square_hat,
        ),
        Line(
            rf"\theta_{t}",
            rf"\theta_{t - 1} - \eta\,\hat m_{t} / (\sqrt{{\hat v_{t}}} + \varepsilon)",
            rf"{_tex(old)} - {_tex(knobs.lr)} \cdot {_tex(mean_hat)} / "
            rf"(\sqrt{{{_tex(square_hat)}}} + {_tex(knobs.eps, bare=True)})",
            new,
        ),
    ]
    return replace(state, parameter=new, mean=mean, square=square), lines


def _tex(value: float, *, bare: bool = False) -> str:
    """Write a number with five significant digits; a negative one in brackets unless it stands bare."""
    digits, _e, power = f"{value:.5g}".partition("e")
    if power:
        digits = rf"{digits} \cdot 10^{{{int(power)}}}" if digits not in ("1", "-1") else rf"10^{{{int(power)}}}"
        digits = digits if value > 0 or "cdot" in digits else f"-{digits}"
        return rf"({digits})" if not bare else digits
    return f"({digits})" if value < 0 and not bare else digits
