"""Sentences about what runs show side by side: differences of recipes, comparisons, remedies and test curves."""

from collections.abc import Mapping, Sequence

from mlpcore.analysis.comparison import MIN_SEEDS, BestRecipe, ComparisonVerdict, RecipeComparison
from mlpcore.analysis.curve_shapes import ClassifiedCurve, Shape
from mlpcore.analysis.differences import DifferenceKind, RecipeDifferences
from mlpcore.analysis.remedies import Remedy, RemedyResults
from mlpcore.messages import N_, Sentence
from mlpcore.numbers import round_tenths
from mlpcore.recipes.recipe import Recipe

FEW_IMAGES = 5  # times fewer than there are: so few are soon memorised

_DIFFERENCES: Mapping[DifferenceKind, str] = {
    DifferenceKind.NONE: N_("Nothing differs."),
    DifferenceKind.SEED: N_("Only the seed differs."),
    DifferenceKind.ONE: N_("One thing differs: {names}."),
    DifferenceKind.ONE_PER_ROW: N_("Each row differs from the one before in one thing: {names}."),
    DifferenceKind.SEVERAL: N_("{count} things differ: {names}. A fair comparison is between rows that differ in one."),
}
_CURVES: Mapping[Shape, str] = {
    Shape.CHANCE: N_(
        "Its best accuracy, {best:.1%}, is less than {above_chance:.3g} percentage points above chance ({chance:.1%})."
    ),
    Shape.FALLS: N_(
        "It ends at {end:.1%}, at least {margin:.3g} percentage points below its best accuracy ({best:.1%})."
    ),
    Shape.RISES: N_(
        "It ends at {end:.1%}, at least {margin:.3g} percentage points above its accuracy halfway ({halfway:.1%})."
    ),
    Shape.FLATTENS: N_("It is at {halfway:.1%} halfway and ends at {end:.1%}, within {margin:.3g} percentage points."),
}
_COMPARISONS: Mapping[ComparisonVerdict, str] = {
    ComparisonVerdict.NO_PAIRS: N_("{other} minus {reference}: no seed has finished with both."),
    ComparisonVerdict.TOO_FEW_SEEDS: N_(
        "{other} minus {reference}: {mean:+.1f} percentage points (seeds: {seeds}). No verdict yet: with {least} seeds "
        "or more, a paired t-test can decide."
    ),
    ComparisonVerdict.NO_SPREAD: N_(
        "{other} minus {reference}: {mean:+.1f} percentage points with each of {seeds} seeds. No verdict: a t-test "
        "needs differences that vary. More seeds or more test examples can decide."
    ),
    ComparisonVerdict.SIGNIFICANT: N_(
        "{other} minus {reference}: {mean:+.1f} ± {deviation:.1f} percentage points over {seeds} seeds. The difference "
        "is significant (p = {p:.2g})."
    ),
    ComparisonVerdict.NOT_SIGNIFICANT: N_(
        "{other} minus {reference}: {mean:+.1f} ± {deviation:.1f} percentage points over {seeds} seeds. The difference "
        "is not significant (p = {p:.2g})."
    ),
}
_CORRECTED: Mapping[ComparisonVerdict, str] = {
    ComparisonVerdict.SIGNIFICANT: N_(
        "{other} minus {reference}: {mean:+.1f} ± {deviation:.1f} percentage points over {seeds} seeds. The difference "
        "is significant (p = {p:.2g}, with Holm's correction for {tests} comparisons)."
    ),
    ComparisonVerdict.NOT_SIGNIFICANT: N_(
        "{other} minus {reference}: {mean:+.1f} ± {deviation:.1f} percentage points over {seeds} seeds. The difference "
        "is not significant (p = {p:.2g}, with Holm's correction for {tests} comparisons)."
    ),
}

_BEST: Mapping[tuple[bool, bool], str] = {
    (True, True): N_("Best: {label}, {accuracy:.1%} on {images:,} held-out examples."),
    (True, False): N_("Best so far: {label}, {accuracy:.1%} on {images:,} held-out examples."),
    (False, True): N_("Best: {label}, {accuracy:.1%} on {images:,} test examples, at the last step."),
    (False, False): N_("Best so far: {label}, {accuracy:.1%} on {images:,} test examples."),
}


def describe_differences(differences: RecipeDifferences) -> Sentence:
    """Say whether recipes differ in one thing, as a fair comparison needs, or in several."""
    values = {"count": len(differences.changed), "names": ", ".join(differences.changed)}
    values |= {"implied": ", ".join(differences.implied), "implied_by": ", ".join(differences.implied_by)}
    if differences.implied and differences.kind is DifferenceKind.ONE:
        return Sentence("One thing differs: {names}, and with it the default of {implied}.", values)
    if differences.implied and differences.kind is DifferenceKind.ONE_PER_ROW:
        template = (
            "Each row differs from the one before in one thing: {names}. The default of {implied} changes with "
            "{implied_by}."
        )
        return Sentence(template, values)
    return Sentence(_DIFFERENCES[differences.kind], values)


def describe_comparison(compared: RecipeComparison, *, reference: str, other: str) -> Sentence:
    """Say how a recipe compares with the reference; reference, other: their labels."""
    values = {"reference": reference, "other": other, "seeds": compared.seeds, "mean": round_tenths(compared.mean)}
    values |= {"deviation": compared.deviation, "p": compared.p, "tests": compared.tests, "least": MIN_SEEDS}
    templates = _CORRECTED if compared.tests > 1 else _COMPARISONS
    return Sentence(templates[compared.verdict], values)


