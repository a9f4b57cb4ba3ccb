"""What several recipes and their runs say side by side: what differs, who is ahead, and whether that means anything."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlpcore.messages import Sentence
from mlpcore.recipe import OPTIMIZERS, SCHEDULERS, Recipe
from mlpcore.runs import Evaluation, Run

MAX_PARTS = 4  # of a label
SIGNIFICANCE = 0.05  # the p below which two recipes are called distinguishable


def flatten(recipe: Recipe) -> dict[str, Any]:
    """Write all knobs of a recipe side by side; `optimizer` and `scheduler` are their names."""
    knobs = recipe.model_dump()
    optimizer, scheduler = knobs.pop("optimizer"), knobs.pop("scheduler")
    names = {"optimizer": optimizer.pop("name"), "scheduler": scheduler.pop("name")}
    return names | optimizer | scheduler | knobs


def unflatten(knobs: Mapping[str, Any]) -> Recipe:
    """Make a recipe of knobs written side by side; those that its optimizer or scheduler lacks are left out.

    None stands for a knob's default. Raises ValidationError, a ValueError.
    """
    values = {name: value for name, value in knobs.items() if value is not None}
    recipe = {name: value for name, value in values.items() if name in Recipe.model_fields}
    for part, kinds in (("optimizer", OPTIMIZERS), ("scheduler", SCHEDULERS)):
        name = values.get(part, Recipe.model_fields[part].default.name)
        fields = kinds[name].model_fields if name in kinds else {}
        recipe[part] = {knob: value for knob, value in values.items() if knob in fields} | {"name": name}
    return Recipe.model_validate(recipe)


def find_differences(recipes: Sequence[Recipe], *, besides: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Name the knobs in which recipes differ, with each one's value; None where a recipe has no such knob."""
    flat = [flatten(recipe) for recipe in recipes]
    names = dict.fromkeys(name for knobs in flat for name in knobs if name not in besides)
    columns = {name: [knobs.get(name) for knobs in flat] for name in names}
    return {name: values for name, values in columns.items() if any(value != values[0] for value in values)}


def name_differences(recipes: Sequence[Recipe]) -> list[str]:
    """Label each recipe by what sets it apart, `lr=0.1`; where only the kind differs, by that: `Adam`."""
    differences = find_differences(recipes, besides=("changes", "eval_every", "device"))
    # A knob that one optimizer has and another has not says nothing that the optimizer's name does not say.
    telling = {
        name: values
        for name, values in differences.items()
        if name in ("optimizer", "scheduler") or len({repr(value) for value in values if value is not None}) > 1
    }
    labels = []
    for row in range(len(recipes)):
        parts = []
        for name, values in telling.items():
            value = values[row]
            if name in ("optimizer", "scheduler"):
                parts.append(str(value))
            elif value is not None:
                parts.append(f"{name}={_write(value)}")
        shown = parts if len(parts) <= MAX_PARTS else [*parts[:MAX_PARTS], "…"]
        labels.append(" ".join(shown) or recipes[row].optimizer.name)
    return _number_repeats(labels)


def count_changed(recipes: Sequence[Recipe]) -> Sentence:
    """Say whether one thing was changed or several: only one makes a fair comparison."""
    differences = find_differences(recipes, besides=("seed",))
    parts = [name for name in ("optimizer", "scheduler") if name in differences]
    kinds = {name for part in parts for name in _knobs_of_kinds(recipes, part)}
    changed = [*parts, *(name for name in differences if name not in parts and name not in kinds)]
    if not changed:
        return Sentence("Nothing differs but the seed.") if _seeds(recipes) > 1 else Sentence("Nothing differs.")
    if len(changed) == 1:
        return Sentence("One thing differs: {names}.", {"names": changed[0]})
    return Sentence(
        "{count} things differ: {names}. What makes the difference cannot be told apart.",
        {"count": len(changed), "names": ", ".join(changed)},
    )


def find_steps_to(evaluations: Sequence[Evaluation], accuracy: float) -> int | None:
    """The step of the first evaluation that reached a test accuracy, None where none did."""
    return next((evaluation.step for evaluation in evaluations if evaluation.test_acc >= accuracy), None)


def group_by_seed(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Group runs whose recipes differ in nothing but the seed, in the order in which they come."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        key = run.recipe.model_copy(update={"seed": 0}).model_dump_json()
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
        mean = math.fsum(values) / len(values)
        means.append(mean)
        spread = math.fsum((value - mean) ** 2 for value in values)
        deviations.append(math.sqrt(spread / (len(values) - 1)) if len(values) > 1 else 0.0)
    return Band(steps, means, deviations)


def judge(first: Mapping[int, float], second: Mapping[int, float], *, names: tuple[str, str]) -> Sentence:
    """Say whether the second recipe beats the first, by a paired t-test over the seeds that both have.

    first, second: final test accuracy by seed. The interval is one standard deviation of the differences.
    """
    seeds = sorted(first.keys() & second.keys())
    values: dict[str, Any] = {"second": names[1], "first": names[0], "seeds": len(seeds)}
    differences = [100 * (second[seed] - first[seed]) for seed in seeds]
    if not seeds:
        return Sentence("{second} over {first}: no seed is finished in both.", values)
    mean = math.fsum(differences) / len(differences)
    values |= {"mean": mean}
    if len(seeds) == 1:
        return Sentence(
            "{second} over {first}: {mean:+.1f} points with one seed: nothing can be said about noise.", values
        )
    from scipy import stats  # 0.5 s to import: not before there is something to test

    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in differences) / (len(differences) - 1))
    values |= {"deviation": deviation}
    if deviation == 0:
        return Sentence("{second} over {first}: {mean:+.1f} points in each of {seeds} seeds.", values)
    values |= {"p": float(stats.ttest_rel([second[s] for s in seeds], [first[s] for s in seeds]).pvalue)}
    if values["p"] < SIGNIFICANCE:
        template = (
            "{second} over {first}: {mean:+.1f} ± {deviation:.1f} points, {seeds} seeds: a difference (p = {p:.2g})."
        )
    else:
        template = (
            "{second} over {first}: {mean:+.1f} ± {deviation:.1f} points, {seeds} seeds: not distinguishable "
            "(p = {p:.2g})."
        )
    return Sentence(template, values)


def _knobs_of_kinds(recipes: Sequence[Recipe], part: str) -> set[str]:
    """The knobs that come and go with the optimizer's (or scheduler's) kind, and those whose defaults do."""
    kinds = [type(getattr(recipe, part)) for recipe in recipes]
    fields = [set(kind.model_fields) for kind in kinds]
    return set.union(*fields) - set.intersection(*fields)


def _seeds(recipes: Sequence[Recipe]) -> int:
    return len({recipe.seed for recipe in recipes})


def _write(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}".replace("e-0", "e-")
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
