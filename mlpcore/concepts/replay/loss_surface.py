"""The loss surface around the paths of runs, in the plane in which their weights move most.

As in Li et al., 2018, arXiv:1712.09913, section 7: the two principal directions of all weights of a run at its
evaluations, relative to the last.
"""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from mlpcore.analysis.replay.loss_surface import MAX_MOMENTS, LossSurface, WeightPath
from mlpcore.analysis.replay.moments import choose_moments
from mlpcore.concepts.messages import STRAIGHT_PATH
from mlpcore.data.batches import DeviceImages
from mlpcore.data.catalog import ImageCounts
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.training.cohort_run import SAMPLE_SIZE, draw_images, draw_sample
from mlpcore.training.models import ACTIVATIONS
from mlpcore.training.replay.replay import PastRun, collect_networks

GRID = 25  # places along each direction
MARGIN = 0.25  # of the paths' extent, left around them
CHUNK = 4_000_000  # numbers of a layer's outputs that are computed at a time: 16 MB
REPLAYS = 0.7  # share of the work that is replaying, for the progress
FLAT = 1e-6  # of the movement along the first direction: less along the second one is rounding


@dataclass(frozen=True)
class LossSurfaceView:
    """The loss surface around the paths of up to MAX_RUNS runs with one shape of network and one data set.

    The loss is that of evaluations, with dropout off, on the sample of training images of the first run.
    """

    runs: tuple[PastRun, ...]

    @property
    def recipes(self) -> list[Recipe]:
        """What is replayed."""
        return [run.recipe for run in self.runs]

    def estimate(self, images: ImageCounts) -> int:
        """Estimate the bytes that it takes beside a replay: all weights twice, and images with their outputs."""
        weights = 4 * images.count_parameters(self.runs[0].recipe.hidden_sizes)
        moments = sum(1 + min(len(run.evaluations), MAX_MOMENTS) for run in self.runs)
        first, *_ = hidden_sizes = self.runs[0].recipe.hidden_sizes
        outputs = SAMPLE_SIZE * (2 * images.inputs.size + 3 * first) + 4 * max(CHUNK, SAMPLE_SIZE * max(hidden_sizes))
        return (2 * moments + 8) * weights + 4 * outputs

    @staticmethod
    def count_bytes(surface: LossSurface) -> int:
        """Count the bytes of a result."""
        return surface.losses.nbytes + 96 * sum(len(path.steps) for path in surface.paths)

    def compute(self, images: DeviceImages, device: torch.device) -> Generator[float, None, LossSurface]:
        """Compute the surface; yield the share of the work that is done.

        Raises:
            SentenceError: A run cannot be replayed, or its weights have moved along a line.
        """
        moments: list[list[Tensor]] = []
        steps: list[list[int]] = []
        share = REPLAYS / len(self.runs)
        for number, run in enumerate(self.runs):
            chosen = [0, *choose_moments(run.steps, MAX_MOMENTS)]
            begin, end = number * share, (number + 1) * share
            networks = yield from collect_networks(run, images, device=device, at=chosen, begin=begin, end=end)
            moments.append([network.flatten() for network in networks])
            steps.append(chosen)
        shapes = [parameter.shape for parameter in networks[0].parameters]
        del networks
        plane = find_plane(moments)
        moments.clear()
        recipe = self.runs[0].recipe
        indices, labels = draw_sample(recipe, draw_images(recipe, images))
        xs, ys = (_spread([places[:, side] for places in plane.paths]) for side in (0, 1))
        losses: list[Tensor] = []
        inputs = images.read_train(indices)
        for chunk in measure_plane(
            plane, shapes, xs, ys, inputs, labels.to(inputs.device), activation=recipe.activation
        ):
            losses.append(chunk)
            yield REPLAYS + (1 - REPLAYS) * sum(map(len, losses)) / (len(xs) * len(ys))
        paths = [
            WeightPath(tuple(chosen), tuple(places[:, 0].tolist()), tuple(places[:, 1].tolist()))
            for chosen, places in zip(steps, plane.paths, strict=True)
        ]
        grid = torch.cat(losses).view(len(ys), len(xs)).cpu().numpy()
        return LossSurface(tuple(xs), tuple(ys), grid, tuple(paths), plane.explained, len(labels))


class Plane(NamedTuple):
    """A plane through weight space: a point of it, two directions of length 1, and what was projected onto it."""

    origin: Tensor  # (weights,)
    directions: Tensor  # (2, weights)
    paths: list[NDArray[np.float64]]  # (moments, 2) each
    explained: tuple[float, float]  # the share of the variance along each direction


