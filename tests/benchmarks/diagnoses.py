"""How often a diagnosis is right: `python -m tests.benchmarks.diagnoses DATASET [--recipes N] [--cache FILE]`.

Trains random recipes, diagnoses each, and trains what the diagnosis suggests. A suggestion is right if it ends with a
validation accuracy that is more than two standard errors higher. "Healthy" is right if neither three times nor a third
of the learning rate does so. Overfitting has no button: ten times the images and dropout 0.5, which its sentence names,
stand for it; it is right if one of them gains. Recipes that agree in their images and layers train in lockstep. Runs
are short (400 iterations), so the figures are those of short runs.
"""

import argparse
import json
import os
import platform
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import Literal

import torch

from mlpcore.analysis.diagnoses.diagnosis import Diagnosis, DiagnosisKind
from mlpcore.analysis.diagnoses.rules import diagnose
from mlpcore.analysis.diagnoses.suggestions import with_rate
from mlpcore.analysis.statistics import standard_error
from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.catalog import data_home
from mlpcore.data.datasets import load_data
from mlpcore.recipes.recipe import (
    SGD,
    Adam,
    AnyOptimizer,
    AnyScheduler,
    CosineAnnealingLR,
    MultiStepLR,
    NoScheduler,
    Recipe,
    RMSprop,
    StepLR,
)
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.training.lockstep import cohort_key, train_cohort

TRAIN_ITER, EVAL_EVERY = 400, 25
VALIDATION, TEST = 2_500, 2_000  # images
COHORT = 16  # runs at most that train together
MARGIN = 2 * standard_error(VALIDATION)
KINDS = (*DiagnosisKind,)
Activation = Literal["sigmoid", "tanh", "relu"]
Combination = tuple[tuple[int, ...], Activation, int | None]  # hidden sizes, activation, images to train on


