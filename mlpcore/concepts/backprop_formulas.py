"""The formulas of a training step in LaTeX, with the numbers of one unit and one feature (an input)."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from mlpcore.concepts.backprop import INPUTS, UNITS, Forward, TrainingStep
from mlpcore.numbers import latex_number

# Values from the inputs to the loss, gradients back from it, the update, and the forward pass after it.
FORWARD = ("x", "z1", "a1", "z2", "output", "loss")
BACKWARD = ("d_output", "d_z2", "d_W2", "d_a1", "d_z1", "d_W1")
STAGES = (*FORWARD, *BACKWARD, "update", "after")
Formulas = dict[str, list[str]]  # the lines of each stage


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
    formulas = _forward(done, unit) | _backward(done, unit, feature) | _update(done, unit, feature, lr)
    return formulas[stage]


def _forward(done: TrainingStep, unit: int) -> Formulas:
    values, weights, j = done.forward, done.weights, unit + 1
    z1, a1 = values.z1[unit], values.a1[unit]
    first_sum = _products(zip(weights.W1[unit], values.x, strict=True))
    second_sum = _products(zip(weights.W2, values.a1, strict=True))
    return {
        "x": [r"x = (" + r",\allowbreak\ ".join(map(latex_number, values.x)) + rf"), \quad y = {values.y}"],
        "z1": [
            rf"z_{{1,{j}}} = \sum_i W_{{1,{j},i}}\, x_i + b_{{1,{j}}}",
            rf"= {first_sum} + {_bracketed(weights.b1[unit])} = {_result(z1)}",
        ],
        "a1": [rf"a_{{1,{j}}} = \sigma(z_{{1,{j}}}) = {_sigmoid(z1)} = {_result(a1)}"],
        "z2": [
            r"z_2 = \sum_j W_{2,j}\, a_{1,j} + b_2",
            rf"= {second_sum} + {_bracketed(weights.b2)} = {_result(values.z2)}",
        ],
        "output": [rf"\hat y = \sigma(z_2) = {_sigmoid(values.z2)} = {_result(values.output)}"],
        "loss": [r"L = -\big(y \ln \hat y + (1 - y) \ln(1 - \hat y)\big)", rf"= {_loss(values)}"],
    }


def _backward(done: TrainingStep, unit: int, feature: int) -> Formulas:
    values, weights, found = done.forward, done.weights, done.gradients
    j, i = unit + 1, feature + 1
    a1, y_hat, w2, x = values.a1[unit], values.output, weights.W2[unit], values.x[feature]
    path = (r"\hat y", "z_2", f"a_{{1,{j}}}", f"z_{{1,{j}}}", f"W_{{1,{j},{i}}}")
    by_output, by_z2, by_a1, by_z1, by_w1 = map(_by, path)
    by_w2 = _by(f"W_{{2,{j}}}")
    output_slope = _multiply(y_hat, 1 - y_hat)
    fraction = rf"\dfrac{{{latex_number(y_hat)} - {values.y}}}{{{output_slope}}}"
    links = (rf"\dfrac{{\partial {above}}}{{\partial {below}}}" for above, below in pairwise(path))
    chain = r" \cdot ".join([by_output, *links])
    factors = _multiply(found.output, y_hat * (1 - y_hat), w2, a1 * (1 - a1), x)
    w1_result = _result(found.W1[unit, feature])
    return {
        "d_output": [
            rf"{by_output} = \dfrac{{\hat y - y}}{{\hat y (1 - \hat y)}} = {fraction} = {_result(found.output)}"
        ],
        "d_z2": [
            rf"{by_z2} = {by_output} \cdot \hat y (1 - \hat y) = {_bracketed(found.output)} \cdot {output_slope}",
            rf"= {_result(found.z2)} = \hat y - y",
        ],
        "d_W2": [
            rf"{by_w2} = {by_z2} \cdot a_{{1,{j}}} = {_multiply(found.z2, a1)} = {_result(found.W2[unit])}",
            rf"{_by('b_2')} = {by_z2} = {_result(found.b2)}",
        ],
        "d_a1": [
            rf"{by_a1} = {by_z2} \cdot W_{{2,{j}}} = {_multiply(found.z2, w2)} = {_result(found.a1[unit])}",
        ],
        "d_z1": [
            rf"{by_z1} = {by_a1} \cdot a_{{1,{j}}} (1 - a_{{1,{j}}}) = {_multiply(found.a1[unit], a1, 1 - a1)} = "
            rf"{_result(found.z1[unit])}"
        ],
        "d_W1": [
            rf"{by_w1} = {by_z1} \cdot x_{{{i}}} = {_multiply(found.z1[unit], x)} = {w1_result}",
            rf"{_by(f'b_{{1,{j}}}')} = {by_z1} = {_result(found.b1[unit])}",
            rf"{by_w1} = {chain} = {factors} = {w1_result}",
        ],
    }


def _update(done: TrainingStep, unit: int, feature: int, lr: float) -> Formulas:
    old, new, found = done.weights, done.updated, done.gradients
    j, rate, before, after = unit + 1, latex_number(lr), done.forward, done.after
    rows = (
        (f"W_{{1,{j},{feature + 1}}}", old.W1[unit, feature], found.W1[unit, feature], new.W1[unit, feature]),
        (f"b_{{1,{j}}}", old.b1[unit], found.b1[unit], new.b1[unit]),
        (f"W_{{2,{j}}}", old.W2[unit], found.W2[unit], new.W2[unit]),
        ("b_2", old.b2, found.b2, new.b2),
    )
    return {
        "update": [
            rf"{symbol} \leftarrow {latex_number(value)} - {rate} \cdot {_bracketed(gradient)} = {_result(updated)}"
            for symbol, value, gradient, updated in rows
        ],
        "after": [
            rf"\hat y = {latex_number(before.output)} \;\to\; {_result(after.output)}",
            rf"L = {_loss(after)}",
            rf"L\colon\ {latex_number(before.loss)} \;\to\; {_result(after.loss)}",
        ],
    }


def _result(value: float) -> str:
    return rf"\mathbf{{{latex_number(value)}}}"


def _bracketed(value: float) -> str:
    return f"({latex_number(value)})" if value < 0 else latex_number(value)


def _multiply(*factors: float) -> str:
    return r" \cdot ".join(map(_bracketed, factors))


def _products(pairs: Iterable[Sequence[float]]) -> str:
    return " + ".join(f"{{{_multiply(*pair)}}}" for pair in pairs)  # braces: a line does not break within a product


def _sigmoid(z: float) -> str:
    return rf"\dfrac{{1}}{{1 + e^{{{latex_number(-z)}}}}}"


def _by(what: str) -> str:
    return rf"\dfrac{{\partial L}}{{\partial {what}}}"


def _loss(values: Forward) -> str:
    inside = latex_number(values.output) if values.y else rf"1 - {latex_number(values.output)}"
    return rf"-\ln({inside}) = {_result(values.loss)}"
