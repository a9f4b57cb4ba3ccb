"""The update rules written out: torch.optim takes the same steps, and the lines say how."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import assume, example, given, settings, strategies as st

from mlpcore.concepts.formulas import FormulaLine, write_lines
from mlpcore.concepts.optimizer_state import OptimizerState
from mlpcore.concepts.surfaces import apply_gradients
from mlpcore.concepts.update_rules import apply_update_rule
from mlpcore.recipes.optimizers import Adafactor, Muon
from mlpcore.recipes.recipe import SGD, Adam, AnyOptimizer
from tests.support.recipes import EACH_OPTIMIZER, optimizers

NUMBERS = st.floats(-10, 10)
NUDGE = 1 + 1e-14


def follow(optimizer: AnyOptimizer, parameter: float, gradients: list[float]) -> list[float]:
    state, after = OptimizerState(parameter), []
    for gradient in gradients:
        state, lines = apply_update_rule(optimizer, state, gradient)
        assert lines[-1].value == state.parameter
        after.append(state.parameter)
    return after


@settings(deadline=None)  # torch is loaded in the first example
@example(Adafactor(lr=1.0, beta2_decay=0.0), 0.0, [2.0, 1e-6])  # a square that is small beside the one before
@given(
    optimizers(),
    NUMBERS,
    st.lists(NUMBERS, min_size=1, max_size=5),
)
def test_every_step_is_the_one_torch_takes(optimizer: AnyOptimizer, parameter: float, gradients: list[float]) -> None:
    expected = pytest.approx(apply_gradients(optimizer, parameter, gradients), rel=1e-9, abs=1e-9)
    # a step back to nearly 0 leaves only rounding errors, and the next may divide by them: torch differs from itself
    assume(apply_gradients(optimizer, parameter * NUDGE, [gradient / NUDGE for gradient in gradients]) == expected)
    assert follow(optimizer, parameter, gradients) == expected


@pytest.mark.parametrize(
    ("optimizer", "after"),
    [
        (SGD(lr=0.1, momentum=0.0, weight_decay=0.0, nesterov=False), [0.9, 0.8]),
        (SGD(lr=0.1, momentum=0.0, weight_decay=0.5, nesterov=False), [0.85, 0.7075]),
        (SGD(lr=0.1, momentum=0.9, weight_decay=0.0, nesterov=False), [0.9, 0.71]),
        (SGD(lr=0.1, momentum=0.9, weight_decay=0.0, nesterov=True), [0.81, 0.539]),
        (Adam(lr=0.1, eps=1e-12), [0.9, 0.8]),
    ],
)
def test_two_steps_on_a_gradient_of_one_are_those_worked_out_by_hand(
    optimizer: AnyOptimizer, after: list[float]
) -> None:
    assert follow(optimizer, 1.0, [1.0, 1.0]) == pytest.approx(after)


@pytest.mark.parametrize("name", list(EACH_OPTIMIZER))
def test_ten_steps_of_each_rule_are_those_torch_takes(name: str) -> None:
    optimizer, gradients = EACH_OPTIMIZER[name], [0.5, -0.2, 0.9, 0.3, -1.5, 0.1, 0.7, 2.0, -0.4, 0.6]
    expected = apply_gradients(optimizer, 1.0, gradients)
    assert follow(optimizer, 1.0, gradients) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("gradients", [[0.5, -0.2, 0.9, -1.5], [2e-8, -3e-9, 4e-8, 1e-7], [0.0, 0.0, 0.5, -0.5]])
@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize(("adjust_lr_fn", "scale"), [("original", 1.0), ("match_rms_adamw", 0.2)])
def test_muon_is_torchs_own_on_a_matrix_of_1_by_1(
    gradients: list[float], nesterov: bool, adjust_lr_fn: Any, scale: float
) -> None:
    weight = torch.ones(1, 1, dtype=torch.float64, requires_grad=True)
    settings: dict[str, Any] = {"lr": 0.2, "momentum": 0.9, "weight_decay": 0.05, "nesterov": nesterov}
    settings["adjust_lr_fn"] = adjust_lr_fn
    reference, expected = torch.optim.Muon([weight], **settings), []
    for gradient in gradients:
        weight.grad = torch.full_like(weight, gradient)
        reference.step()
        expected.append(weight.item())
    assert follow(Muon(**settings), 1.0, gradients) == pytest.approx(expected, rel=1e-12)
    _state, lines = apply_update_rule(Muon(**settings), OptimizerState(1.0), -0.5)
    assert {line.symbol: line.value for line in lines}["O_1"] == -0.6875
    assert lines[-1].value == pytest.approx(0.99 + 0.2 * scale * 0.6875)


def test_momentum_and_nesterov_add_their_own_lines_to_sgd() -> None:
    def symbols(**optimizer: Any) -> list[str]:
        return [line.symbol for line in apply_update_rule(SGD(lr=0.1, **optimizer), OptimizerState(1.0), 1.0)[1]]

    assert symbols(momentum=0.0, nesterov=False) == ["g_1", r"\theta_1"]
    assert symbols(momentum=0.9, nesterov=False) == ["g_1", "b_1", r"\theta_1"]
    assert symbols(momentum=0.9, nesterov=True) == ["g_1", "b_1", "d_1", r"\theta_1"]


def test_lines_hold_the_knobs_and_what_came_before() -> None:
    optimizer = SGD(lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=False)
    state, _lines = apply_update_rule(optimizer, OptimizerState(1.0), 0.5)
    state, lines = apply_update_rule(optimizer, state, -0.25)
    assert [replace(line, value=round(line.value, 10)) for line in lines] == [
        FormulaLine(
            "g_2",
            r"\nabla L + \lambda\,\theta_1",
            r"(-0.25) + (5 \cdot 10^{-4}) \cdot 0.94995",
            -0.249525025,
        ),
        FormulaLine("b_2", r"\mu\,b_1 + g_2", r"0.9 \cdot 0.5005 + (-0.24953)", 0.200924975),
        FormulaLine(r"\theta_2", r"\theta_1 - \eta\,b_2", r"0.94995 - 0.1 \cdot 0.20092", 0.9298575025),
    ]


def test_numbers_are_written_as_powers_of_ten_where_they_are_tiny() -> None:
    written = write_lines(
        [
            FormulaLine("a", "b", "c", 2.5e-7),
            FormulaLine("a", "b", "c", -1e-8),
            FormulaLine("a", "b", "c", -3.0),
        ]
    )
    assert r"\mathbf{2.5 \cdot 10^{-7}}" in written
    assert r"\mathbf{-10^{-8}}" in written
    assert r"\mathbf{-3}" in written
    _state, lines = apply_update_rule(Adam(lr=0.001), OptimizerState(0.0), -1e-8)
    assert lines[0].numbers == r"(-10^{-8}) + 0 \cdot 0"
    assert lines[-1].numbers.endswith(r"(\sqrt{(10^{-16})} + 10^{-8})")
