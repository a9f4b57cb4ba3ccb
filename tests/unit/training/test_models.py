"""The lecture's networks against the same ones put together from torch.nn."""

import subprocess
import sys

import pytest
import torch
from torch import nn

import mlpcore
from mlpcore.data.datasets import normalise
from mlpcore.recipes.recipe import Recipe
from mlpcore.seeds import build_generator
from mlpcore.training.models import Dropout, MLPnet, MyModel, build_model, dropout
from tests.support.networks import linear_layers
from tests.support.present import present

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def reference(model: MLPnet) -> nn.Sequential:
    """The same layers, in eval mode, behind each other."""
    layers = linear_layers(model)
    activations = [ACTIVATIONS[model.activation]() for _ in layers[1:]]
    return nn.Sequential(
        nn.Flatten(), *(part for pair in zip(layers, activations, strict=False) for part in pair), layers[-1]
    )


def test_my_model_is_two_sigmoid_layers():
    model = MyModel()
    x = torch.randn(5, 10, generator=seeded())
    expected = nn.Sequential(model.linear1, nn.Sigmoid(), model.linear2, nn.Sigmoid())(x)
    assert expected.shape == (5, 1)
    assert torch.equal(model(x), expected)


def test_defaults_are_the_lectures_network():
    model = MLPnet()
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert shapes == {
        "fc1.weight": (128, 3072),
        "fc1.bias": (128,),
        "fc2.weight": (64, 128),
        "fc2.bias": (64,),
        "fc3.weight": (10, 64),
        "fc3.bias": (10,),
    }
    assert model.activation == "relu"
    assert isinstance(model.dropout, nn.Dropout)
    assert model.dropout.p == 0.5


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden_sizes", [(), (7,), (128, 64), (9, 8, 7, 6)])
def test_logits_are_those_of_a_sequential_with_the_same_weights(hidden_sizes, activation):
    model = MLPnet(48, hidden_sizes, 5, activation).eval()
    images = torch.randn(6, 3, 4, 4, generator=seeded())
    assert torch.equal(model(images), reference(model)(images))


def test_training_mode_drops_before_the_last_layer_and_nowhere_else():
    model = MLPnet(48, (9, 8), 5, dropout=0.4, dropout_generator=seeded(3))
    images = torch.randn(6, 3, 4, 4, generator=seeded())
    first, second, last = linear_layers(model)
    hidden = torch.relu(second(torch.relu(first(images.flatten(1)))))
    kept = torch.rand(6, 8, generator=seeded(3)) >= 0.4
    torch.testing.assert_close(model(images), last(hidden * kept / 0.6))


def test_without_hidden_layers_no_pixel_is_dropped():
    model = MLPnet(48, (), 5, dropout=0.9, dropout_generator=seeded())
    images = torch.randn(6, 3, 4, 4, generator=seeded())
    (layer,) = linear_layers(model)
    assert torch.equal(model(images), layer(images.flatten(1)))


def test_a_layer_can_be_replaced_as_lecture_code_does():
    model = MLPnet()
    model.fc3 = nn.Linear(64, 3)
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 3)


@pytest.mark.parametrize("hidden_sizes", [(128, 64), (31, 17, 3)])
def test_generator_gives_the_weights_torch_would_give_from_the_same_seed(hidden_sizes):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        torchs = [nn.Linear(3072, hidden_sizes[0])]
        torchs += [nn.Linear(a, b) for a, b in zip(hidden_sizes, (*hidden_sizes[1:], 10), strict=True)]
    model = MLPnet(hidden_sizes=hidden_sizes, generator=seeded(5))
    expected = [parameter for layer in torchs for parameter in layer.parameters()]
    for ours, theirs in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)


def test_without_generators_it_draws_as_any_torch_module():
    images = torch.ones(2, 3, 32, 32)

    def draw() -> torch.Tensor:
        torch.manual_seed(7)
        return MLPnet()(images)

    with torch.random.fork_rng(devices=[]):
        assert torch.equal(draw(), draw())
        assert not torch.equal(draw(), MLPnet()(images))


def test_recipe_decides_weights_and_dropout_without_touching_torchs_global_state():
    recipe = Recipe(seed=11, hidden_sizes=(16, 8), activation="tanh", dropout=0.25)
    images = torch.randn(4, 3, 8, 8, generator=seeded())
    before = torch.get_rng_state()
    first, second = build_model(recipe, 192, 6), build_model(recipe, 192, 6)
    logits = first(images)
    assert torch.equal(torch.get_rng_state(), before)

    assert logits.shape == (4, 6)
    assert (first.activation, first.dropout.p) == ("tanh", 0.25)
    assert torch.equal(logits, second(images))
    assert not torch.equal(logits, first(images)), "each batch has masks of its own"


