"""A run's network at one of its evaluations, with all it takes to classify a picture anywhere."""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from mlpcore.data.batches import DeviceImages
from mlpcore.data.catalog import ImageCounts
from mlpcore.recipes.recipe import Recipe
from mlpcore.training.models import ACTIVATIONS
from mlpcore.training.replay.replay import PastRun, Replayed, collect_networks


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network on the CPU, the statistics that normalise its images, and its classes.

    mean, std: (numbers per image,), of raw pixels from 0 to 255. image_shape: of one image, (C, H, W).
    """

    network: Replayed
    activation: str
    mean: Tensor
    std: Tensor
    classes: tuple[str, ...]
    image_shape: tuple[int, ...]

    def compute_logits(self, images: Tensor) -> Tensor:
        """Compute the logits (N, classes) of raw images (N, …) in eval mode."""
        hidden = (images.flatten(1).float() - self.mean) / self.std
        layers = list(zip(self.network.weights, self.network.biases, strict=True))
        for weight, bias in layers[:-1]:
            hidden = ACTIVATIONS[self.activation](F.linear(hidden, weight, bias))
        return F.linear(hidden, *layers[-1])

    def classify(self, picture: NDArray[np.uint8]) -> list[float]:
        """Return the probability of each class for one raw image (C, H, W)."""
        (logits,) = self.compute_logits(torch.tensor(picture).unsqueeze(0))
        probabilities: list[float] = torch.softmax(logits.double(), dim=0).tolist()
        return probabilities


@dataclass(frozen=True)
class NetworkView:
    """A run's network at one of its evaluations."""

    run: PastRun
    step: int

    @property
    def recipes(self) -> list[Recipe]:
        """What is replayed."""
        return [self.run.recipe]

    def estimate(self, images: ImageCounts) -> int:
        """Estimate the bytes that it takes beside a replay: a copy of the weights."""
        return 4 * images.count_parameters(self.run.recipe.hidden_sizes)

    @staticmethod
    def count_bytes(trained: TrainedNetwork) -> int:
        """Count the bytes of a result."""
        return sum(tensor.nbytes for tensor in (*trained.network.parameters, trained.mean, trained.std))

    def compute(self, images: DeviceImages, device: torch.device) -> Generator[float, None, TrainedNetwork]:
        """Replay the run; yield the share of the work that is done.

        Raises:
            SentenceError: The run cannot be replayed.
        """
        (network,) = yield from collect_networks(self.run, images, device=device, at=[self.step])
        weights, biases = (tuple(each.cpu() for each in kind) for kind in (network.weights, network.biases))
        return TrainedNetwork(
            Replayed(self.step, weights, biases),
            self.run.recipe.activation,
            images.mean.cpu(),
            images.std.cpu(),
            images.train.classes,
            tuple(images.train.data.shape[1:]),
        )
