"""Describe a recipe in one line."""

from mlpcore.numbers import exact_number
from mlpcore.recipes.recipe import SGD, Recipe, RMSprop
from pages.components.shared.words import _, _n


def describe_training(recipe: Recipe) -> str:
    """Name the optimizer and the scheduler, with what matters of each: SGD · lr 0.01 · momentum 0.9 · StepLR …"""
    optimizer, scheduler = recipe.optimizer, recipe.scheduler
    parts = [optimizer.name, f"lr {exact_number(optimizer.lr)}"]
    if isinstance(optimizer, SGD | RMSprop) and optimizer.momentum:
        word = "Nesterov" if isinstance(optimizer, SGD) and optimizer.nesterov else "momentum"
        parts.append(f"{word} {exact_number(optimizer.momentum)}")
    if optimizer.weight_decay != type(optimizer).model_fields["weight_decay"].default:
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
    if recipe.dropout != Recipe.model_fields["dropout"].default:
        parts.append(f"dropout {exact_number(recipe.dropout)}")
    return " · ".join(parts)


def describe_data(recipe: Recipe) -> str:
    """Say which images a recipe trains on, and for how long."""
    size = _("all images") if recipe.train_size is None else _images(recipe.train_size)
    if recipe.validation_size:
        size += _(", {n:,} held out").format(n=recipe.validation_size)
    noise = "" if recipe.label_noise == 0 else _(", {share:.0%} of the labels random").format(share=recipe.label_noise)
    template = _("{dataset}, {size}{noise} · {train_iter:,} iterations of {batch_size:,}")
    return template.format(
        dataset=recipe.dataset, size=size, noise=noise, train_iter=recipe.train_iter, batch_size=recipe.batch_size
    )


def _images(count: int) -> str:
    return _n("{n:,} image", "{n:,} images", count).format(n=count)
