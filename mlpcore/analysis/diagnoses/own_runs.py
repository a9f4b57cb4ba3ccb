"""A run beside others of the same person: at the same step, and at the end if they differ in one hyperparameter."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlpcore.analysis.diagnoses.diagnosis import ON_RATE, Diagnosis, DiagnosisKind, Symptom
from mlpcore.analysis.diagnoses.rules import diagnose
from mlpcore.analysis.differences import DifferenceKind, classify_differences, name_differences
from mlpcore.analysis.statistics import detectable_difference
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus

MAX_TOLD = 2  # other runs
ABOVE_CHANCE = 0.1  # of accuracy: a run that ended so far above guessing has learned
SAME = ("dataset", "train_iter")  # in runs whose accuracies at the end are compared


@dataclass(frozen=True)
class OwnRun:
    """A finished run and the test accuracy (0 to 1) that it ended with."""

    run: Run
    test_acc: float


def find_common_step(run: Run, other: Run) -> tuple[Evaluation, Evaluation] | None:
    """Return the evaluations of two runs at the last step at which both were evaluated; None if there is none."""
    others = {evaluation.step: evaluation for evaluation in other.evaluations}
    for evaluation in reversed(run.evaluations):
        if evaluation.step in others:
            return evaluation, others[evaluation.step]
    return None


def find_rivals(run: Run, others: Sequence[OwnRun]) -> dict[str, OwnRun]:
    """Find the best of the runs that differ from `run` in one hyperparameter, by that hyperparameter, best first.

    Only runs of the same images and the same length are compared; their seeds may differ.
    """
    found: dict[str, OwnRun] = {}
    for other in sorted(others, key=lambda one: one.test_acc, reverse=True):
        if other.run.id == run.id or other.run.status is not RunStatus.FINISHED:
            continue
        if any(getattr(other.run.recipe, name) != getattr(run.recipe, name) for name in SAME):
            continue
        differences = classify_differences([run.recipe, other.run.recipe])
        if differences.kind is DifferenceKind.ONE:
            found.setdefault(differences.changed[0], other)
    return found


def diagnose_among(run: Run, others: Sequence[OwnRun], *, classes: int, test_images: int) -> tuple[Diagnosis, ...]:
    """Diagnose a run as `diagnose` does and, once it is over, beside other runs of the same person.

    Where another run did better, the shown one is not called healthy; advice that another run has followed already
    without doing better is not given.
    """
    found = list(diagnose(run, classes=classes, test_images=test_images))
    if run.status is RunStatus.DIVERGED:
        learned = [
            _compare(run, other, Symptom.OWN_LEARNED, test_images)
            for name, other in find_rivals(run, others).items()
            if name == "lr" and other.test_acc >= 1 / classes + ABOVE_CHANCE
        ]
        return (*learned, *(replace(one, suggestion=None) if learned else one for one in found))
    if run.status is not RunStatus.FINISHED or run.latest is None:
        return tuple(found)
    compared = [_judge(run, other, test_images) for other in find_rivals(run, others).values()][:MAX_TOLD]
    better = [one for one in compared if one.symptom is Symptom.OWN_BETTER]
    tried = [other for other in others if other.test_acc < run.latest.test_acc + detectable_difference(test_images)]
    found = [one for one in found if not (better and one.kind is DiagnosisKind.HEALTHY)]
    found = [one for one in found if not (one.kind in ON_RATE and _is_among(one.suggestion, tried))]
    return (*better, *found, *(one for one in compared if one not in better))


def _judge(run: Run, other: OwnRun, test_images: int) -> Diagnosis:
    """Say which of two finished runs did better, if so many test images can tell."""
    assert run.latest is not None
    gain = other.test_acc - run.latest.test_acc
    if abs(gain) < detectable_difference(test_images):
        return _compare(run, other, Symptom.OWN_EQUAL, test_images)
    return _compare(run, other, Symptom.OWN_BETTER if gain > 0 else Symptom.OWN_WORSE, test_images)


def _compare(run: Run, other: OwnRun, symptom: Symptom, test_images: int) -> Diagnosis:
    theirs, mine = (label.replace("=", " ") for label in name_differences([other.run.recipe, run.recipe]))
    own = run.latest.test_acc if run.latest else 0.0
    numbers: dict[str, float | str] = {"theirs": theirs, "mine": mine, "own": own, "other": other.test_acc}
    numbers |= {"gain": 100 * (other.test_acc - own)}
    numbers |= {"images": test_images, "margin": 100 * detectable_difference(test_images)}
    is_advice = symptom in (Symptom.OWN_BETTER, Symptom.OWN_LEARNED)
    return Diagnosis(DiagnosisKind.OWN_RUN, symptom, numbers, suggestion=other.run.recipe if is_advice else None)


def _is_among(recipe: Recipe | None, others: Sequence[OwnRun]) -> bool:
    return recipe is not None and any(other.run.recipe.replace(seed=recipe.seed) == recipe for other in others)
