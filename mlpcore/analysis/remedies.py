"""Remedies against overfitting: the lab's recipes, each remedy as one change, and which of them helped."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from mlpcore.analysis.comparison import (
    MIN_SEEDS,
    RecipeComparison,
    compare_recipes,
    is_validated,
    select_evaluation,
)
from mlpcore.analysis.statistics import detectable_difference
from mlpcore.recipes.points import AnyPoints
from mlpcore.recipes.recipe import SGD, NoScheduler, Recipe
from mlpcore.recipes.validation import find_limits
from mlpcore.runs.records import LONGEST_NAME, Evaluation, Run, RunStatus

EVALUATIONS = 30  # of a run of the lab: enough to see its best step; each costs as much as some 30 iterations
BATCH_SIZE = 64
MORE_DATA = 10  # times as many images
DROPOUT = 0.5
LR, PLANE_LR = 0.01, 0.1  # of images, and of points: 3,000 iterations at 0.01 do not memorise a wrong label
PLANE_DECAY = 0.01  # of SGD at lr 0.1: twice as much leaves a boundary without a spiral
WEIGHT_DECAY = 0.05  # of SGD at lr 0.01: ten times less changed nothing on 1,000 photographs, twice as much underfitted
SMALLER = 4  # times fewer units in each hidden layer
BASE, EARLY_STOP = "base", "early_stop"  # names beside those of REMEDIES; stopping early needs no run of its own
USUAL_SIZES = (128, 64)
REPEATS = MIN_SEEDS  # seeds


def build_lab_recipe(
    *,
    dataset: str,
    images: int,
    points: AnyPoints | None = None,
    train_size: int | None = 1000,
    label_noise: float = 0.0,
    dropout: float = 0.0,
    weight_decay: float = 0.0,
    width: int = 128,
    depth: int = 2,
    train_iter: int = 600,
    validation_size: int = 0,
    seed: int = 0,
) -> Recipe:
    """Build a recipe of the lab: SGD at a constant rate, so that only these hyperparameters matter.

    Args:
        dataset: Its name.
        images: Number of its training images.
        points: How its points are drawn, if it has points.
        train_size: Images to train on; None for all.
        width: Units of the first hidden layer; each of the `depth` layers has half as many as the one before.

    Raises:
        ValidationError: A ValueError, if a value is out of its range.
    """
    most = max(images - validation_size, 1)
    size = None if train_size is None or train_size >= most else train_size
    return Recipe(
        dataset=dataset,
        points=points,
        train_size=size,
        validation_size=validation_size,
        label_noise=label_noise,
        hidden_sizes=tuple(max(width >> layer, 1) for layer in range(depth)),
        dropout=dropout,
        optimizer=SGD(lr=LR if points is None else PLANE_LR, momentum=0.9, weight_decay=weight_decay),
        scheduler=NoScheduler(),
        batch_size=min(BATCH_SIZE, size or most),
        train_iter=train_iter,
        eval_every=max(train_iter // EVALUATIONS, 1),
        seed=seed,
    )


def name_lab_run(recipe: Recipe) -> str:
    """Name a run of the lab by what it is: 1000 images noise 0.4 dropout 0.5, and its seed unless that is 0.

    What does not fit into a name is left out.
    """
    kind = "images" if recipe.points is None else "points"
    parts = [f"all {kind}" if recipe.train_size is None else f"{recipe.train_size} {kind}"]
    shown = {"noise": recipe.label_noise, "dropout": recipe.dropout, "decay": recipe.optimizer.weight_decay}
    parts += [f"{name} {value:g}" for name, value in shown.items() if value]
    if recipe.hidden_sizes != USUAL_SIZES:
        parts.append(f"units {' '.join(map(str, recipe.hidden_sizes))}")
    seed = f" seed {recipe.seed}" if recipe.seed else ""
    while len(" ".join(parts)) + len(seed) > LONGEST_NAME:
        parts.pop()
    return " ".join(parts) + seed


OVERFITTING_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "few_images": {},
    "random_labels": {"label_noise": 1.0},
    "noisy_labels": {"train_size": 5000, "label_noise": 0.4, "train_iter": 2000},
    "all_images": {"train_size": None, "train_iter": 3000},
    # 0.4 of the labels drawn from two classes: 20 % are wrong
    "spiral": {"dataset": "Spiral", "train_size": 100, "label_noise": 0.4, "train_iter": 3000},
}


@dataclass(frozen=True)
class Remedy:
    """One change against overfitting."""

    name: str  # of REMEDIES
    value: float | tuple[int, ...]  # what the change sets: images, a share of units, a decay, sizes of layers
    recipe: Recipe


def _more_data(base: Recipe, images: int) -> tuple[int, dict[str, object]] | None:
    most = images - base.validation_size
    if base.train_size is None or base.train_size >= most:
        return None
    size = min(MORE_DATA * base.train_size, most)
    return size, {"train_size": None if size == most else size}


def _dropout(base: Recipe, _images: int) -> tuple[float, dict[str, object]] | None:
    return None if base.dropout >= DROPOUT else (DROPOUT, {"dropout": DROPOUT})


def _weight_decay(base: Recipe, _images: int) -> tuple[float, dict[str, object]] | None:
    decay = WEIGHT_DECAY if base.points is None else PLANE_DECAY
    if base.optimizer.weight_decay >= decay:
        return None
    return decay, {"optimizer": base.optimizer.model_copy(update={"weight_decay": decay})}


def _smaller_network(base: Recipe, _images: int) -> tuple[tuple[int, ...], dict[str, object]] | None:
    sizes = tuple(max(size // SMALLER, 1) for size in base.hidden_sizes)
    return None if sizes == base.hidden_sizes else (sizes, {"hidden_sizes": sizes})


_CHANGES: Mapping[str, Callable[[Recipe, int], tuple[Any, dict[str, object]] | None]] = {
    "more_data": _more_data,
    "dropout": _dropout,
    "weight_decay": _weight_decay,
    "smaller_network": _smaller_network,
}
REMEDIES = tuple(_CHANGES)


def build_remedies(base: Recipe, *, images: int) -> list[Remedy]:
    """Build the base's recipe with each remedy that it does not have yet. images: training images of the data set."""
    changes = {name: change(base, images) for name, change in _CHANGES.items()}
    return [Remedy(name, change[0], base.model_copy(update=change[1])) for name, change in changes.items() if change]


