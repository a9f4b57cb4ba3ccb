"""The lecture's activation functions and their derivatives, as formulas over numpy arrays."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Curve = Callable[[Array], Array]


def sigmoid(x: Array) -> Array:
    """Compute 1 / (1 + e^-x) through tanh, which is finite for x of any size."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(x, float))))


def sigmoid_derivative(x: Array) -> Array:
    """Compute sigmoid · (1 - sigmoid): at most 1/4, at x = 0."""
    return sigmoid(x) * sigmoid(-np.asarray(x, float))  # 1 - sigmoid(x) would cancel where x is large


def tanh_derivative(x: Array) -> Array:
    """Compute 1 - tanh²: at most 1, at x = 0."""
    return 4 * sigmoid_derivative(2 * np.asarray(x, float))  # the same, and nothing cancels where x is large


def relu(x: Array) -> Array:
    """Compute max(0, x)."""
    return np.asarray(np.maximum(0.0, x))


def relu_derivative(x: Array) -> Array:
    """Compute 1 above 0 and 0 elsewhere; at 0 itself torch says 0."""
    return np.where(np.asarray(x) > 0, 1.0, 0.0)


# by the name in a recipe: the function and its derivative
ACTIVATION_CURVES: dict[str, tuple[Curve, Curve]] = {
    "sigmoid": (sigmoid, sigmoid_derivative),
    "tanh": (np.tanh, tanh_derivative),
    "relu": (relu, relu_derivative),
}
