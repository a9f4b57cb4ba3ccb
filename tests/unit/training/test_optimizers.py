"""Optimizers built from a recipe hold its values, and step as torch's plain ones do."""

from inspect import signature
from typing import Any

import pytest
import torch
from hypothesis import given, settings

from mlpcore.recipes.optimizers import ASGD, Muon, Rprop
from mlpcore.recipes.recipe import OPTIMIZERS, SGD, Adagrad, Adam, AnyOptimizer
from mlpcore.training.optimizers import MuonWithAdamW, OptimizerStep, build_optimizer, effective_lr
from tests.support.present import present
from tests.support.recipes import EACH_OPTIMIZER, optimizers


def parameters() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in ((7, 5), (7,), (3, 7), (3,))]


class PlainMuon(torch.optim.SGD):
    """Muon for the matrices, and then AdamW for the rest, both as torch has them."""

    def __init__(self, weights: list[torch.Tensor], adamw_scale: float, **settings: Any) -> None:
        super().__init__(weights)
        self.muon = torch.optim.Muon([weight for weight in weights if weight.ndim == 2], **settings)
        self.adamw = torch.optim.AdamW(
            [weight for weight in weights if weight.ndim == 1],
            lr=settings["lr"] * adamw_scale,
            weight_decay=settings["weight_decay"],
            foreach=False,
        )

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        assert closure is None
        self.muon.step()
        self.adamw.step()


def build_plain(knobs: AnyOptimizer, weights: list[torch.Tensor]) -> torch.optim.Optimizer:
    """torch's own optimizer, tensor by tensor."""
    settings: dict[str, Any] = knobs.model_dump(exclude={"name"})
    if isinstance(knobs, Muon):
        return PlainMuon(weights, **settings)
    kind = getattr(torch.optim, knobs.name)
    settings |= {name: False for name in ("foreach", "fused") if name in signature(kind).parameters}
    optimizer: torch.optim.Optimizer = kind(weights, **settings)
    return optimizer


def take_steps(optimizer: torch.optim.Optimizer, weights: list[torch.Tensor], steps: int) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.step()


@given(knobs=optimizers())
def test_an_optimizer_holds_the_recipes_values(knobs):
    optimizer = build_optimizer(knobs, parameters())
    assert isinstance(optimizer, getattr(torch.optim, knobs.name))
    (group,) = optimizer.param_groups
    if isinstance(optimizer, MuonWithAdamW):
        group = group | {"adamw_scale": optimizer.adamw_scale}
    for name, value in knobs.model_dump(exclude={"name"}).items():
        assert group[name] == value, name


def test_the_table_has_every_optimizer_there_is():
    assert {type(knobs) for knobs in EACH_OPTIMIZER.values()} == set(OPTIMIZERS.values())


