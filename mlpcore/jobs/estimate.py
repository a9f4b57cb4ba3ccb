"""Estimates of the memory that jobs need, made before a submission is accepted."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlpcore.data.catalog import ImageCounts
from mlpcore.recipes.inputs import POINT
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.plane import MAP_SIDE, MAX_SURFACES, SIDE
from mlpcore.runs.records import EVALUATION_BYTES, RECORD_BYTES
from mlpcore.runs.snapshots import MAX_FIRST_LAYERS, MAX_UNITS, TOP_K
from mlpcore.training.evaluation import EVALUATION_BATCH

SCRATCH = 32_000_000  # bytes of a job, for the buffers of matrix products and what is not listed below


@dataclass(frozen=True)
class Estimate:
    """Bytes that a job needs, without its images: for weights and optimizers, and for batches and evaluations."""

    weights: int = 0
    batches: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.weights + self.batches

    def __add__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.weights + other.weights, self.batches + other.batches)


def estimate_job(recipes: Sequence[Recipe], images: ImageCounts) -> Estimate:
    """Estimate the memory of runs that train in one cohort."""
    total = _estimate_shared(recipes[0], images)
    seeds = set()
    for recipe in recipes:
        total += _estimate_run(recipe, images)
        if recipe.seed not in seeds:
            seeds.add(recipe.seed)
            total += _estimate_seed(recipe, images)
    return total


def _estimate_shared(recipe: Recipe, images: ImageCounts) -> Estimate:
    """Estimate what a cohort needs once: test batches, temporaries of one optimizer, of drawing a training set.

    Also the weights before one run's step, to which those after it are compared.
    """
    temporaries = 2 * 4 * max(recipe.hidden_sizes[0] * images.inputs.size, 1)
    temporaries += 4 * images.count_parameters(recipe.hidden_sizes)
    drawing = 48 * images.train
    return Estimate(temporaries, SCRATCH + 5 * EVALUATION_BATCH * images.inputs.size + drawing)


def _estimate_seed(recipe: Recipe, images: ImageCounts) -> Estimate:
    """Estimate what the runs of one seed share: the order of images and a batch, as bytes and as float32."""
    return Estimate(0, 5 * images.inputs.size * (_batch_size(recipe, images) + EVALUATION_BATCH) + 24 * images.train)


def _estimate_run(recipe: Recipe, images: ImageCounts) -> Estimate:
    # weights, gradients and optimizer state; before there is a state, a copy of the initial weights
    copies = 2 + recipe.optimizer.states + getattr(recipe.optimizer, "amsgrad", False)
    copies += 2 * (recipe.average != "none")  # while it is tested, one beside the others
    units = sum(recipe.hidden_sizes) + images.classes
    activations = 4 * units * max(4 * _batch_size(recipe, images), 3 * EVALUATION_BATCH)
    training_set = 24 * (min(recipe.train_size or images.train, images.train) + recipe.validation_size)
    predictions = images.test * TOP_K * 4
    is_plane = images.inputs == POINT
    of_unit = MAP_SIDE**2 if is_plane else images.inputs.size
    surfaces = (MAX_SURFACES + 9) * images.classes * SIDE**2 if is_plane else 0  # and one as float32, twice
    snapshot = predictions + (MAX_FIRST_LAYERS + 1) * MAX_UNITS * of_unit + surfaces
    history = recipe.evaluation_count * EVALUATION_BYTES + RECORD_BYTES
    weights = 4 * images.count_parameters(recipe.hidden_sizes) * copies
    return Estimate(weights, activations + training_set + predictions + snapshot + history)


def _batch_size(recipe: Recipe, images: ImageCounts) -> int:
    return min(recipe.batch_size, images.train)


def split_runs(recipes: Sequence[Recipe], images: ImageCounts, *, most_bytes: float, most_runs: int) -> list[int]:
    """Split a cohort into parts that need at most so many bytes each; return how many runs each part has."""
    counts: list[int] = []
    count, total, seeds = 0, _estimate_shared(recipes[0], images), set[int]()
    for recipe in recipes:
        added = _estimate_run(recipe, images)
        if recipe.seed not in seeds:
            added += _estimate_seed(recipe, images)
        if count and (count == most_runs or (total + added).total > most_bytes):
            counts.append(count)
            count, total, seeds = 0, _estimate_shared(recipe, images), set()
            added = _estimate_run(recipe, images) + _estimate_seed(recipe, images)
        count, total = count + 1, total + added
        seeds.add(recipe.seed)
    return [*counts, count]
