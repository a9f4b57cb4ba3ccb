"""Describe a recipe in one line."""

from collections.abc import Sequence
from typing import Any

from mlpcore.analysis.differences import find_differences
from mlpcore.data.download.sources import dataset_title
from mlpcore.numbers import exact_number
from mlpcore.recipes.flat import write_text
from mlpcore.recipes.recipe import PARTS, SGD, Change, Recipe, RMSprop
from pages.components.shared.words import _, _n

IN_SUMMARY = ("lr", "momentum", "nesterov", "weight_decay", "step_size", "gamma", "milestones", "T_max", "dropout")
MOST_OTHERS = 4  # hyperparameters named beside a summary


def describe_training(recipe: Recipe) -> str:
    """Name the optimizer and the scheduler, with what matters of each: SGD · lr 0.01 · momentum 0.9 · StepLR …

    Changes made during the run follow the value they changed.
    """
    optimizer, scheduler = recipe.optimizer, recipe.scheduler
    parts = [optimizer.name, f"lr {exact_number(optimizer.lr)}{_describe_changes(recipe.changes)}"]
    if isinstance(optimizer, SGD | RMSprop) and optimizer.momentum:
        word = "Nesterov" if isinstance(optimizer, SGD) and optimizer.nesterov else "momentum"
        parts.append(f"{word} {exact_number(optimizer.momentum)}")
    field = type(optimizer).model_fields.get("weight_decay")
    if field is not None and optimizer.weight_decay != field.default:
        parts.append(f"weight_decay {exact_number(optimizer.weight_decay)}")
    if scheduler.name == "StepLR":
        parts.append(f"StepLR {scheduler.step_size:,} × {exact_number(scheduler.gamma)}")
    elif scheduler.name == "MultiStepLR":
        milestones = ", ".join(map(exact_number, scheduler.milestones))
        parts.append(f"MultiStepLR {milestones} × {exact_number(scheduler.gamma)}")
    elif scheduler.name == "CosineAnnealingLR":
        parts.append(f"CosineAnnealingLR {scheduler.T_max:,}")
    elif scheduler.name != "none":
        parts.append(scheduler.name)
    parts.append(f"dropout {exact_number(recipe.dropout)}")
    return " · ".join(parts)


def describe_next(shown: Recipe, recipe: Recipe) -> str:
    """Describe a recipe as `describe_training` does, and name what else differs from the shown one."""
    differences = find_differences([shown, recipe], besides=(*PARTS, *IN_SUMMARY, "changes"))
    # None stands for all images, and for a gradient that is not clipped; elsewhere for what a kind does not have
    images, is_clipped = differences.pop("train_size", None), differences.pop("max_norm", None)
    others = [f"{name} {_write(values[1])}" for name, values in differences.items() if None not in values]
    if images is not None:
        others.append(_all_images(recipe) if recipe.train_size is None else _images(recipe.train_size, recipe))
    if is_clipped is not None:
        others.append("max_norm none" if recipe.max_norm is None else f"max_norm {exact_number(recipe.max_norm)}")
    more = ["…"] if len(others) > MOST_OTHERS else []
    return " · ".join([describe_training(recipe), *others[:MOST_OTHERS], *more])


def _describe_changes(changes: Sequence[Change]) -> str:
    """Write the last change of lr as what follows it: → 0.05 at step 1,300; earlier ones as an ellipsis."""
    rates = [(change.step, change.lr) for change in changes if change.lr is not None]
    if not rates:
        return ""
    step, lr = rates[-1]
    told = _("→ {lr} at step {step:,}").format(lr=exact_number(lr), step=step)
    return f" → … {told}" if len(rates) > 1 else f" {told}"


def describe_data(recipe: Recipe) -> str:
    """Say which images a recipe trains on, and for how long."""
    size = _all_images(recipe) if recipe.train_size is None else _images(recipe.train_size, recipe)
    if recipe.validation_size:
        size += _(", {n:,} held out").format(n=recipe.validation_size)
    noise = "" if recipe.label_noise == 0 else _(", {share:.0%} of the labels random").format(share=recipe.label_noise)
    values = {"dataset": dataset_title(recipe.dataset), "size": size, "noise": noise}
    template = _("{dataset}, {size}{noise} · {train_iter:,} iterations of {batch_size:,}")
    return template.format(**values, train_iter=recipe.train_iter, batch_size=recipe.batch_size)


def _images(count: int, recipe: Recipe) -> str:
    if recipe.points is not None:
        return _n("{n:,} point", "{n:,} points", count).format(n=count)
    return _n("{n:,} image", "{n:,} images", count).format(n=count)


def _all_images(recipe: Recipe) -> str:
    return _("all images") if recipe.points is None else _images(recipe.points.count - recipe.validation_size, recipe)


def _write(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return exact_number(value) if is_number else write_text(value)
