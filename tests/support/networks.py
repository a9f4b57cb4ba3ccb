"""What tests read of a network: its fully connected layers and its gradients."""

from collections.abc import Iterable

from torch import Tensor, nn

from tests.support.present import present


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    """Return the fully connected layers of a network, first to last."""
    return [layer for layer in network.children() if isinstance(layer, nn.Linear)]


def gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    """Return the gradient of each parameter, all of which must have one."""
    return [present(parameter.grad) for parameter in parameters]
