"""What tests read of a network: its fully connected layers and its gradients."""

from collections.abc import Iterable

from torch import Tensor, nn

from mlpcore.training.stacked_mlp import StackedMLP
from tests.support.present import present


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    """Return the fully connected layers of a network, first to last."""
    return [layer for layer in network.children() if isinstance(layer, nn.Linear)]


def stack_gradients(stack: StackedMLP, row: int) -> list[Tensor]:
    """Complete and return the gradients of one network; the next network's may take the memory of some of them."""
    stack.complete_gradients(row)
    return [gradient.clone() for gradient in gradients(stack.parameters(row))]


def gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    """Return the gradient of each parameter, all of which must have one."""
    return [present(parameter.grad) for parameter in parameters]
