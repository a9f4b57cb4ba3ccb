"""What a run's network predicted, and what its first layer looked like, at any of its evaluations."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from mlpcore.data.batches import DeviceImages
from mlpcore.data.catalog import ImageCounts
from mlpcore.recipes.inputs import POINT
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.plane import MAP_SIDE, SIDE, Surface
from mlpcore.runs.snapshots import MAX_UNITS, TOP_K, FirstLayer, Snapshot
from mlpcore.training.evaluation import MetricAccumulator, iterate_test_batches
from mlpcore.training.lockstep import Cohort
from mlpcore.training.plane import SurfaceAccumulator, iterate_grid
from mlpcore.training.replay.replay import PastRun, check_norms, replay_cohort


@dataclass(frozen=True)
class MomentsView:
    """Snapshots of a run at several of its steps, from one replay. Each has one first layer, and one surface."""

    run: PastRun
    steps: tuple[int, ...]

    @property
    def recipes(self) -> list[Recipe]:
        """What is replayed."""
        return [self.run.recipe]

    def estimate(self, images: ImageCounts) -> int:
        """Estimate the bytes that it takes beside a replay: the snapshots."""
        is_plane = images.inputs == POINT
        units = MAX_UNITS * (MAP_SIDE**2 if is_plane else images.inputs.size)
        surface = images.classes * SIDE**2 if is_plane else 0
        return len(self.steps) * (4 * TOP_K * images.test + units + surface)

    @staticmethod
    def count_bytes(moments: Mapping[int, Snapshot]) -> int:
        """Count the bytes of a result."""
        return sum(_count_bytes(snapshot) for snapshot in moments.values())

    def compute(self, images: DeviceImages, device: torch.device) -> Generator[float, None, dict[int, Snapshot]]:
        """Replay the run; yield the share of the work that is done.

        Raises:
            SentenceError: The run cannot be replayed.
        """
        moments: dict[int, Snapshot] = {}
        last = max(*self.steps, 1)
        labels = images.test_labels.cpu().numpy().astype(np.min_scalar_type(len(images.train.classes) - 1))
        for step, cohort in replay_cohort(self.run, images, device=device, at=self.steps):
            yield step / last
            if cohort is not None:
                check_norms(self.run, step, cohort.network.weight_norms()[0])
                moments[step] = yield from _take(cohort, step, labels, images, step / last)
        return moments


def _take(
    cohort: Cohort, step: int, labels: np.ndarray, images: DeviceImages, done: float
) -> Generator[float, None, Snapshot]:
    """Take the snapshot of a network; give control back between batches."""
    predictions, surfaces = MetricAccumulator(cohort.network, keep_top_classes=True), SurfaceAccumulator(cohort.network)
    for batch in iterate_test_batches(images, 1):
        predictions.add_batch(*batch)
        yield done
    for grid in iterate_grid(images):
        surfaces.add_batch(*grid)
    run, number = cohort.runs[0], -(-step // cohort.runs[0].recipe.eval_every)
    (classes,), (probabilities,) = predictions.top_classes()
    plane, found = run.plane, surfaces.compute()
    if plane is not None and found is not None:
        plane = replace(plane, surfaces=(Surface(number, step, found[0]),))
    layer = FirstLayer(number, step, run.draw_units())
    return Snapshot(step, run.classes, labels, classes, probabilities, (layer,), plane)


def _count_bytes(snapshot: Snapshot) -> int:
    arrays = [snapshot.top_classes, snapshot.top_probabilities, *(layer.units for layer in snapshot.first_layers)]
    arrays += [surface.shares for surface in snapshot.plane.surfaces] if snapshot.plane else []
    return sum(array.nbytes for array in arrays)
