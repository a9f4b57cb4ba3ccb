"""The formulas of the activation functions and of their derivatives are torch's."""

import numpy as np
import pytest
import torch

from mlpcore.training.activations import ACTIVATION_CURVES
from mlpcore.training.models import ACTIVATIONS as TORCH_ACTIVATIONS


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu"])
def test_value_and_derivative_are_torchs(name):
    x = torch.tensor([-1000.0, -30, -6, -0.1, 0, 0.1, 1, 6, 30, 1000], dtype=torch.float64, requires_grad=True)
    expected = TORCH_ACTIVATIONS[name](x)
    (slope,) = torch.autograd.grad(expected.sum(), x)
    value, derivative = ACTIVATION_CURVES[name]
    np.testing.assert_allclose(value(x.detach().numpy()), expected.detach(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(derivative(x.detach().numpy()), slope, rtol=1e-12, atol=1e-12)


def test_sigmoid_passes_on_a_quarter_at_best_and_tanh_all():
    grid = np.linspace(-6, 6, 1201)
    assert float(ACTIVATION_CURVES["sigmoid"][1](grid).max()) == 0.25
    assert float(ACTIVATION_CURVES["tanh"][1](grid).max()) == 1.0
