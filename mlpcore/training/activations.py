"""The lecture's activations and their derivatives, as formulas over numpy arrays."""

from collections.abc import Callable

import numpy as np

Curve = Callable[[np.ndarray], np.ndarray]


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x), through tanh: finite for x of any size."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(x, float)))


def sigmoid_slope(x: np.ndarray) -> np.ndarray:
    """The derivative, sigmoid · (1 - sigmoid): at most 1/4, at x = 0."""
    return sigmoid(x) * sigmoid(-np.asarray(x, float))  # 1 - sigmoid(x) would cancel where x is large


def tanh_slope(x: np.ndarray) -> np.ndarray:
    """The derivative, 1 - tanh²: at most 1, at x = 0."""
    return 4 * sigmoid_slope(2 * np.asarray(x, float))  # the same, and nothing cancels where x is large


def relu(x: np.ndarray) -> np.ndarray:
    """max(0, x)."""
    return np.maximum(0.0, x)


def relu_slope(x: np.ndarray) -> np.ndarray:
    """The derivative, 1 above 0 and 0 elsewhere: at the corner itself torch says 0."""
    return np.where(np.asarray(x) > 0, 1.0, 0.0)


ACTIVATIONS: dict[str, tuple[Curve, Curve]] = {  # by the name a recipe gives them: the value and the derivative
    "sigmoid": (sigmoid, sigmoid_slope),
    "tanh": (np.tanh, tanh_slope),
    "relu": (relu, relu_slope),
}
