"""What several recipes and their runs say side by side: what differs, who is ahead, and whether that means anything."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mlpcore.messages import Sentence
from mlpcore.recipes.flat import flatten
from mlpcore.recipes.recipe import PARTS, Recipe
from mlpcore.runs.records import Evaluation, Run

MAX_PARTS = 5  # of a label
ALWAYS_NAMED = ("lr", "weight_decay")  # where they differ, be it only by the defaults of two optimizers
ROUNDING = 1e-9  # points; accuracies that differ by less are the same
SIGNIFICANCE = 0.05  # the p below which two recipes are called distinguishable


def find_differences(recipes: Sequence[Recipe], *, besides: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Name the knobs in which recipes differ, with each one's value; None where a recipe has no such knob."""
    flat = [flatten(recipe) for recipe in recipes]
    names = dict.fromkeys(name for knobs in flat for name in knobs if name not in besides)
    columns = {name: [knobs.get(name) for knobs in flat] for name in names}
    return {name: values for name, values in columns.items() if any(value != values[0] for value in values)}


def name_differences(recipes: Sequence[Recipe]) -> list[str]:
    """Label each recipe by what sets it apart, and only by that: `lr=0.1`, or `SGD lr=0.01 momentum=0.9`."""
    differences = find_differences(recipes)
    kinds = [part for part in PARTS if part in differences]
    knobs = [name for name in differences if name not in PARTS and _is_telling(recipes, name, differences[name])]
    labels = []
    for row, recipe in enumerate(recipes):
        parts = [getattr(recipe, part).name.replace("none", f"{part}=none") for part in kinds]
        written = [(name, differences[name][row]) for name in knobs if differences[name][row] is not None]
        parts += [f"{name}={_write(value)}" for name, value in written if not _goes_without_saying(name, value, kinds)]
        if not parts:
            parts = [f"{name}={_write(value)}" for name, value in written] or [recipe.optimizer.name]
        labels.append(" ".join(parts if len(parts) <= MAX_PARTS else [*parts[:MAX_PARTS], "…"]))
    return _number_repeats(labels)


def count_changed(recipes: Sequence[Recipe]) -> Sentence:
    """Say whether one thing was changed or several: two recipes that differ in one thing are a fair pair."""
    changed, following = _find_changed(recipes)
    if not changed:
        return Sentence("Nothing differs but the seed.") if _seeds(recipes) > 1 else Sentence("Nothing differs.")
    values = {"count": len(changed), "names": ", ".join(changed), "following": ", ".join(following)}
    if len(changed) == 1:
        if following:
            return Sentence("One thing differs: {names}, and with it the default of {following}.", values)
        return Sentence("One thing differs: {names}.", values)
    steps = [_find_changed(pair) for pair in pairwise(recipes)]
    if all(len(step) == 1 for step, _followers in steps):
        values["names"] = ", ".join(dict.fromkeys(step[0] for step, _followers in steps))
        values["following"] = ", ".join(dict.fromkeys(name for _step, followers in steps for name in followers))
        values["kinds"] = ", ".join(dict.fromkeys(step[0] for step, followers in steps if followers))
        if values["following"]:
            template = (
                "Each row differs from the one before in one thing: {names}; "
                "the default of {following} changes with {kinds}."
            )
            return Sentence(template, values)
        return Sentence("Each row differs from the one before in one thing: {names}.", values)
    return Sentence(
        "{count} things differ: {names}. Only two rows that differ in one of them make a fair pair.", values
    )


def find_steps_to(evaluations: Sequence[Evaluation], accuracy: float) -> int | None:
    """The step of the first evaluation that reached a test accuracy, None where none did."""
    return next((evaluation.step for evaluation in evaluations if evaluation.test_acc >= accuracy), None)


def size_of_weights(evaluation: Evaluation) -> float | None:
    """The Euclidean norm of all weight matrices together, None where it was not measured."""
    return math.hypot(*evaluation.weight_norms) if evaluation.weight_norms else None


