"""The sharpness of a run's training loss: the largest eigenvalue of its Hessian, by Lanczos' method."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mlpcore.analysis.replay.moments import choose_moments
from mlpcore.analysis.replay.sharpness import MAX_MOMENTS, Sharpness
from mlpcore.data.batches import DeviceImages
from mlpcore.data.catalog import ImageCounts
from mlpcore.recipes.recipe import Recipe
from mlpcore.training.cohort_run import draw_images
from mlpcore.training.models import ACTIVATIONS
from mlpcore.training.replay.replay import PastRun, Replayed, replay_run

CHUNK = 2_000  # images that are multiplied at a time
TOLERANCE = 0.01  # of the eigenvalue: how long the rest may be; the eigenvalue's own error is about its square
MAX_PRODUCTS = 60  # of the Hessian with a vector; 10 are usual
REPLAYS = 0.8  # share of the work that is replaying, for the progress

Multiply = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class SharpnessView:
    """The sharpness of a run at its evaluations, on all of its training images in eval mode."""

    run: PastRun

    @property
    def recipes(self) -> list[Recipe]:
        """What is replayed."""
        return [self.run.recipe]

    def estimate(self, images: ImageCounts) -> int:
        """Estimate the bytes that it takes beside a replay: Lanczos' vectors, and the images' tangents."""
        recipe = self.run.recipe
        numbers = (MAX_PRODUCTS + 8) * images.count_parameters(recipe.hidden_sizes)
        numbers += 2 * CHUNK * images.inputs.size + 12 * CHUNK * sum(recipe.hidden_sizes)
        return 4 * numbers

    @staticmethod
    def count_bytes(sharpness: Sharpness) -> int:
        """Count the bytes of a result."""
        return 64 * len(sharpness.steps)

    def compute(self, images: DeviceImages, device: torch.device) -> Generator[float, None, Sharpness]:
        """Compute the sharpness; yield the share of the work that is done.

        Raises:
            SentenceError: The run cannot be replayed.
        """
        recipe = self.run.recipe
        drawn = draw_images(recipe, images)
        steps = choose_moments(self.run.steps, MAX_MOMENTS)
        values: list[float] = []
        vector: Tensor | None = None
        for step, network in replay_run(self.run, images, device=device, at=steps):
            done = REPLAYS * step / steps[-1] + (1 - REPLAYS) * len(values) / len(steps)
            yield done
            if network is None:
                continue
            multiply = build_hessian(network, images, drawn.indices, drawn.labels, activation=recipe.activation)
            search = find_largest_eigenvalue(multiply, network.flatten() if vector is None else vector)
            while True:
                try:
                    next(search)
                except StopIteration as found:
                    value, vector = found.value
                    break
                yield done
            values.append(value)
        return Sharpness(tuple(steps), tuple(values))


def build_hessian(
    network: Replayed, images: DeviceImages, indices: Tensor, labels: Tensor, *, activation: str
) -> Multiply:
    """Build the product of the Hessian of a network's mean loss on some training images with a vector (weights,)."""
    parameters = [parameter.detach().requires_grad_() for parameter in network.parameters]

    def multiply(vector: Tensor) -> Tensor:
        total = torch.zeros_like(vector)
        for chunk, chosen in zip(torch.split(indices, CHUNK), torch.split(labels, CHUNK), strict=True):
            inputs = images.read_train(chunk)
            logits = _forward(parameters, inputs, activation)
            loss = F.cross_entropy(logits, chosen.to(inputs.device), reduction="sum")
            gradient = torch.cat([part.flatten() for part in torch.autograd.grad(loss, parameters, create_graph=True)])
            # the derivative of gradient · vector is the Hessian times the vector
            product = torch.autograd.grad(gradient @ vector, parameters)
            total += torch.cat([part.flatten() for part in product])
        return total / len(indices)

    return multiply


def find_largest_eigenvalue(multiply: Multiply, start: Tensor) -> Generator[None, None, tuple[float, Tensor]]:
    """Find the largest eigenvalue of a symmetric matrix by Lanczos' method, with its eigenvector (n,) of length 1.

    Every new vector is made orthogonal to all before it: float32 would soon lose that by itself. Control returns to
    the caller after each product.

    Args:
        multiply: The product of the matrix with a vector (n,).
        start: Where the search starts; near an eigenvector it takes few products.
    """
    basis = (start / start.norm()).unsqueeze(0)
    diagonal: list[float] = []
    beside: list[float] = []  # the diagonal
    while True:
        product = multiply(basis[-1])
        yield
        diagonal.append(float(product @ basis[-1]))
        product = product - basis.T @ (basis @ product)
        product = product - basis.T @ (basis @ product)  # twice is enough
        beside.append(float(product.norm()))
        matrix = torch.diag(torch.tensor(diagonal)) + torch.diag(torch.tensor(beside[:-1]), 1)
        values, vectors = torch.linalg.eigh(matrix.double(), UPLO="U")
        value, coefficients = float(values[-1]), vectors[:, -1]
        error = beside[-1] * abs(float(coefficients[-1]))
        if error <= TOLERANCE * abs(value) or len(diagonal) == min(MAX_PRODUCTS, len(start)):
            return value, coefficients.to(basis) @ basis
        basis = torch.cat([basis, (product / beside[-1]).unsqueeze(0)])


def _forward(parameters: Sequence[Tensor], inputs: Tensor, activation: str) -> Tensor:
    """Compute the logits (N, classes) in eval mode, from the weight and bias of each layer."""
    hidden = F.linear(inputs, *parameters[:2])
    for weight, bias in zip(parameters[2::2], parameters[3::2], strict=True):
        hidden = F.linear(ACTIVATIONS[activation](hidden), weight, bias)
    return hidden
