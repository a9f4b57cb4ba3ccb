"""Overfitting on purpose, and what helps against it: recipes to start from, and each with one thing changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mlpcore.analysis.statistics import telling_difference
from mlpcore.data.catalog import TEST_IMAGES
from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import SGD, Constant, Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus

EVALUATIONS = 30  # of a run of the lab: enough to see its best step; each costs as much as some 30 iterations
BATCH_SIZE = 64
MORE_DATA = 10  # times as many images
DROPOUT = 0.5
WEIGHT_DECAY = 0.05  # of SGD at lr 0.01: ten times less changed nothing on 1,000 photographs, twice as much underfitted
SMALLER = 4  # times fewer units in each hidden layer


def build_lab_recipe(
    *,
    dataset: str,
    images: int,
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
    """Build a run of the lab: SGD with a constant rate, so that what is seen comes from nothing but these knobs.

    images: how many training images the data set has. train_size: None for all. width: units of the first hidden
    layer; each of the `depth` layers has half as many as the one before. Raises ValidationError, a ValueError.
    """
    most = max(images - validation_size, 1)
    size = None if train_size is None or train_size >= most else train_size
    return Recipe(
        dataset=dataset,
        train_size=size,
        validation_size=validation_size,
        label_noise=label_noise,
        hidden_sizes=tuple(max(width >> layer, 1) for layer in range(depth)),
        dropout=dropout,
        optimizer=SGD(lr=0.01, momentum=0.9, weight_decay=weight_decay),
        scheduler=Constant(),
        batch_size=min(BATCH_SIZE, size or most),
        train_iter=train_iter,
        eval_every=max(train_iter // EVALUATIONS, 1),
        seed=seed,
    )


PRESETS: Mapping[str, Mapping[str, float | int | None]] = {
    "few_images": {},
    "random_labels": {"label_noise": 1.0},
    "noisy_labels": {"train_size": 5000, "label_noise": 0.4, "train_iter": 2000},
    "all_images": {"train_size": None, "train_iter": 3000},
}


def tell_what_to_look_for(recipe: Recipe, *, images: int, predicting: bool = False) -> Sentence:
    """Say what a run of the lab is about to show.

    images: how many training images its data set has. predicting: whether what random labels do to test accuracy is
    still to be predicted, and so not to be said.
    """
    used = recipe.train_size or images
    if recipe.label_noise > 0 and predicting:
        template = "{noise:.0%} of the labels are random: watch what train and test accuracy make of them."
        return Sentence(template, {"noise": recipe.label_noise})
    if recipe.label_noise == 1:
        return Sentence(
            "Every label is drawn at random, so there is nothing to learn: watch train accuracy rise all the same "
            "while test accuracy stays at chance. The network memorises (Zhang et al., 2017)."
        )
    if recipe.label_noise > 0:
        template = (
            "{noise:.0%} of the labels are random: watch the test curve while the network first learns what the "
            "classes have in common, then memorises the wrong labels."
        )
        return Sentence(template, {"noise": recipe.label_noise})
    if used <= images / 5:
        template = (
            "A small training loss does not mean a good test result: with {used:,} images, watch the train curve "
            "become almost perfect while the test curve stays far behind."
        )
        return Sentence(template, {"used": used})
    return Sentence("With many images the two curves stay together for longer: watch how small the gap is.")


@dataclass(frozen=True)
class Remedy:
    """One thing changed against overfitting."""

    name: str  # of REMEDIES
    change: Sentence
    recipe: Recipe


def _more_data(base: Recipe, images: int) -> tuple[Sentence, Recipe] | None:
    most = images - base.validation_size
    if base.train_size is None or base.train_size >= most:
        return None
    size = min(MORE_DATA * base.train_size, most)
    return Sentence("{n:,} images", {"n": size}), base.model_copy(update={"train_size": None if size == most else size})


def _dropout(base: Recipe, _images: int) -> tuple[Sentence, Recipe] | None:
    if base.dropout >= DROPOUT:
        return None
    return Sentence("{share:.0%} of the units", {"share": DROPOUT}), base.model_copy(update={"dropout": DROPOUT})


def _weight_decay(base: Recipe, _images: int) -> tuple[Sentence, Recipe] | None:
    if base.optimizer.weight_decay >= WEIGHT_DECAY:
        return None
    optimizer = base.optimizer.model_copy(update={"weight_decay": WEIGHT_DECAY})
    return Sentence("{decay:g}", {"decay": WEIGHT_DECAY}), base.model_copy(update={"optimizer": optimizer})


def _smaller_network(base: Recipe, _images: int) -> tuple[Sentence, Recipe] | None:
    sizes = tuple(max(size // SMALLER, 1) for size in base.hidden_sizes)
    if sizes == base.hidden_sizes:
        return None
    return Sentence("{sizes} units", {"sizes": ", ".join(map(str, sizes))}), base.model_copy(
        update={"hidden_sizes": sizes}
    )


_BUILDERS: Mapping[str, Callable[[Recipe, int], tuple[Sentence, Recipe] | None]] = {
    "more_data": _more_data,
    "dropout": _dropout,
    "weight_decay": _weight_decay,
    "smaller_network": _smaller_network,
}
REMEDIES = tuple(_BUILDERS)


def build_remedies(base: Recipe, *, images: int) -> list[Remedy]:
    """Build the base's recipe with each remedy that it does not have already; the seed stays.

    images: how many training images its data set has.
    """
    built = {name: build(base, images) for name, build in _BUILDERS.items()}
    return [Remedy(name, *change) for name, change in built.items() if change is not None]


def stop_early(run: Run) -> Evaluation | None:
    """Read a run at its best step: best by validation where images were held out, else by the test images."""
    return run.chosen or run.best


def count_points(accuracy: float, other: float = 0.0) -> float:
    """Count the percentage points from one accuracy to another, as read off the two rounded to a tenth of a point."""
    return round(round(100 * accuracy, 1) - round(100 * other, 1), 1)


def judge_remedies(
    base: Run, tried: Mapping[str, Run], *, early_stop: str, test_images: int = TEST_IMAGES
) -> Sentence | None:
    """Say which remedies helped, by more test accuracy than the noise of so many test images; None before that.

    Judged are a base that finished and the remedies that did, by their names as they are to be read; and the early
    stop, under that name, where images held out for validation chose its step. One chosen by the test images comes out
    ahead of the base whether it helps or not.
    """
    finished = {name: run.latest for name, run in tried.items() if run.status is RunStatus.FINISHED}
    if base.status is not RunStatus.FINISHED or not finished:
        return None
    if base.chosen is not None:
        finished[early_stop] = base.chosen
    worth, before = 100 * telling_difference(test_images), base.latest.test_acc
    points = {name: count_points(latest.test_acc, before) for name, latest in finished.items()}
    helped = {name: points[name] for name, latest in finished.items() if 100 * (latest.test_acc - before) >= worth}
    rest = {name: value for name, value in points.items() if name not in helped}
    values = {"helped": _list_points(helped), "rest": _list_points(rest), "base": before}
    values |= {"worth": worth, "images": test_images}
    if not rest:
        return Sentence("Test accuracy over the base's {base:.1%}, in points: {helped}. All of them helped.", values)
    if not helped:
        return Sentence(
            "Test accuracy over the base's {base:.1%}, in points: {rest}. None helped by {worth:.1f} points or more: "
            "less may be the noise of {images:,} test images.",
            values,
        )
    return Sentence(
        "Test accuracy over the base's {base:.1%}, in points: {helped} helped; {rest} did not, by {worth:.1f} points "
        "or more: less may be the noise of {images:,} test images.",
        values,
    )


def _list_points(points: Mapping[str, float]) -> str:
    ordered: Sequence[tuple[str, float]] = sorted(points.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {value:+.1f}" for name, value in ordered)