def find_plane(moments: Sequence[Sequence[Tensor]]) -> Plane:
    """Find the plane of the first two principal directions of the weights of runs, through the mean of their ends.

    Each path begins below and to the left of its end, or of the mean of all ends: the sign of a principal direction is
    arbitrary.

    Args:
        moments: Of each run its weights (weights,) at several moments, the last one being its end.

    Raises:
        SentenceError: All lie on a line.
    """
    ends = torch.stack([vectors[-1] for vectors in moments])
    origin = ends.mean(dim=0) if len(ends) > 1 else ends[0]
    relative = torch.stack([vector for vectors in moments for vector in vectors]).sub_(origin)
    mean = relative.mean(dim=0)
    # (moments × moments) instead of (weights × weights): both products have the same largest eigenvalues
    projected = relative @ mean
    products = (relative @ relative.T - projected[:, None] - projected[None, :] + mean @ mean).double().cpu().numpy()
    variances, vectors = np.linalg.eigh(products)
    largest, mixtures = np.maximum(variances[::-1][:2], 0.0), vectors[:, ::-1][:, :2]
    if len(variances) < 3 or not largest[1] > FLAT**2 * largest[0]:
        raise SentenceError(STRAIGHT_PATH)
    coefficients = torch.from_numpy(mixtures - mixtures.mean(axis=0)).to(relative)
    directions = torch.linalg.qr((coefficients.T @ relative).T).Q.T.contiguous()
    signs = torch.where((relative[0] @ directions.T) > 0, -1.0, 1.0)
    directions *= signs[:, None].to(directions)
    places = (relative @ directions.T).double().cpu().numpy()
    paths = np.split(places, np.cumsum([len(vectors) for vectors in moments])[:-1])
    first, second = (largest / variances.sum()).tolist()
    return Plane(origin, directions, paths, (first, second))


def measure_plane(
    plane: Plane,
    shapes: Sequence[torch.Size],
    xs: Sequence[float],
    ys: Sequence[float],
    inputs: Tensor,
    labels: Tensor,
    *,
    activation: str,
) -> Iterator[Tensor]:
    """Measure the mean loss of the network at each place of a plane, row by row from the lowest y.

    The network at (x, y) has the weights origin + x · first + y · second. So the first layer's outputs at every place
    are the same combination of three outputs, and the images are multiplied three times instead of 625 times.

    Args:
        plane: Where to measure.
        shapes: Of the weight and the bias of each layer.
        xs: Places along the first direction.
        ys: Places along the second.
        inputs: Normalised images (N, in_features).
        labels: (N,).
        activation: Of the hidden layers.

    Yields:
        The losses (places,) of the next places, float64.
    """
    sizes = [math.prod(shape) for shape in shapes]
    basis = torch.cat([plane.origin[None], plane.directions])  # (3, weights)
    parts = [part.view(3, *shape) for part, shape in zip(torch.split(basis, sizes, dim=1), shapes, strict=True)]
    weights, biases = parts[0::2], parts[1::2]
    first = torch.stack([F.linear(inputs, weights[0][term], biases[0][term]) for term in range(3)])  # (3, N, units)
    places = torch.tensor([(1.0, x, y) for y in ys for x in xs]).to(inputs)
    widest = max(len(inputs) * shape[0] for shape in shapes)
    for terms in torch.split(places, max(CHUNK // widest, 1)):
        hidden = torch.tensordot(terms, first, dims=1)  # (places, N, units)
        for weight, bias in zip(weights[1:], biases[1:], strict=True):
            hidden = ACTIVATIONS[activation](hidden)
            own_weights, own_biases = (torch.tensordot(terms, part, dims=1) for part in (weight, bias))
            hidden = torch.baddbmm(own_biases.unsqueeze(1), hidden, own_weights.transpose(1, 2))
        losses = F.cross_entropy(hidden.flatten(0, 1), labels.repeat(len(terms)), reduction="none")
        yield losses.view(len(terms), -1).double().mean(dim=1).nan_to_num(nan=math.inf)


def _spread(paths: Sequence[NDArray[np.float64]]) -> list[float]:
    """Spread GRID places over the extent of paths along a direction, 0 included, with a margin."""
    every = np.concatenate([*paths, [0.0]])
    low, high = float(every.min()), float(every.max())
    margin = MARGIN * (high - low)
    spread: list[float] = np.linspace(low - margin, high + margin, GRID).tolist()
    return spread