def describe_best(best: BestRecipe, labels: Sequence[str], *, validated: bool, is_over: bool) -> list[Sentence]:
    """Name the best recipe, and those whose accuracy lies within the sampling error of it.

    validated: whether held-out images rank the recipes, rather than test images.
    """
    values = {"label": labels[best.place], "accuracy": best.accuracy, "images": best.images}
    sentences = [Sentence(_BEST[validated, is_over], values)]
    if best.near:
        values = {"images": best.images, "margin": 100 * best.margin, "count": len(best.near)}
        template = "{count} rows are within the sampling error of {images:,} examples ({margin:.1f} pp) of it."
        if len(best.near) == 1:
            values |= {"label": labels[best.near[0]]}
            template = "{label} is within the sampling error of {images:,} examples ({margin:.1f} pp) of it."
        sentences.append(Sentence(template, values))
    return sentences


def describe_curve(curve: ClassifiedCurve) -> Sentence:
    """Say which numbers decided the shape of a test curve."""
    values = {"best": curve.best, "end": curve.end, "halfway": curve.halfway, "chance": curve.chance}
    values |= {"margin": 100 * curve.margin, "above_chance": 100 * curve.above_chance}
    return Sentence(_CURVES[curve.shape], values)


def describe_expectation(recipe: Recipe, *, images: int, predicting: bool = False) -> Sentence:
    """Say what to look for in a run of the lab.

    images: training images of the data set. predicting: whether the visitor still has to predict the test curve.
    """
    used = recipe.train_size or images
    if predicting and recipe.label_noise > 0:
        template = "{noise:.0%} of the labels are random. Watch what happens to train and test accuracy."
        return Sentence(template, {"noise": recipe.label_noise})
    if predicting:
        template = "The network trains on {used:,} examples. Watch what happens to train and test accuracy."
        return Sentence(template, {"used": used})
    if recipe.label_noise == 1:
        return Sentence(
            "Every label is random, so there is nothing to learn. Train accuracy rises nevertheless, while test "
            "accuracy stays at chance: the network memorises (Zhang et al., 2017)."
        )
    if recipe.label_noise > 0 and recipe.points is not None:
        template = (
            "{noise:.0%} of the labels are random. Watch the boundary: it first follows the shape, then wraps around "
            "single points whose label is wrong. The remedies below undo that."
        )
        return Sentence(template, {"noise": recipe.label_noise})
    if recipe.label_noise > 0:
        template = (
            "{noise:.0%} of the labels are random. Watch the test curve: the network first learns what the examples "
            "of a class have in common, then memorises the wrong labels."
        )
        return Sentence(template, {"noise": recipe.label_noise})
    if used <= images / FEW_IMAGES:
        template = (
            "A small training loss does not mean a good test result: with {used:,} examples, watch the train curve "
            "become almost perfect while the test curve stays far behind."
        )
        return Sentence(template, {"used": used})
    return Sentence("With many examples the two curves stay together for longer. Watch how small the gap is.")


def describe_remedy(remedy: Remedy) -> Sentence:
    """Say what a remedy changes, briefly, as a button does."""
    if remedy.name == "smaller_network":
        assert isinstance(remedy.value, tuple)
        return Sentence("{sizes} units", {"sizes": ", ".join(map(str, remedy.value))})
    if remedy.name == "more_data" and remedy.recipe.points is not None:
        return Sentence("{n:,} points", {"n": remedy.value})
    if remedy.name == "more_data":
        return Sentence("{n:,} examples", {"n": remedy.value})
    if remedy.name == "dropout":
        return Sentence("{share:.0%} of the units", {"share": remedy.value})
    return Sentence("{decay:g}", {"decay": remedy.value})


def describe_remedies(results: RemedyResults, names: Mapping[str, str]) -> list[Sentence]:
    """Say what remedies did with one seed, without a verdict.

    names: the remedies in the visitor's words, as within a sentence.
    """
    sentences = []
    for group, (one, several) in (
        (results.helped, (N_("{names} helped ({gain:+.1f} pp)."), N_("{names} helped."))),
        (
            results.within,
            (N_("{names} is within noise (±{margin:.1f})."), N_("{names} are within noise (±{margin:.1f}).")),
        ),
        (results.hurt, (N_("{names} hurt ({gain:+.1f} pp)."), N_("{names} hurt."))),
    ):
        if not group:
            continue
        shows_gains = len(group) > 1 and group is not results.within
        parts = [names[name] + (f" ({gain:+.1f} pp)" if shows_gains else "") for name, gain in group.items()]
        parts[0] = parts[0][:1].upper() + parts[0][1:]
        values = {"names": join_names(parts), "gain": next(iter(group.values())), "margin": results.margin}
        sentences.append(Sentence(several if len(group) > 1 else one, values))
    if results.early_stop is not None:
        template = "Early stop: {gain:+.1f} percentage points over the last step of the base."
        sentences.append(Sentence(template, {"gain": results.early_stop}))
    return [*sentences, Sentence("One seed only: repeat with three seeds for a verdict.")]


def join_names(names: Sequence[str]) -> Sentence | str:
    """Join names within a sentence: a, b and c."""
    if len(names) < 2:
        return "".join(names)
    return Sentence("{names} and {last}", {"names": ", ".join(names[:-1]), "last": names[-1]})