@pytest.mark.parametrize("name", EACH_OPTIMIZER)
def test_thirty_steps_are_those_of_torchs_plain_optimizer(name: str) -> None:
    knobs = EACH_OPTIMIZER[name]
    ours, theirs = parameters(), parameters()
    take_steps(build_optimizer(knobs, ours), ours, 30)
    take_steps(build_plain(knobs, theirs), theirs, 30)
    for one, other, start in zip(ours, theirs, parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
        assert not torch.equal(one, start)


def test_change_of_muons_weight_decay_reaches_the_biases() -> None:
    bias = torch.ones(3, requires_grad=True)
    optimizer = build_optimizer(Muon(lr=0.01, adamw_scale=2.0), [torch.ones(3, 3, requires_grad=True), bias])
    for weight_decay, expected in ((0.5, 0.99), (0.0, 0.99), (1.0, 0.9702)):  # times 1 - lr · scale · weight_decay
        optimizer.param_groups[0]["weight_decay"] = weight_decay
        bias.grad = torch.zeros(3)
        optimizer.step()
        assert bias.tolist() == pytest.approx([expected] * 3)


@pytest.mark.parametrize(
    ("kind", "changeable"),
    [(SGD, ["lr", "momentum", "weight_decay"]), (Adam, ["lr", "weight_decay"]), (Rprop, [])],
)
def test_while_a_run_goes_on_what_its_optimizer_reads_can_be_changed(kind, changeable):
    assert kind.list_changeable() == changeable


@settings(max_examples=30)
@given(knobs=optimizers())
def test_two_optimizers_of_the_same_knobs_step_alike_bit_for_bit(knobs):
    first, again = parameters(), parameters()
    take_steps(build_optimizer(knobs, first), first, 3)
    take_steps(build_optimizer(knobs, again), again, 3)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_sgd_is_the_lectures_update():
    weight = torch.tensor([1.0, -2.0], requires_grad=True)
    optimizer = build_optimizer(SGD(lr=0.5, momentum=0.0, weight_decay=0.0, nesterov=False), [weight])
    weight.grad = torch.tensor([0.5, 1.0])
    optimizer.step()
    assert weight.tolist() == [0.75, -2.5]


@pytest.mark.parametrize("lr_decay", [0.5, 1e-3])
def test_effective_rate_is_the_one_that_torchs_adagrad_divides_by_the_root_of_its_sum(lr_decay: float) -> None:
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = build_optimizer(Adagrad(lr=0.1, lr_decay=lr_decay), [weight])
    for step in range(1, 6):
        before, weight.grad = weight.item(), torch.ones(1, dtype=torch.float64)
        expected = effective_lr(optimizer)
        optimizer.step()
        used = (before - weight.item()) * step**0.5  # after so many gradients of 1, the root of their squares' sum
        assert expected == pytest.approx(used, rel=1e-6)


def test_effective_rate_is_the_one_with_which_torchs_asgd_goes_against_the_gradient() -> None:
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = build_optimizer(ASGD(lr=0.1, lambd=0.5, alpha=0.75), [weight])
    rates = [0.1, 0.1, 0.02, 0.02, 0.02]  # as a schedule sets them
    found = []
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        with torch.no_grad():
            weight.zero_()  # from 0 on, where nothing decays, a gradient of 1 shows the rate
        weight.grad = torch.ones(1, dtype=torch.float64)
        found.append(present(effective_lr(optimizer)))
        optimizer.step()
        assert found[-1] == pytest.approx(-weight.item(), rel=1e-7)  # torch keeps it in float32
    before = zip(rates, range(1, 5), strict=False)  # the lr of the step before, and its number
    expected = [0.1, *(lr / (1 + 0.5 * lr * step) ** 0.75 for lr, step in before)]
    assert found == pytest.approx(expected, rel=1e-7)


def test_other_optimizers_use_the_rate_of_the_scheduler() -> None:
    weights = [torch.zeros(2, 2, requires_grad=True), torch.zeros(2, requires_grad=True)]
    others = [knobs for name, knobs in EACH_OPTIMIZER.items() if name not in ("Adagrad", "ASGD")]
    built = [build_optimizer(knobs, weights) for knobs in [*others, Adagrad(lr_decay=0.0)]]
    assert {effective_lr(optimizer) for optimizer in built} == {None}


@given(knobs=optimizers())
def test_steps_that_call_the_kernel_directly_are_those_of_the_optimizer_bit_for_bit(knobs: AnyOptimizer) -> None:
    ours, its = parameters(), parameters()
    optimizer, reference = build_optimizer(knobs, ours), build_optimizer(knobs, its)
    step = OptimizerStep(optimizer)
    changes = {3: {"lr": 0.002}, 5: {"weight_decay": 0.3}, 7: {"momentum": 0.0}, 9: {"momentum": 0.7}}
    for number in range(12):
        change = {name: value for name, value in changes.get(number, {}).items() if name in reference.defaults}
        if "nesterov" in reference.defaults and change.get("momentum") == 0:
            change["nesterov"] = False
        if knobs.name == "RMSprop":  # a change of its momentum creates the buffers that torch expects
            change.pop("momentum", None)
        if change:
            step.forget_states()
        for group in (optimizer.param_groups[0], reference.param_groups[0]):
            group.update(change)
        for mine, other in zip(ours, its, strict=True):
            mine.grad = torch.sin(number + mine.detach() * 3)
            other.grad = torch.sin(number + other.detach() * 3)
        step()
        reference.step()
        assert all(torch.equal(mine, other) for mine, other in zip(ours, its, strict=True))