@pytest.mark.parametrize(
    ("init", "draw"),
    [
        ("xavier", nn.init.xavier_uniform_),
        ("he", lambda weight, generator: nn.init.kaiming_uniform_(weight, nonlinearity="relu", generator=generator)),
        ("zeros", lambda weight, **_: nn.init.zeros_(weight)),
    ],
)
def test_initial_weights_are_torchs_of_that_scheme_and_biases_are_0(init, draw):
    model = build_model(Recipe(init=init, seed=3), 3072, 10)
    generator = build_generator(3, "weights")
    for layer in linear_layers(model):
        assert torch.equal(layer.weight, draw(torch.empty_like(layer.weight), generator=generator))
        assert not layer.bias.any()


def test_seed_changes_the_weights_and_dropout_does_not():
    def weights(recipe: Recipe) -> torch.Tensor:
        return linear_layers(build_model(recipe, 3072, 10))[0].weight

    assert not torch.equal(weights(Recipe(seed=1)), weights(Recipe(seed=2)))
    assert torch.equal(weights(Recipe(seed=1)), weights(Recipe(seed=1, dropout=0.0)))


def test_dropout_drops_a_share_of_p_and_keeps_the_mean():
    x = torch.ones(100_000)
    out = dropout(x, 0.3, torch.rand(x.shape, generator=seeded()))
    assert (out == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert out.mean().item() == pytest.approx(1.0, abs=0.01)


def test_dropout_and_its_gradient_on_the_edge_of_the_draw():
    x = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    out = dropout(x, 0.75, torch.tensor([0.0, 0.7499999, 0.75, 0.9999999]))
    out.sum().backward()
    assert out.tolist() == [0.0, 0.0, 12.0, 16.0]
    assert present(x.grad).tolist() == [0.0, 0.0, 4.0, 4.0]


@pytest.mark.parametrize("p", [0.0, 0.1, 0.3, 0.5, 0.9, 0.95])
def test_dropout_in_a_stack_of_runs_is_dropout_of_each(p):
    x, uniform = torch.randn(3, 64, 32, generator=seeded(1)), torch.rand(3, 64, 32, generator=seeded(2))
    stacked = dropout(x, p, uniform)
    assert all(torch.equal(stacked[run], dropout(x[run], p, uniform[run])) for run in range(3))


def test_dropout_of_0_and_eval_mode_leave_values_as_they_are():
    x = torch.randn(50, generator=seeded())
    assert torch.equal(Dropout(0.0, generator=seeded())(x), x)
    assert torch.equal(Dropout(0.9, generator=seeded()).eval()(x), x)


def test_normalised_pixels_have_mean_0_and_deviation_1():
    images = torch.randint(0, 256, (50, 3, 8, 8), dtype=torch.uint8, generator=seeded())
    images[:, 1] //= 2
    scaled = images.double() / 255
    mean, std = scaled.mean(dim=(0, 2, 3)), scaled.std(dim=(0, 2, 3), correction=0)
    shown = normalise(images, mean.float(), std.float())
    expected = (scaled - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    assert shown.dtype == torch.float32
    torch.testing.assert_close(shown, expected.float(), rtol=0, atol=1e-5)


def test_a_channel_without_variance_is_only_shifted():
    images = torch.full((2, 1, 4, 4), 51, dtype=torch.uint8)
    images[1] = 53
    shown = normalise(images, torch.tensor([0.2]), torch.tensor([0.0]))
    assert shown.flatten(1).unique(dim=1).flatten().tolist() == pytest.approx([0.0, 2.0], abs=1e-5)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"hidden_sizes": (128, 0)}, r"hidden_sizes and num_classes are \(3072, 128, 0, 10\): each must be an int"),
        ({"in_features": 2.5}, "each must be an int, at least 1"),
        ({"activation": "gelu"}, "activation is 'gelu': expected one of sigmoid, tanh, relu"),
        ({"dropout": 1.0}, "dropout is 1.0: it must be at least 0 and below 1"),
        ({"init": "ones"}, "init is 'ones': expected one of torch, xavier, he, zeros"),
    ],
)
def test_knobs_out_of_range_are_refused_with_field_value_and_range(knobs, message):
    with pytest.raises(ValueError, match=message):
        MLPnet(**knobs)


def test_importing_the_package_leaves_torch_unloaded():
    code = "import sys, mlpcore, mlpcore.recipes.recipe; assert 'torch' not in sys.modules; dir(mlpcore)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=mlpcore.__path__[0] + "/..")


def test_the_lectures_names_are_ready_to_import():
    assert mlpcore.MLPnet is MLPnet
    assert all(callable(getattr(mlpcore, name)) for name in mlpcore.__all__)
    assert set(mlpcore.__all__) <= set(dir(mlpcore))
    with pytest.raises(AttributeError, match="no attribute 'MPLnet'"):
        _ = mlpcore.MPLnet