def main() -> None:
    """Print a table with one row per kind of diagnosis."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.diagnoses", description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("--recipes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="a JSON file that keeps the histories of earlier calls")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    train, test = load_data(asked.dataset, data_home())
    test = replace(test, data=test.data[::5][:TEST], targets=test.targets[::5][:TEST])  # of every class
    trainer = Trainer(place_images(train, test, torch.device("cpu")), asked.cache)
    recipes = draw_recipes(asked.dataset, asked.recipes, random.Random(asked.seed))
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, one thread, torch {version('torch')}")
    print(f"{asked.dataset}: {len(recipes)} recipes, {VALIDATION:,} validation images, margin {100 * MARGIN:.1f} pp")
    print_table(judge(recipes, trainer), trainer)


def draw_recipes(dataset: str, count: int, rng: random.Random) -> list[Recipe]:
    """Draw random recipes, an equal share for each combination of images and layers."""
    layers: list[tuple[tuple[int, ...], Activation]] = [
        ((128, 64), "relu"),
        ((128, 64), "tanh"),
        ((128, 64), "sigmoid"),
        ((64,), "relu"),
    ]
    combinations = [(*one, size) for one in layers for size in (1_000, None)]
    return [draw_recipe(dataset, combinations[place * len(combinations) // count], rng) for place in range(count)]


def draw_recipe(dataset: str, combination: Combination, rng: random.Random) -> Recipe:
    """Draw the optimizer, its learning rate over four decades, the schedule and the regularisation of a recipe."""
    hidden_sizes, activation, train_size = combination
    lr = float(f"{10 ** rng.uniform(-4, 0):.2g}")
    optimizers: list[AnyOptimizer] = [
        SGD(lr=lr, momentum=0.0, weight_decay=0.0, nesterov=False),
        SGD(lr=lr),
        Adam(lr=max(lr / 10, 1e-5)),
        RMSprop(lr=max(lr / 10, 1e-5)),
    ]
    schedulers: list[AnyScheduler] = [
        NoScheduler(),
        NoScheduler(),
        StepLR(step_size=TRAIN_ITER // 3, gamma=0.5),
        MultiStepLR(milestones=(TRAIN_ITER // 2,), gamma=0.1),
        CosineAnnealingLR(T_max=TRAIN_ITER),
    ]
    return Recipe(
        dataset=dataset,
        hidden_sizes=hidden_sizes,
        activation=activation,
        train_size=train_size,
        validation_size=VALIDATION,
        optimizer=rng.choice(optimizers),
        scheduler=rng.choice(schedulers),
        dropout=rng.choice([0.0, 0.0, 0.2, 0.5]),
        label_noise=rng.choice([0.0, 0.0, 0.0, 0.2]),
        train_iter=TRAIN_ITER,
        eval_every=EVAL_EVERY,
        device="cpu",
    )


class Trainer:
    """Trains recipes in lockstep, each once."""

    def __init__(self, images: DeviceImages, cache: Path | None) -> None:
        self.images, self.cache = images, cache
        self.seconds = 0.0
        self.histories: dict[str, tuple[Evaluation, ...]] = {}
        if cache is not None and cache.exists():
            kept = json.loads(cache.read_text(encoding="utf-8"))
            self.histories = {recipe: tuple(Evaluation(**one) for one in many) for recipe, many in kept.items()}

    def train(self, recipes: Iterable[Recipe]) -> None:
        """Train those of the recipes that are new."""
        missing = {one.model_dump_json(): one for one in recipes if one.model_dump_json() not in self.histories}
        ordered = sorted(missing.values(), key=lambda recipe: repr(cohort_key(recipe)))
        for _key, group in groupby(ordered, cohort_key):
            same = list(group)
            for start in range(0, len(same), COHORT):
                self._train_cohort(same[start : start + COHORT])

    def _train_cohort(self, recipes: Sequence[Recipe]) -> None:
        began = perf_counter()
        measured: list[list[Evaluation]] = [[] for _recipe in recipes]
        for progress in train_cohort(recipes, self.images, device=torch.device("cpu")):
            for position, evaluation in progress.evaluations.items():
                measured[position].append(evaluation)
        self.seconds += perf_counter() - began
        for recipe, history in zip(recipes, measured, strict=True):
            self.histories[recipe.model_dump_json()] = tuple(history)
        if self.cache is not None:
            kept = {recipe: [asdict(one) for one in history] for recipe, history in self.histories.items()}
            self.cache.write_text(json.dumps(kept), encoding="utf-8")

    def run_of(self, recipe: Recipe) -> Run:
        """A run of a recipe that was trained; it diverged if it was not evaluated at its end."""
        history = self.histories[recipe.model_dump_json()]
        finished = bool(history) and history[-1].step == TRAIN_ITER
        status = RunStatus.FINISHED if finished else RunStatus.DIVERGED
        step = TRAIN_ITER if finished else (history[-1].step if history else 0) + 1
        return Run("", "", recipe, status, 0.0, step=step, evaluations=history)

    def accuracy_of(self, recipe: Recipe) -> float:
        """The validation accuracy that a recipe ends with; that of guessing if it diverged."""
        run = self.run_of(recipe)
        if run.status is RunStatus.DIVERGED or run.latest is None or run.latest.val_acc is None:
            return 1 / len(self.images.train.classes)
        return run.latest.val_acc


def find_trials(recipe: Recipe, diagnosis: Diagnosis) -> list[Recipe]:
    """List what is trained to check a diagnosis: the suggestion, or what must not be better than a healthy run."""
    if diagnosis.kind is DiagnosisKind.HEALTHY:
        trials = [with_rate(recipe, factor) for factor in (3.0, 1 / 3)]
    elif diagnosis.kind is DiagnosisKind.OVERFITTING:
        trials = [recipe.model_copy(update={"dropout": 0.5})] if recipe.dropout < 0.5 else []
        if recipe.train_size is not None:
            trials.append(recipe.model_copy(update={"train_size": 10 * recipe.train_size}))
    else:
        trials = [diagnosis.suggestion]
    return [trial for trial in trials if trial is not None]


Judged = tuple[Recipe, Diagnosis, list[float]]  # with the gain of each trial


def judge(recipes: Sequence[Recipe], trainer: Trainer) -> list[Judged]:
    """Train recipes and what is to be tried, and measure what each trial gains."""
    trainer.train(recipes)
    classes = len(trainer.images.train.classes)
    diagnosed = [
        (recipe, diagnosis, find_trials(recipe, diagnosis))
        for recipe in recipes
        for diagnosis in diagnose(trainer.run_of(recipe), classes=classes, test_images=TEST)
        if diagnosis.kind is not DiagnosisKind.DROP
    ]
    trainer.train(trial for _recipe, _diagnosis, trials in diagnosed for trial in trials)
    return [
        (recipe, diagnosis, [trainer.accuracy_of(trial) - trainer.accuracy_of(recipe) for trial in trials])
        for recipe, diagnosis, trials in diagnosed
    ]


def is_right(diagnosis: Diagnosis, gains: Sequence[float]) -> bool:
    """Whether a suggestion gained more than the margin; for a healthy run, whether nothing did."""
    gained = any(gain > MARGIN for gain in gains)
    return not gained if diagnosis.kind is DiagnosisKind.HEALTHY else gained


def print_table(judged: Sequence[Judged], trainer: Trainer) -> None:
    """Print for each symptom how often it was diagnosed, checked and right, and the median gain."""
    tried = [one for one in judged if one[2]]
    counts, checked = Counter(one[1].symptom for one in judged), Counter(one[1].symptom for one in tried)
    right = Counter(one[1].symptom for one in tried if is_right(*one[1:]))
    print("| diagnosis | symptom | made | checked | right | share | median gain |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    kinds = {one[1].symptom: one[1].kind for one in judged}
    for symptom in sorted(counts, key=lambda symptom: (KINDS.index(kinds[symptom]), symptom)):
        best = sorted(max(gains) for _recipe, diagnosis, gains in tried if diagnosis.symptom is symptom)
        share = f"{right[symptom] / checked[symptom]:.0%}" if best else ""
        median = f"{100 * best[len(best) // 2]:+.1f} pp" if best else ""
        row = (kinds[symptom], symptom, counts[symptom], checked[symptom], right[symptom], share, median)
        print("| " + " | ".join(map(str, row)) + " |")
    whole = sum(right.values())
    print(f"| all | | {len(judged)} | {len(tried)} | {whole} | {whole / max(len(tried), 1):.0%} | |")
    seconds = f"{trainer.seconds:.0f} s of training in this call"
    print(f"{len(trainer.histories)} runs, {seconds}, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
