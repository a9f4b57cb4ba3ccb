"""Forward, backward and update of the lecture's first network, by the chain rule, for one example.

The network is MyModel: 10 inputs, 20 sigmoid units, one sigmoid output. The loss is the cross-entropy of two classes
(torch's BCELoss), for the lecture gives this network none. Nothing here is automatic: each gradient is its formula, in
float64.
"""

from dataclasses import dataclass

import numpy as np

from mlpcore.training.activations import sigmoid, sigmoid_slope

INPUTS, UNITS = 10, 20


@dataclass(frozen=True)
class Weights:
    """The parameters: `W1` (20, 10), `b1` (20,), `W2` (20,), the one row of the second layer, and `b2`."""

    W1: np.ndarray
    b1: np.ndarray
    W2: np.ndarray
    b2: float


@dataclass(frozen=True)
class Forward:
    """Every value on the way from the inputs `x` (10,) to the loss; `z1` and `a1` are (20,)."""

    x: np.ndarray
    y: int
    z1: np.ndarray
    a1: np.ndarray
    z2: float
    output: float
    loss: float


@dataclass(frozen=True)
class Gradients:
    """The loss's derivative by each value and each parameter, in the shape of what it is the derivative by."""

    output: float
    z2: float
    W2: np.ndarray
    b2: float
    a1: np.ndarray
    z1: np.ndarray
    W1: np.ndarray
    b1: np.ndarray


@dataclass(frozen=True)
class Walk:
    """One whole step: forward, backward, the updated weights, and forward again."""

    weights: Weights
    forward: Forward
    gradients: Gradients
    updated: Weights
    after: Forward


def draw_start(seed: int) -> tuple[Weights, np.ndarray]:
    """Draw weights, uniform within ±1/√(inputs of the layer) as torch does, and inputs within ±1.

    All are rounded to hundredths, so that what is shown is what is reckoned with.
    """
    rng = np.random.default_rng(seed)

    def draw(reach: float, *shape: int) -> np.ndarray:
        return rng.uniform(-reach, reach, shape).round(2) + 0.0  # + 0.0: no minus before a rounded 0

    first, second = INPUTS**-0.5, UNITS**-0.5
    weights = Weights(
        W1=draw(first, UNITS, INPUTS), b1=draw(first, UNITS), W2=draw(second, UNITS), b2=float(draw(second))
    )
    return weights, draw(1, INPUTS)


def forward(weights: Weights, x: np.ndarray, y: int) -> Forward:
    """Compute every value up to the loss, -ln(output) where the target `y` is 1 and -ln(1 - output) where it is 0."""
    z1 = weights.W1 @ x + weights.b1
    a1 = sigmoid(z1)
    z2 = float(weights.W2 @ a1 + weights.b2)
    output = float(sigmoid(z2))
    loss = -float(np.log(output if y else sigmoid(-z2)))
    return Forward(x, y, z1, a1, z2, output, loss)


def backward(weights: Weights, values: Forward) -> Gradients:
    """Apply the chain rule from the loss back to the first layer, each gradient from the one before."""
    d_output = -1 / values.output if values.y else 1 / (1 - values.output)
    d_z2 = d_output * float(sigmoid_slope(values.z2))
    d_a1 = d_z2 * weights.W2
    d_z1 = d_a1 * sigmoid_slope(values.z1)
    return Gradients(
        output=d_output,
        z2=d_z2,
        W2=d_z2 * values.a1,
        b2=d_z2,
        a1=d_a1,
        z1=d_z1,
        W1=np.outer(d_z1, values.x),
        b1=d_z1,
    )


def update(weights: Weights, gradients: Gradients, lr: float) -> Weights:
    """Take plain gradient descent's step, W - lr · gradient."""
    return Weights(
        W1=weights.W1 - lr * gradients.W1,
        b1=weights.b1 - lr * gradients.b1,
        W2=weights.W2 - lr * gradients.W2,
        b2=weights.b2 - lr * gradients.b2,
    )


def walk(seed: int, *, y: int, lr: float, updates: int = 0) -> Walk:
    """Take the step that follows `updates` earlier ones, all on the same example."""
    weights, x = draw_start(seed)
    for _ in range(updates):
        weights = update(weights, backward(weights, forward(weights, x, y)), lr)
    values = forward(weights, x, y)
    gradients = backward(weights, values)
    updated = update(weights, gradients, lr)
    return Walk(weights, values, gradients, updated, forward(updated, x, y))
