"""The formulas of a training step in LaTeX, with the numbers of one unit and one feature (an input)."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from mlpcore.concepts.backprop import INPUTS, UNITS, Forward, TrainingStep

# Forward values from the inputs to the loss, gradients back from it, the update, and the forward pass after it.
STAGES = (
    "x",
    "z1",
    "a1",
    "z2",
    "output",
    "loss",
    "d_output",
    "d_z2",
    "d_W2",
    "d_a1",
    "d_z1",
    "d_W1",
    "update",
    "after",
)


def write_stage(done: TrainingStep, stage: str, *, unit: int, feature: int, lr: float) -> list[str]:
    """Write the formulas of one stage of a training step, one string per line, without `$`.

    Args:
        done: The training step, computed.
        stage: One of STAGES.
        unit: Which unit's formulas to write, from 0.
        feature: Which input of that unit, from 0.
        lr: The learning rate of the update.

    Raises:
        ValueError: There is no such stage, unit or feature.
    """
    for name, value, count in (("unit", unit, UNITS), ("feature", feature, INPUTS)):
        if not 0 <= value < count:
            raise ValueError(f"{name} is {value}: it must be from 0 to {count - 1}")
    if stage not in STAGES:
        raise ValueError(f"stage is {stage!r}: expected one of {', '.join(STAGES)}")
    if stage in ("x", "z1", "a1", "z2", "output", "loss"):
        return _forward(done, stage, unit)
    if stage == "after":
        return _after(done)
    if stage == "update":
        return _update(done, unit, feature, lr)
    return _backward(done, stage, unit, feature)


def _forward(done: TrainingStep, stage: str, unit: int) -> list[str]:
    values, weights, j = done.forward, done.weights, unit + 1
    z1, a1 = values.z1[unit], values.a1[unit]
    if stage == "x":
        return [r"x = (" + r",\allowbreak\ ".join(map(latex_number, values.x)) + r"), \quad y = " + str(values.y)]
    if stage == "z1":
        terms = _products(zip(weights.W1[unit], values.x, strict=True))
        return [
            rf"z_{{1,{j}}} = \sum_i W_{{1,{j},i}}\, x_i + b_{{1,{j}}}",
            rf"= {terms} + {_bracketed(weights.b1[unit])} = {_result(z1)}",
        ]
    if stage == "a1":
        return [rf"a_{{1,{j}}} = \sigma(z_{{1,{j}}}) = {_sigmoid(z1)} = {_result(a1)}"]
    if stage == "z2":
        terms = _products(zip(weights.W2, values.a1, strict=True))
        return [
            r"z_2 = \sum_j W_{2,j}\, a_{1,j} + b_2",
            rf"= {terms} + {_bracketed(weights.b2)} = {_result(values.z2)}",
        ]
    if stage == "output":
        return [rf"\hat y = \sigma(z_2) = {_sigmoid(values.z2)} = {_result(values.output)}"]
    return [r"L = -\big(y \ln \hat y + (1 - y) \ln(1 - \hat y)\big)", rf"= {_loss(values)}"]


def _backward(done: TrainingStep, stage: str, unit: int, feature: int) -> list[str]:
    values, weights, gradients = done.forward, done.weights, done.gradients
    j, i = unit + 1, feature + 1
    a1, y_hat = values.a1[unit], values.output
    by_output, by_z2, by_a1, by_z1 = map(_by, (r"\hat y", "z_2", f"a_{{1,{j}}}", f"z_{{1,{j}}}"))
    output_slope = rf"{latex_number(y_hat)} \cdot {latex_number(1 - y_hat)}"
    unit_slope = rf"{latex_number(a1)} \cdot {latex_number(1 - a1)}"
    if stage == "d_output":
        fraction = rf"\dfrac{{{latex_number(y_hat)} - {values.y}}}{{{output_slope}}}"
        return [
            rf"{by_output} = \dfrac{{\hat y - y}}{{\hat y (1 - \hat y)}} = {fraction} = {_result(gradients.output)}"
        ]
    if stage == "d_z2":
        return [
            rf"{by_z2} = {by_output} \cdot \hat y (1 - \hat y) = {_bracketed(gradients.output)} \cdot {output_slope}",
            rf"= {_result(gradients.z2)} = \hat y - y",
        ]
    if stage == "d_W2":
        product = rf"{_bracketed(gradients.z2)} \cdot {_bracketed(a1)}"
        return [
            rf"{_by(f'W_{{2,{j}}}')} = {by_z2} \cdot a_{{1,{j}}} = {product} = {_result(gradients.W2[unit])}",
            rf"{_by('b_2')} = {by_z2} = {_result(gradients.b2)}",
        ]
    if stage == "d_a1":
        product = rf"{_bracketed(gradients.z2)} \cdot {_bracketed(weights.W2[unit])}"
        return [rf"{by_a1} = {by_z2} \cdot W_{{2,{j}}} = {product} = {_result(gradients.a1[unit])}"]
    if stage == "d_z1":
        product = rf"{_bracketed(gradients.a1[unit])} \cdot {unit_slope}"
        return [rf"{by_z1} = {by_a1} \cdot a_{{1,{j}}} (1 - a_{{1,{j}}}) = {product} = {_result(gradients.z1[unit])}"]
    product = rf"{_bracketed(gradients.z1[unit])} \cdot {_bracketed(values.x[feature])}"
    factors = (gradients.output, y_hat * (1 - y_hat), weights.W2[unit], a1 * (1 - a1), values.x[feature])
    path = (r"\hat y", "z_2", f"a_{{1,{j}}}", f"z_{{1,{j}}}", f"W_{{1,{j},{i}}}")
    links = (rf"\dfrac{{\partial {above}}}{{\partial {below}}}" for above, below in pairwise(path))
    chain = r" \cdot ".join([by_output, *links])
    written = r" \cdot ".join(map(_bracketed, factors))
    by_w1 = _by(f"W_{{1,{j},{i}}}")
    return [
        rf"{by_w1} = {by_z1} \cdot x_{{{i}}} = {product} = {_result(gradients.W1[unit, feature])}",
        rf"{_by(f'b_{{1,{j}}}')} = {by_z1} = {_result(gradients.b1[unit])}",
        rf"{by_w1} = {chain} = {written} = {_result(gradients.W1[unit, feature])}",
    ]


def _after(done: TrainingStep) -> list[str]:
    return [
        rf"\hat y = {latex_number(done.forward.output)} \;\to\; {_result(done.after.output)}",
        rf"L = {_loss(done.after)}",
        rf"L\colon\ {latex_number(done.forward.loss)} \;\to\; {_result(done.after.loss)}",
    ]


def _update(done: TrainingStep, unit: int, feature: int, lr: float) -> list[str]:
    old, new, gradients = done.weights, done.updated, done.gradients
    j, i, rate = unit + 1, feature + 1, latex_number(lr)
    rows = (
        (f"W_{{1,{j},{i}}}", old.W1[unit, feature], gradients.W1[unit, feature], new.W1[unit, feature]),
        (f"b_{{1,{j}}}", old.b1[unit], gradients.b1[unit], new.b1[unit]),
        (f"W_{{2,{j}}}", old.W2[unit], gradients.W2[unit], new.W2[unit]),
        ("b_2", old.b2, gradients.b2, new.b2),
    )
    return [
        rf"{name} \leftarrow {latex_number(before)} - {rate} \cdot {_bracketed(gradient)} = {_result(after)}"
        for name, before, gradient, after in rows
    ]


def latex_number(value: float) -> str:
    """Write a number in LaTeX with three significant digits, below 0.001 as digits times a power of ten."""
    value = float(value)
    if value == 0 or abs(value) >= 1e-3:
        return f"{value:.3g}"
    digits, power = f"{value:.2e}".split("e")
    return rf"{digits} \cdot 10^{{{int(power)}}}"


def _result(value: float) -> str:
    return rf"\mathbf{{{latex_number(value)}}}"


def _bracketed(value: float) -> str:
    return f"({latex_number(value)})" if value < 0 else latex_number(value)


def _products(pairs: Iterable[Sequence[float]]) -> str:
    # braces keep a line from breaking within a product
    return " + ".join(rf"{{{_bracketed(left)} \cdot {_bracketed(right)}}}" for left, right in pairs)


def _sigmoid(z: float) -> str:
    return rf"\dfrac{{1}}{{1 + e^{{{latex_number(-z)}}}}}"


def _by(what: str) -> str:
    return rf"\dfrac{{\partial L}}{{\partial {what}}}"


def _loss(values: Forward) -> str:
    inside = latex_number(values.output) if values.y else rf"1 - {latex_number(values.output)}"
    return rf"-\ln({inside}) = {_result(values.loss)}"
