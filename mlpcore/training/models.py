"""The lecture's two networks and their initial weights."""

from collections.abc import Callable
from itertools import pairwise
from typing import cast

import torch
from torch import Generator, Tensor, nn

from mlpcore.recipes.recipe import Recipe
from mlpcore.seeds import build_generator

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
}

INITS = ("torch", "xavier", "he", "zeros")

# from the gradient of the outputs and the outputs to the gradient of the inputs
ACTIVATION_BACKWARD: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sigmoid": torch.ops.aten.sigmoid_backward,
    "tanh": torch.ops.aten.tanh_backward,
    "relu": lambda gradient, output: cast(Tensor, torch.ops.aten.threshold_backward(gradient, output, 0)),
}


def activate(hidden: Tensor, activation: str) -> Tensor:
    """Apply the activation function of a hidden layer of K networks, (K, B, out), as each would alone."""
    function = ACTIVATIONS[activation]
    if hidden.device.type == "cpu" and activation != "relu":  # which round the last elements of a tensor differently
        return torch.stack([function(hidden_of_one) for hidden_of_one in hidden])
    return function(hidden)


def activate_backward(gradient: Tensor, output: Tensor, activation: str) -> Tensor:
    """Turn the gradient of an activation function's output into that of its input, (K, B, out)."""
    backward = ACTIVATION_BACKWARD[activation]
    if gradient.device.type == "cpu" and activation != "relu":
        return torch.stack([backward(*pair) for pair in zip(gradient, output, strict=True)])
    return backward(gradient, output)


class MyModel(nn.Module):
    """The lecture's first network: (N, 10) through 20 sigmoid units to one sigmoid output, (N, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.linear1 = nn.Linear(10, 20)
        self.linear2 = nn.Linear(20, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sigmoid(self.linear1(x))
        return torch.sigmoid(self.linear2(x))


class MLPnet(nn.Module):
    """A multilayer perceptron: fully connected layers `fc1`, `fc2`, … with dropout before the last.

    Takes (N, C, H, W), or any (N, …) with `in_features` numbers per image, and returns logits (N, num_classes).
    Without hidden sizes it is one linear layer without dropout, because pixels are not units.

    Args:
        in_features: Numbers per image.
        hidden_sizes: Units of each hidden layer, first to last.
        num_classes: Logits per image.
        activation: "relu", "sigmoid" or "tanh".
        dropout: The probability that a unit of the last hidden layer is dropped, from 0 to below 1.
        generator: What the initial weights and biases are drawn from. Default: torch's global generator.
        dropout_generator: What dropout's masks are drawn from. Default: torch's global generator.
        init: "torch" for weights and biases uniform within ±1/√(inputs of the layer), as torch does by itself;
            "xavier" or "he" for the weights of that scheme and biases of 0; "zeros".

    Raises:
        ValueError: A size, the activation, the dropout or init is out of range.
    """

    def __init__(
        self,
        in_features: int = 3 * 32 * 32,
        hidden_sizes: tuple[int, ...] = (128, 64),
        num_classes: int = 10,
        activation: str = "relu",
        dropout: float = 0.5,
        *,
        generator: Generator | None = None,
        dropout_generator: Generator | None = None,
        init: str = "torch",
    ):
        super().__init__()
        sizes = (in_features, *hidden_sizes, num_classes)
        if any(not isinstance(size, int) or size < 1 for size in sizes):
            raise ValueError(f"in_features, hidden_sizes and num_classes are {sizes}: each must be an int, at least 1")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is {activation!r}: expected one of {', '.join(ACTIVATIONS)}")
        if init not in INITS:
            raise ValueError(f"init is {init!r}: expected one of {', '.join(INITS)}")
        self.activation = activation
        self.depth = len(sizes) - 1
        for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
            self.add_module(f"fc{number}", build_linear(inputs, outputs, generator, init))
        self.dropout = Dropout(dropout, generator=dropout_generator)

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = (getattr(self, f"fc{number}") for number in range(1, self.depth + 1))
        x = torch.flatten(x, start_dim=1)
        for layer in hidden:
            x = ACTIVATIONS[self.activation](layer(x))
        logits: Tensor = last(self.dropout(x) if hidden else x)
        return logits

    def extra_repr(self) -> str:
        return f"activation={self.activation}"


class Dropout(nn.Dropout):
    """Dropout that draws its masks from its own generator; without one it is torch's. The app's runs: `lockstep.py`."""

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None):
        if not 0 <= p < 1:
            raise ValueError(f"dropout is {p!r}: it must be at least 0 and below 1")
        super().__init__(p)
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        if self.generator is None or not self.training:
            return super().forward(x)
        uniform = torch.rand(x.shape, dtype=x.dtype, device=self.generator.device, generator=self.generator)
        return dropout(x, self.p, uniform.to(x.device))


def dropout(x: Tensor, p: float, uniform: Tensor) -> Tensor:
    """Set `x` to 0 where `uniform`, drawn from [0, 1) in the same shape, is below `p`; divide the rest by 1 - p."""
    # Autograd does not see how the mask is made, only a single product: (64, 64) forward and backward take
    # 40 µs on two cores, against 84 µs for torch.where and 145 µs for torch's own dropout.
    mask = (uniform >= p).to(x.dtype).mul_(1 / (1 - p))
    return x * mask


def build_linear(inputs: int, outputs: int, generator: Generator | None = None, init: str = "torch") -> nn.Linear:
    """Build a linear layer with initial weights as MLPnet's `init` says, drawn from `generator` if one is given."""
    if generator is None and init == "torch":
        return nn.Linear(inputs, outputs)
    device = None if generator is None else generator.device
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs, device=device)  # type: ignore[no-untyped-call]
    if init == "torch":
        bound = inputs**-0.5
        nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
        return layer
    if init == "xavier":
        nn.init.xavier_uniform_(layer.weight, generator=generator)
    elif init == "he":
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
    else:
        nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def build_model(recipe: Recipe, in_features: int, num_classes: int) -> MLPnet:
    """Build the network of a recipe, on the CPU; its seed decides the initial weights and dropout's masks."""
    return MLPnet(
        in_features,
        recipe.hidden_sizes,
        num_classes,
        recipe.activation,
        recipe.dropout,
        generator=build_generator(recipe.seed, "weights"),
        dropout_generator=build_generator(recipe.seed, "dropout"),
        init=recipe.init,
    )