def repeat_recipes(base: Recipe, names: Collection[str], *, images: int) -> dict[tuple[str, int], Recipe]:
    """Build the base (named BASE) and some of its remedies with REPEATS seeds, its own among them, by name and seed."""
    first = min(base.seed, int(find_limits(Recipe, "seed")[1]) - REPEATS + 1)
    repeats: dict[tuple[str, int], Recipe] = {}
    for seed in range(first, first + REPEATS):
        same = base.model_copy(update={"seed": seed})
        repeats[BASE, seed] = same
        repeats |= {(one.name, seed): one.recipe for one in build_remedies(same, images=images) if one.name in names}
    return repeats


def stop_early(run: Run) -> Evaluation | None:
    """Return a run's evaluation at its best step: best on enough held-out images, else best on the test images."""
    return run.chosen if is_validated(run) else run.best


def find_lowest_loss(run: Run) -> Evaluation | None:
    """Return a run's first evaluation with the lowest test loss, if there is one."""
    return min(run.evaluations, key=lambda evaluation: evaluation.test_loss, default=None)


def percentage_points(accuracy: float, other: float = 0.0) -> float:
    """Subtract two accuracies after rounding each to a tenth of a percentage point, as they are shown."""
    return round(round(100 * accuracy, 1) - round(100 * other, 1), 1)


@dataclass(frozen=True)
class RemedyResults:
    """Test accuracy of remedies over the base, with one seed, in percentage points, best first.

    helped: those that gained `margin` percentage points or more, the sampling error of the test images. hurt: those
    that lost as much. within: the others. early_stop: what the step that the held-out images chose gains over the last
    step of the base, if they chose it.
    """

    base_acc: float
    helped: Mapping[str, float]
    within: Mapping[str, float]
    hurt: Mapping[str, float]
    margin: float
    early_stop: float | None = None


def judge_remedies(base: Run, tried: Mapping[str, Run], *, test_images: int) -> RemedyResults | None:
    """Find which remedies gained, or lost, more than the sampling error of the test images.

    Runs are compared by `select_evaluation`. Only finished runs count; None if the base or all remedies have not
    finished.
    """
    finished = {name: select_evaluation(run) for name, run in tried.items() if run.status is RunStatus.FINISHED}
    reference = select_evaluation(base)
    if base.status is not RunStatus.FINISHED or not finished or reference is None or base.latest is None:
        return None
    margin = detectable_difference(test_images)
    accuracies = {name: evaluation.test_acc for name, evaluation in finished.items() if evaluation is not None}
    gains = {name: percentage_points(accuracy, reference.test_acc) for name, accuracy in accuracies.items()}
    ranked = sorted(gains, key=lambda name: -gains[name])
    helped = {name: gains[name] for name in ranked if accuracies[name] - reference.test_acc >= margin}
    hurt = {name: gains[name] for name in ranked if reference.test_acc - accuracies[name] >= margin}
    return RemedyResults(
        reference.test_acc,
        helped,
        {name: gains[name] for name in ranked if name not in helped | hurt},
        hurt,
        100 * margin,
        percentage_points(reference.test_acc, base.latest.test_acc) if is_validated(base) else None,
    )


def compare_repeats(repeats: Mapping[str, Mapping[int, Run]]) -> dict[str, RecipeComparison]:
    """Compare each remedy with the base over the seeds that finished with both, corrected for all remedies.

    repeats: runs by name (BASE for the base) and seed.
    """
    accuracies = {
        name: {
            seed: evaluation.test_acc
            for seed, run in runs.items()
            if run.status is RunStatus.FINISHED and (evaluation := select_evaluation(run)) is not None
        }
        for name, runs in repeats.items()
    }
    reference = accuracies.pop(BASE, {})
    return dict(zip(accuracies, compare_recipes(reference, list(accuracies.values())), strict=True))