def group_by_seed(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Job runs whose recipes differ in nothing but the seed, in the order in which they come.

    A second run of one recipe and seed is no second sample: it starts a group of its own.
    """
    groups: dict[str, list[Run]] = {}
    seen: Counter[str] = Counter()
    for run in runs:
        recipe = run.recipe.model_dump_json()
        key = f"{seen[recipe]} {run.recipe.model_copy(update={'seed': 0}).model_dump_json()}"
        seen[recipe] += 1
        groups.setdefault(key, []).append(run)
    return groups


@dataclass(frozen=True)
class Band:
    """Mean and standard deviation of a measure over runs that differ in their seed, step by step."""

    steps: list[int]
    means: list[float]
    deviations: list[float]  # of the sample; 0 with a single run


def average(runs: Sequence[Run], measure: str) -> Band:
    """Average a measure over runs, at the steps that all of them have."""
    by_run = [{evaluation.step: getattr(evaluation, measure) for evaluation in run.evaluations} for run in runs]
    steps = sorted(set.intersection(*(set(values) for values in by_run))) if by_run else []
    means, deviations = [], []
    for step in steps:
        values = [measured[step] for measured in by_run]
        mean = math.fsum(value / len(values) for value in values)  # of losses up to 1e308
        means.append(mean)
        spread = math.hypot(*(value - mean for value in values))
        deviations.append(spread / math.sqrt(max(len(values) - 1, 1)))
    return Band(steps, means, deviations)


@dataclass(frozen=True)
class PairedDifference:
    """Differences of pairs that share a seed: their mean, one standard deviation, and the p of a paired t-test."""

    mean: float
    deviation: float
    p: float


def compare_pairs(differences: Sequence[float]) -> PairedDifference:
    """Measure differences, in whatever unit, one a seed. Takes two at least."""
    mean = math.fsum(differences) / len(differences)
    deviation = math.hypot(*(value - mean for value in differences)) / math.sqrt(len(differences) - 1)
    if deviation < ROUNDING:
        return PairedDifference(mean, deviation, 0.0 if abs(mean) > ROUNDING else 1.0)
    from scipy import stats  # 0.5 s to import: not before there is something to test

    return PairedDifference(mean, deviation, float(stats.ttest_1samp(differences, 0.0).pvalue))


def judge(first: Mapping[int, float], second: Mapping[int, float], *, names: tuple[str, str]) -> Sentence:
    """Say whether the second recipe beats the first, by a paired t-test over the seeds that both have.

    first, second: test accuracy by seed. What follows ± is one standard deviation of the differences. One seed gets its
    difference and no judgement.
    """
    seeds = sorted(first.keys() & second.keys())
    values: dict[str, Any] = {"second": names[1], "first": names[0], "seeds": len(seeds)}
    differences = [100 * (second[seed] - first[seed]) for seed in seeds]
    if not seeds:
        return Sentence("{second} over {first}: no seed is finished in both.", values)
    if len(seeds) == 1:
        return Sentence("{second} over {first}: {mean:+.1f} points, one seed.", values | {"mean": differences[0]})
    lead = compare_pairs(differences)
    values |= {"mean": lead.mean, "deviation": lead.deviation, "p": lead.p}
    if lead.deviation < ROUNDING:
        return Sentence("{second} over {first}: {mean:+.1f} points in each of {seeds} seeds.", values)
    if lead.p < SIGNIFICANCE:
        template = (
            "{second} over {first}: {mean:+.1f} ± {deviation:.1f} points, {seeds} seeds: a difference (p = {p:.2g})."
        )
    else:
        template = (
            "{second} over {first}: {mean:+.1f} ± {deviation:.1f} points, {seeds} seeds: not distinguishable "
            "(p = {p:.2g})."
        )
    return Sentence(template, values)


def _find_changed(recipes: Sequence[Recipe]) -> tuple[list[str], list[str]]:
    """Name what was changed, and the knobs that follow an optimizer's or a scheduler's kind by their defaults."""
    differences = find_differences(recipes, besides=("seed",))
    changed = [part for part in PARTS if part in differences]
    following = []
    for name, values in differences.items():
        if name in PARTS or len(_distinct(values)) < 2:
            continue
        (following if _follows_kind(recipes, name) else changed).append(name)
    return changed, following


def _is_telling(recipes: Sequence[Recipe], name: str, values: Sequence[Any]) -> bool:
    """Whether a knob says more than the kinds of the optimizers and schedulers do."""
    return len(_distinct(values)) > 1 and (name in ALWAYS_NAMED or not _follows_kind(recipes, name))


def _follows_kind(recipes: Sequence[Recipe], name: str) -> bool:
    """Whether a knob differs only because each optimizer (or scheduler) that has it has its own default."""
    for part in PARTS:
        knobs = [getattr(recipe, part) for recipe in recipes]
        having = [one for one in knobs if name in type(one).model_fields]
        if having:
            defaults = [getattr(one, name) == type(one).model_fields[name].default for one in having]
            return len({type(one) for one in knobs}) > 1 and all(defaults)
    return False


def _distinct(values: Sequence[Any]) -> set[str]:
    return {repr(value) for value in values if value is not None}


def _goes_without_saying(name: str, value: Any, kinds: Sequence[str]) -> bool:
    return value is False or (name == "momentum" and value == 0 and "optimizer" in kinds)


def _seeds(recipes: Sequence[Recipe]) -> int:
    return len({recipe.seed for recipe in recipes})


def _write(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}".replace("e-0", "e-")
    if isinstance(value, Mapping):  # a change
        return f"{value['step']}:" + "/".join(_write(knob) for name, knob in value.items() if knob and name != "step")
    if isinstance(value, tuple | list):
        return ",".join(_write(item) for item in value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _number_repeats(labels: list[str]) -> list[str]:
    """Tell equal labels apart by a number."""
    seen: dict[str, int] = {}
    numbered = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        numbered.append(label if labels.count(label) == 1 else f"{label} ({seen[label]})")
    return numbered
