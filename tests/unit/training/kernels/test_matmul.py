"""Matrix products: which library computes one, that both are exact, and that stacking changes nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.datasets import load_data
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Adam, Recipe
from mlpcore.runs.kernel_rule import Kernel, KernelRule
from mlpcore.training import device as device_module
from mlpcore.training.device import pick_device_of
from mlpcore.training.kernels import matmul
from mlpcore.training.kernels.matmul import (
    align,
    choose_rule,
    has_bfloat16,
    has_onednn,
    linear,
    usable_rule,
    weight_gradient,
)
from mlpcore.training.lockstep import train_cohort
from mlpcore.training.models import MLPnet
from mlpcore.training.stacked_mlp import StackedMLP
from tests.support.networks import gradients, linear_layers, stack_gradients

CPU = torch.device("cpu")
MKL, ONEDNN = KernelRule.MKL, KernelRule.ONEDNN
needs_onednn = pytest.mark.skipif(not has_onednn(), reason="this build of torch has no oneDNN operator")


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def networks(count: int) -> list[MLPnet]:
    return [MLPnet(generator=torch.Generator().manual_seed(seed)) for seed in range(count)]


class TestRule:
    @pytest.mark.parametrize(
        ("vendor", "has_operator", "rule"),
        [
            ("AuthenticAMD", True, ONEDNN),
            ("AuthenticAMD", False, MKL),
            ("GenuineIntel", True, MKL),
            ("", True, MKL),
        ],
    )
    def test_of_new_runs_follows_from_the_processor_and_the_operator(self, vendor, has_operator, rule, monkeypatch):
        monkeypatch.setattr(matmul, "has_onednn", lambda: has_operator)
        assert choose_rule(vendor) is rule

    def test_of_a_run_is_the_recorded_one_wherever_it_can_be_followed(self, monkeypatch):
        monkeypatch.setattr(matmul, "has_onednn", lambda: True)
        monkeypatch.setattr(matmul, "processor_vendor", lambda: "AuthenticAMD")
        assert usable_rule({"torch": "2.13.0"}) is MKL  # an older version recorded none
        assert usable_rule({"kernels": MKL}) is MKL
        assert usable_rule({"kernels": ONEDNN}) is ONEDNN
        assert usable_rule({"kernels": "of a later version"}) is choose_rule()
        monkeypatch.setattr(matmul, "has_onednn", lambda: False)
        assert usable_rule({"kernels": ONEDNN}) is MKL


@pytest.mark.parametrize("size", [1, 5, 16, 40, 48])
def test_each_of_a_stack_begins_at_a_multiple_of_64_bytes(size: int) -> None:
    stack = torch.arange(3.0 * size).view(3, size)
    aligned = align(stack)
    assert torch.equal(aligned, stack)
    assert [one.data_ptr() % 64 for one in aligned] == [0, 0, 0]


@needs_onednn
@pytest.mark.parametrize("kernel", ["MKL", "oneDNN"])
def test_both_libraries_are_float32_exact_to_rounding(kernel: Kernel) -> None:
    inputs, weight, bias, gradient = draw(64, 3072), draw(128, 3072), draw(128), draw(64, 128)
    exact = F.linear(inputs.double(), weight.double(), bias.double())
    assert (linear(inputs, weight, bias, kernel) - exact).abs().max() < 1e-3
    assert (linear(inputs, weight, bias, kernel, relu=True) - exact.relu()).abs().max() < 1e-3
    assert (weight_gradient(gradient, inputs) - gradient.double().t() @ inputs.double()).abs().max() < 1e-4


@needs_onednn
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("count", [2, 5, 16])
@pytest.mark.parametrize("rule", KernelRule)
class TestStack:
    @pytest.fixture(autouse=True)
    def _threads(self, threads: int) -> Iterator[None]:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        yield
        torch.set_num_threads(before)

    def test_computes_what_each_network_computes_alone(self, count, rule):
        images, labels = draw(64, 3072), torch.arange(64).remainder(10).expand(count, -1)
        stack = StackedMLP(networks(count), device=CPU, rule=rule)
        losses = stack.forward_backward([(images, slice(None))], labels, None)
        for row, model in enumerate(networks(count)):
            alone = StackedMLP([model], device=CPU, rule=rule)
            assert torch.equal(losses[row : row + 1], alone.forward_backward([(images, slice(None))], labels[:1], None))
            for mine, its in zip(stack_gradients(stack, row), stack_gradients(alone, 0), strict=True):
                assert torch.equal(mine, its)


@needs_onednn
def test_gradients_of_onednn_reach_the_optimizer_after_networks_left():
    model = networks(3)[2].eval()
    images, labels = draw(64, 3072), torch.arange(64).remainder(10)
    stack = StackedMLP(networks(3), device=CPU, rule=ONEDNN)
    kept = stack.parameters(2)
    stack.keep_rows([2])
    stack.forward_backward([(images, slice(None))], labels.expand(1, -1), None)
    stack.complete_gradients(0)
    F.cross_entropy(model(images), labels).backward()
    torch.testing.assert_close(kept[0].grad, linear_layers(model)[0].weight.grad)
    torch.optim.SGD(kept, lr=0.1).step()
    assert torch.equal(stack.weights[0][0], kept[0].detach())


@needs_onednn
def test_a_large_hidden_layer_is_computed_by_onednn_too_and_as_alone():
    images, labels = draw(64, 3072), torch.arange(64).remainder(10)  # 64 × 256 × 256 is more than 4 million
    wide = [MLPnet(hidden_sizes=(256, 256), generator=torch.Generator().manual_seed(seed)).eval() for seed in (1, 2)]
    stack = StackedMLP(wide, device=CPU, rule=ONEDNN)
    stack.forward_backward([(images, slice(None))], labels.expand(2, -1), None)
    for row, model in enumerate(wide):
        alone = StackedMLP([model], device=CPU, rule=ONEDNN)
        alone.forward_backward([(images, slice(None))], labels.expand(1, -1), None)
        F.cross_entropy(model(images), labels).backward()
        found = stack_gradients(stack, row)
        for mine, its, exact in zip(found, stack_gradients(alone, 0), gradients(model.parameters()), strict=True):
            assert torch.equal(mine, its)
            torch.testing.assert_close(mine, exact)


class TestBfloat16:
    def test_training_rounds_the_factors_of_products_and_evaluation_does_not(self):
        model = networks(1)[0].eval()
        images, labels = draw(64, 3072), torch.arange(64).remainder(10)
        stack = StackedMLP([model], device=CPU, precision="bfloat16")
        batch = [(images, slice(None))]
        assert torch.equal(stack.forward(batch)[0], model(images))
        loss = stack.forward_backward(batch, labels.unsqueeze(0), None)
        exact = F.cross_entropy(model(images), labels)
        exact.backward()
        assert 0 < (loss[0] - exact).abs() < 0.02
        for mine, its in zip(stack_gradients(stack, 0), gradients(model.parameters()), strict=True):
            assert mine.dtype == torch.float32
            difference = (mine - its).norm() / its.norm()
            assert 1e-5 < difference < 0.1  # bfloat16 rounds to 3 digits

    def test_only_a_processor_and_cuda_are_asked_whether_they_multiply_it(self, monkeypatch):
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
        assert not has_bfloat16(CPU)
        assert has_bfloat16(torch.device("mps"))

    def test_is_refused_where_the_device_cannot_multiply_it(self, monkeypatch):
        recipe = Recipe(precision="bfloat16", device="cpu")
        monkeypatch.setattr(device_module, "has_bfloat16", lambda _device: True)
        assert pick_device_of(recipe) == CPU
        monkeypatch.setattr(device_module, "has_bfloat16", lambda _device: False)
        assert pick_device_of(recipe.replace(precision="float32")) == CPU
        refusal = "precision is bfloat16: cpu does not multiply such numbers here. Choose float32."
        with pytest.raises(SentenceError, match=refusal):
            pick_device_of(recipe)


@pytest.fixture(scope="module")
def shapes(drawn_shapes: Path) -> DeviceImages:
    return place_images(*load_data("Shapes", drawn_shapes), CPU)


@needs_onednn
def test_rules_differ_in_the_last_digits_only(shapes):
    recipe = Recipe(train_iter=30, eval_every=30, optimizer=Adam())
    of_mkl, of_onednn = (
        next(e for p in train_cohort([recipe], shapes, device=CPU, rule=rule) for e in p.evaluations.values())
        for rule in (MKL, ONEDNN)
    )
    assert of_mkl.train_loss == pytest.approx(of_onednn.train_loss, rel=1e-4)
    assert of_mkl.weight_norms == pytest.approx(of_onednn.weight_norms, rel=1e-4)
