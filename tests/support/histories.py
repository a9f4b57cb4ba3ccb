"""What the tests of diagnoses and remedies share: histories sampled from curves, and their diagnoses."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlpcore.analysis.diagnoses.diagnosis import Diagnosis, DiagnosisKind
from mlpcore.analysis.diagnoses.rules import diagnose
from mlpcore.recipes.recipe import NoScheduler, Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus

KINDS = DiagnosisKind
FLAT = Recipe(train_iter=3000, eval_every=100, scheduler=NoScheduler())
Curve = Callable[[float], float]


def evaluation(step: int, **measured: Any) -> Evaluation:
    return replace(Evaluation(step, 1.0, 1.0, 0.5, 1.0, 0.5, 0.01, 1.0), **measured)


def evaluations(test_accs: list[float], **values: Any) -> tuple[Evaluation, ...]:
    """Evaluations every 20 steps with these test accuracies; a network of three layers."""
    first = Evaluation(20, 2.0, 0.5, 0.9, 1.5, 0.1, 0.01, 1.0, (3.0, 2.0, 1.0))
    return tuple(
        replace(first, step=20 * number, test_acc=accuracy, **values) for number, accuracy in enumerate(test_accs, 1)
    )


def run(evaluations: Sequence[Evaluation] = (), recipe: Recipe = FLAT, **known: Any) -> Run:
    """A finished run of these evaluations, unless something else is known."""
    finished = Run("1", "one", recipe, RunStatus.FINISHED, 0.0, step=recipe.train_iter, evaluations=tuple(evaluations))
    return replace(finished, **known)


def history(
    train: Curve,
    test: Curve | None = None,
    *,
    points: int = 30,
    train_iter: int = 3000,
    noise: float = 0.0,
    rate: Curve = lambda _step: 0.01,
) -> list[Evaluation]:
    """Sample curves of the eval-mode losses at equal distances; the noise is a share of each value."""
    rng = np.random.default_rng(0)
    evaluations = []
    for index in range(1, points + 1):
        step = index * train_iter // points
        losses = [curve(step) * (1 + noise * rng.standard_normal()) for curve in (train, test or train)]
        measured = {
            "train_loss": losses[0] + 0.3,
            "train_eval_loss": losses[0],
            "test_loss": losses[1],
            "lr": rate(step),
        }
        evaluations.append(evaluation(step, **measured))
    return evaluations


def told(one: Run, *, classes: int = 10) -> list[tuple[DiagnosisKind, int | None]]:
    return [(diagnosis.kind, diagnosis.step) for diagnosis in diagnose(one, classes=classes, test_images=10_000)]


def only(one: Run) -> Diagnosis:
    (diagnosis,) = diagnose(one, test_images=10_000)
    return diagnosis


def healthy(step: float) -> float:
    return 0.6 + 1.7 * math.exp(-step / 700)


def flat_from(start: float, level: float = 0.8) -> Curve:
    return lambda step: level + max(0.0, (start - step) / start) * (2.3 - level)
