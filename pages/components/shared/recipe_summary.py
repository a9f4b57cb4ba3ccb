"""What a recipe says, in a line."""

from mlpcore.recipes.recipe import Recipe
from pages.components.shared.words import _, _n, show_rate


def describe_training(recipe: Recipe) -> str:
    """Name the optimizer and the schedule with the knobs that matter: SGD · lr 0.01 · momentum 0.9 · StepLR …"""
    knobs, schedule = recipe.optimizer, recipe.scheduler
    parts = [knobs.name, f"lr {show_rate(knobs.lr)}"]
    if getattr(knobs, "momentum", 0):
        parts.append(f"{'Nesterov' if getattr(knobs, 'nesterov', False) else 'momentum'} {knobs.momentum:g}")
    if knobs.weight_decay != type(knobs).model_fields["weight_decay"].default:
        parts.append(f"weight_decay {show_rate(knobs.weight_decay)}")
    if schedule.name == "StepLR":
        parts.append(f"StepLR {schedule.step_size:,} × {schedule.gamma:g}")
    elif schedule.name == "MultiStepLR":
        parts.append(f"MultiStepLR {', '.join(f'{m:,}' for m in schedule.milestones)} × {schedule.gamma:g}")
    elif schedule.name == "CosineAnnealingLR":
        parts.append(f"CosineAnnealingLR {schedule.T_max:,}")
    elif schedule.name != "none":
        parts.append(schedule.name)
    if recipe.dropout != Recipe.model_fields["dropout"].default:
        parts.append(f"dropout {recipe.dropout:g}")
    return " · ".join(parts)


def describe_data(recipe: Recipe) -> str:
    """Say what is trained on, and for how long."""
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
