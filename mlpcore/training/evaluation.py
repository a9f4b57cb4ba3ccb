"""Loss, accuracy and top classes of several networks over batches of images, in eval mode."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from mlpcore.data.batches import DeviceImages
from mlpcore.runs.snapshots import MAX_UNITS, TOP_K
from mlpcore.training.health import UnitCounter
from mlpcore.training.kernels import matmul
from mlpcore.training.plane import SurfaceAccumulator
from mlpcore.training.stacked_mlp import Inputs, StackedMLP

EVALUATION_BATCH = 500  # images per batch: normalised they are 6 MB and stay in the cache

Batch = tuple[Inputs, Tensor]  # images, and the labels that every network has for them (K, B)


class LossAndAccuracy(NamedTuple):
    """The mean loss and the accuracy of one network."""

    loss: float
    accuracy: float


class MetricAccumulator:
    """Sums up the losses and correct predictions of K networks over batches.

    keep_top_classes: also keep the most probable classes of every image. units: what counts stuck units, if wanted.
    """

    def __init__(
        self, network: StackedMLP, *, keep_top_classes: bool = False, units: UnitCounter | None = None
    ) -> None:
        self._network = network
        self._keep_top_classes = keep_top_classes
        self._units = units
        self._losses: list[Tensor] = []  # sums over a batch, (K,) each
        self._correct: list[Tensor] = []
        self._top_classes: list[tuple[NDArray[Any], NDArray[np.float16]]] = []
        self.count = 0  # images so far

    def add_batch(self, inputs: Inputs, labels: Tensor) -> None:
        """Classify a batch with every network."""
        logits = self._classify(inputs)
        losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)
        losses = losses.cpu()  # not every device has float64
        self._losses.append(torch.stack([losses_of_one.sum(dtype=torch.float64) for losses_of_one in losses]))
        predicted = logits.argmax(dim=2)
        self._correct.append((predicted == labels).sum(dim=1))
        if self._keep_top_classes:
            self._top_classes.append(find_top_classes(logits, predicted))
        self.count += labels.shape[1]

    def _classify(self, inputs: Inputs) -> Tensor:
        if self._units is None:
            return self._network.forward(inputs)
        *hidden, logits = self._network.iterate_layers(inputs)
        for layer, outputs in enumerate(hidden):
            self._units.add_batch(layer, outputs)
        return logits

    def compute(self) -> list[LossAndAccuracy]:
        """Return the metrics of each network over all batches so far."""
        # exactly rounded: the order in which torch sums over the batches depends on the number of networks
        losses = [math.fsum(sums) / self.count for sums in torch.stack(self._losses).t().tolist()]
        correct = torch.stack(self._correct).sum(dim=0).tolist()
        return [LossAndAccuracy(loss, hits / self.count) for loss, hits in zip(losses, correct, strict=True)]

    def top_classes(self) -> tuple[NDArray[Any], NDArray[np.float16]]:
        """Return the most probable classes of every image and their probabilities, (K, N, k) each."""
        classes, probabilities = zip(*self._top_classes, strict=True)
        return np.concatenate(classes, axis=1), np.concatenate(probabilities, axis=1)


class Metrics(NamedTuple):
    """What an evaluation measures of one network."""

    train: LossAndAccuracy
    test: LossAndAccuracy
    validation: LossAndAccuracy | None  # None without held-out images
    weight_norms: tuple[float, ...]
    stuck_units: tuple[float, ...]  # shares of each hidden layer
    top_classes: NDArray[Any]  # of every test image, (N, k)
    top_probabilities: NDArray[np.float16]
    shares: NDArray[np.uint8] | None = None  # of each class over the plane, as `Surface` has them

    @property
    def is_finite(self) -> bool:
        """Whether all losses and weights are finite."""
        losses = (self.train.loss, self.test.loss, self.validation.loss if self.validation else 0.0)
        return all(map(math.isfinite, (*losses, *self.weight_norms)))


class Measurement:
    """Measures K networks on training, test and validation images, whose batches are added one by one."""

    def __init__(self, network: StackedMLP) -> None:
        self._network = network
        self.units = UnitCounter(network)
        self.train = MetricAccumulator(network, units=self.units)
        self.test = MetricAccumulator(network, keep_top_classes=True)
        self.validation = MetricAccumulator(network)
        self.surfaces = SurfaceAccumulator(network)

    def compute(self) -> list[Metrics]:
        """Return the metrics of each network."""
        train, norms = self.train.compute(), self._network.weight_norms()
        validation = self.validation.compute() if self.validation.count else [None] * len(train)
        # copies: slices would keep the predictions of all networks in memory
        top_classes, probabilities = (map(np.copy, parts) for parts in self.test.top_classes())
        shares: Sequence[NDArray[np.uint8] | None] = self.surfaces.compute() or [None] * len(train)
        stuck = self.units.compute(self.train.count)
        columns = train, self.test.compute(), validation, norms, stuck, top_classes, probabilities, shares
        return [Metrics(*values) for values in zip(*columns, strict=True)]


def stack_weights(network: StackedMLP, parameters: Sequence[Sequence[Tensor]]) -> StackedMLP:
    """Stack networks like those of a stack, but with other weights, to be evaluated.

    parameters: the weight and bias per layer of each network, at most as many networks as in the stack.
    """
    stacked = network.view(slice(0, len(parameters)))
    layers = [torch.stack(list(tensors)) for tensors in zip(*parameters, strict=True)]
    stacked.weights, stacked.biases = [matmul.align(weight) for weight in layers[::2]], layers[1::2]
    return stacked


def iterate_test_batches(images: DeviceImages, count: int) -> Iterator[Batch]:
    """Iterate over the test images in batches that `count` networks read."""
    for start in range(0, len(images.test_labels), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        inputs = [(images.normalise(images.test_images[part]), slice(None))]
        yield inputs, images.test_labels[part].expand(count, -1)


def iterate_train_batches(
    images: DeviceImages, indices: Sequence[Tensor], labels: Sequence[Tensor], rows: Mapping[int, slice]
) -> Iterator[Batch]:
    """Iterate over training images that differ from network to network, with the labels each network has for them.

    rows: networks that share their images; the images of the first one are read for all of them.
    """
    for start in range(0, len(labels[0]), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        yield (  # bound to no name, so that one batch is freed before the next is read: 6 MB for each seed
            [(images.read_train(indices[networks.start][part]), networks) for networks in rows.values()],
            torch.stack([labels_of_one[part] for labels_of_one in labels]).to(images.mean.device),
        )


def find_top_classes(logits: Tensor, predicted: Tensor) -> tuple[NDArray[Any], NDArray[np.float16]]:
    """Find the most probable classes, best first, and their probabilities as float16: (K, B, k) each.

    logits is (K, B, classes), predicted its argmax. For 500 images of CIFAR-10 and one run this takes 0.08 ms, their
    forward pass 28 (one thread); for 16 runs 1.3 and 390.
    """
    top = logits.topk(min(TOP_K, logits.shape[2]), dim=2)
    probabilities, classes = (top.values - logits.logsumexp(dim=2, keepdim=True)).exp(), top.indices
    tied = classes[..., 0] != predicted  # of equal logits topk takes any, argmax the first
    if tied.any():
        classes[tied] = logits[tied].sort(dim=1, descending=True, stable=True).indices[:, : classes.shape[2]]
    smallest = np.min_scalar_type(logits.shape[2] - 1)
    return classes.cpu().numpy().astype(smallest), probabilities.half().cpu().numpy()


def weights_to_pixels(weights: Tensor, shape: torch.Size) -> NDArray[np.uint8]:
    """Scale the first units of a layer (out, in) to images of `shape` (C, H, W), as `FirstLayer` describes."""
    shown = weights[:MAX_UNITS].detach()
    peaks = shown.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(shown.dtype).tiny)
    pixels: NDArray[np.uint8] = (128 + 127 * shown / peaks).round().to(torch.uint8).view(-1, *shape).cpu().numpy()
    return pixels
