"""One training step of the lecture's first network, worked out by the chain rule for one example.

The network is MyModel: 10 inputs, 20 sigmoid units, one sigmoid output. The lecture gives it no loss; here it is binary
cross-entropy (torch's BCELoss). No autograd: each gradient is its formula, in float64.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpcore.training.activations import sigmoid, sigmoid_derivative

INPUTS, UNITS = 10, 20
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Weights:
    """The parameters: `W1` (20, 10), `b1` (20,), `W2` (20,), which is the second layer's only row, and `b2`."""

    W1: Array
    b1: Array
    W2: Array
    b2: float


@dataclass(frozen=True)
class Forward:
    """Every value from the inputs `x` (10,) to the loss; `z1` and `a1` have shape (20,)."""

    x: Array
    y: int
    z1: Array
    a1: Array
    z2: float
    output: float
    loss: float


@dataclass(frozen=True)
class Gradients:
    """The derivative of the loss with respect to each value and parameter, each in the shape of that quantity."""

    output: float
    z2: float
    W2: Array
    b2: float
    a1: Array
    z1: Array
    W1: Array
    b1: Array


@dataclass(frozen=True)
class TrainingStep:
    """Forward pass, backward pass, updated weights, and the forward pass with those."""

    weights: Weights
    forward: Forward
    gradients: Gradients
    updated: Weights
    after: Forward


def draw_example(seed: int) -> tuple[Weights, Array]:
    """Draw initial weights and inputs.

    Weights are uniform within ±1/√(inputs of the layer), as torch draws them, and inputs within ±1. All are rounded to
    hundredths, so that the numbers shown are the numbers used.
    """
    rng = np.random.default_rng(seed)

    def draw(bound: float, *shape: int) -> Array:
        return np.round(rng.uniform(-bound, bound, shape), 2) + 0.0  # + 0.0 turns -0.0 into 0.0

    first, second = INPUTS**-0.5, UNITS**-0.5
    weights = Weights(
        W1=draw(first, UNITS, INPUTS), b1=draw(first, UNITS), W2=draw(second, UNITS), b2=float(draw(second))
    )
    return weights, draw(1, INPUTS)


def forward(weights: Weights, x: Array, y: int) -> Forward:
    """Compute every value up to the loss: -ln(output) for the target y = 1, -ln(1 - output) for y = 0."""
    z1 = weights.W1 @ x + weights.b1
    a1 = sigmoid(z1)
    z2 = np.asarray(weights.W2 @ a1 + weights.b2)
    output = sigmoid(z2)
    loss = -np.log(output if y else sigmoid(-z2))
    return Forward(x, y, z1, a1, float(z2), float(output), float(loss))


def backward(weights: Weights, values: Forward) -> Gradients:
    """Apply the chain rule from the loss back to the first layer, each gradient from the one before."""
    d_output = -1 / values.output if values.y else 1 / (1 - values.output)
    d_z2 = d_output * float(sigmoid_derivative(np.asarray(values.z2)))
    d_a1 = d_z2 * weights.W2
    d_z1 = d_a1 * sigmoid_derivative(values.z1)
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


def take_gradient_step(weights: Weights, gradients: Gradients, lr: float) -> Weights:
    """Take a step of plain gradient descent: W - lr · gradient."""
    return Weights(
        W1=weights.W1 - lr * gradients.W1,
        b1=weights.b1 - lr * gradients.b1,
        W2=weights.W2 - lr * gradients.W2,
        b2=weights.b2 - lr * gradients.b2,
    )


def compute_training_step(seed: int, *, y: int, lr: float, updates: int = 0) -> TrainingStep:
    """Compute the training step that follows `updates` earlier ones, all on the same example."""
    weights, x = draw_example(seed)
    for _ in range(updates):
        weights = take_gradient_step(weights, backward(weights, forward(weights, x, y)), lr)
    values = forward(weights, x, y)
    gradients = backward(weights, values)
    updated = take_gradient_step(weights, gradients, lr)
    return TrainingStep(weights, values, gradients, updated, forward(updated, x, y))
