"""The sharpness of full-batch gradient descent, and where it makes a step overshoot."""

from dataclasses import dataclass

from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run

MAX_MOMENTS = 24  # evaluations at which sharpness is computed; of more, these are spread evenly


@dataclass(frozen=True)
class Sharpness:
    """The largest eigenvalue of the Hessian of the training loss, at some evaluations of a run."""

    steps: tuple[int, ...]
    values: tuple[float, ...]


def is_full_batch(recipe: Recipe, training_images: int) -> bool:
    """Return whether a recipe is gradient descent on a loss that stays the same: all images, and nothing dropped."""
    is_descent = recipe.optimizer.name == "SGD" and recipe.dropout == 0 and recipe.precision == "float32"
    is_descent &= recipe.label_smoothing == 0 and recipe.l1_penalty == 0 and recipe.max_norm is None
    return is_descent and recipe.batch_size == training_images


def find_limits(run: Run) -> list[float]:
    """Find, at each evaluation of a run of SGD, the sharpness above which its steps overshoot more and more.

    On a parabola of curvature s, gradient descent of rate lr converges for s below 2/lr. Momentum m raises the limit to
    (2 + 2m)/lr, Nesterov's to (2 + 2m)/((1 + 2m) lr); weight decay is curvature of its own. See Cohen et al., 2021,
    arXiv:2103.00065, section 2 and appendix B.
    """
    return [_find_limit(run.recipe, evaluation.step, evaluation.lr) for evaluation in run.evaluations]


def name_limit(recipe: Recipe) -> str:
    """Name the limit of a recipe of SGD by its formula, without weight decay."""
    assert recipe.optimizer.name == "SGD", "others have no such limit"
    if not recipe.optimizer.momentum:
        return "2/lr"
    return "(2 + 2m)/((1 + 2m) lr)" if recipe.optimizer.nesterov else "(2 + 2m)/lr"


def _find_limit(recipe: Recipe, step: int, lr: float) -> float:
    made = [change.values for change in recipe.changes if change.step < step]
    changed = {name: value for values in made for name, value in values.items() if name != "lr"}
    optimizer = recipe.optimizer.replace(**changed)
    assert optimizer.name == "SGD", "others have no such limit"
    momentum = optimizer.momentum
    overshoot = 1 + 2 * momentum if optimizer.nesterov else 1.0
    return float((2 + 2 * momentum) / (overshoot * lr) - optimizer.weight_decay)
