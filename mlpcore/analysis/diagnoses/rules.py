"""Rules that diagnose a run: what they find in its history, with their numbers and the recipe to try next."""

import math
from dataclasses import replace

from mlpcore.analysis.diagnoses import trends
from mlpcore.analysis.diagnoses.diagnosis import ON_RATE, Diagnosis, DiagnosisKind, Symptom
from mlpcore.analysis.diagnoses.suggestions import (
    find_planned_drops,
    with_far_higher_rate,
    with_milestone,
    with_random_start,
    with_rate,
    with_relu,
    with_slow_fall,
    with_tested_rate,
    without_changes,
)
from mlpcore.analysis.diagnoses.trends import LateFall, Losses, measure_gap
from mlpcore.analysis.statistics import detectable_difference
from mlpcore.data.catalog import BUILT_IN_CLASSES
from mlpcore.runs.records import FLAT_SLOPE, MOSTLY, Run, RunStatus

ENOUGH = 5  # evaluations; fewer show no trend
UNCHANGED = 0.98  # of the loss of guessing; above it next to nothing was learned
LITTLE = 0.9  # of the loss of guessing; above it hardly anything was learned
RANDOM_LABELS = 0.8  # share of label noise, from which on the lowest possible loss is close to that of guessing
STUCK_FROM = 0.25  # of the run; before, a network of sigmoids may not have left its start
STEEP = 0.15  # of the whole fall, in the last quarter: a straight line has 0.25
SOLVED = 0.995  # of the test images right: there is nothing to gain
SETTLED = 0.08  # of the whole fall, at most, in the last quarter of a run that has little to gain from more steps
UNMOVED = 1.2  # times the initial norm of the weights: a network that learns nothing below it has too low a rate
SMALL_STEPS = 1.05  # times the initial norm at the end: below it, three times the rate helped 33 of 44 short runs
DECAYED = 0.98  # times the initial norm: below it weight decay hides how far the weights have moved
NEAR_ZERO = 0.1  # of the loss of guessing: a lower train loss jumps without harm
LOWERED = 0.5  # of the highest rate: below it the schedule has lowered the rate already
MAX_DROPS = 5  # diagnosed; each gains less than the one before
MAX_CHANGES = 3  # diagnosed, the newest
HARM = 0.02  # of accuracy, at least, that a harmful change lost
LARGE_GAP = 10.0  # percentage points of train over test accuracy; beyond it a larger network does not help

# what they are called where each weight has a step size of its own, which adapts itself
STEPS = dict.fromkeys((Symptom.STUCK, Symptom.LOST, Symptom.UNMOVED), Symptom.STEPS_STUCK)
STEPS[Symptom.JUMPS] = Symptom.STEPS_JUMP


def diagnose(run: Run, *, classes: int = BUILT_IN_CLASSES, test_images: int) -> tuple[Diagnosis, ...]:
    """Diagnose a run from its history so far.

    Args:
        run: At any state; the rules about its end apply only once all iterations are done.
        classes: Number of classes of its images: guessing among them has a loss of ln(classes).
        test_images: Number of images that test accuracy is measured on.

    Returns:
        One diagnosis at least: the problems found, else that there is none, and one for each drop of the rate.
    """
    if run.status is RunStatus.DIVERGED:
        suggestion = with_tested_rate(run.recipe)
        return (Diagnosis(DiagnosisKind.DIVERGED, Symptom.NOT_FINITE, {"step": run.step}, run.step, suggestion),)
    if len(run.evaluations) < ENOUGH:
        symptom = Symptom.FEW_EVALUATIONS if run.status.is_over else Symptom.FEW_SO_FAR
        return (Diagnosis(DiagnosisKind.TOO_FEW, symptom, {"count": len(run.evaluations), "enough": ENOUGH}),)
    losses, guessing = Losses(run.evaluations), math.log(max(classes, 2))
    late = trends.measure_late_fall(losses, start=guessing)
    overfitting = _find_overfitting(run, losses, test_images)
    growth = trends.measure_weight_growth(run.evaluations[-1], recipe=run.recipe, classes=classes)
    rate = _find_stuck_units(run)  # which say why a loss is stuck or jumps
    rate = rate or _find_stuck(run, losses, guessing, growth) or _find_jumps(run, losses, guessing)
    rate = rate or (None if overfitting else _find_slow(run, losses, late, guessing, growth))
    if rate and run.recipe.init == "zeros" and (rate.kind is DiagnosisKind.DEAD or late.last > LITTLE * guessing):
        numbers = {"loss": late.last, "chance": guessing, "little": LITTLE}
        rate = Diagnosis(DiagnosisKind.ALIKE, Symptom.ZERO_START, numbers, suggestion=with_random_start(run.recipe))
    if rate and run.recipe.optimizer.reads_lr_once and rate.kind in ON_RATE:
        rate = replace(rate, symptom=STEPS[rate.symptom], suggestion=None) if rate.symptom in STEPS else None
    early = trends.find_early_end(losses) if rate and rate.kind is DiagnosisKind.TOO_LOW else None
    if early and (slower := with_slow_fall(run.recipe)):
        numbers = {"step": early, "share": trends.NEGLIGIBLE, "late": trends.FAR_FROM_END}
        rate = Diagnosis(DiagnosisKind.TOO_LOW, Symptom.ENDED_EARLY, numbers, early, slower)
    plateau = None if rate else _find_plateau(run, losses)
    found = [diagnosis for diagnosis in (rate, overfitting, plateau) if diagnosis]
    changes = _find_changes(run, test_images)
    harmful = [one for one in changes if one.suggestion is not None]
    if harmful:  # what it did is no sign of a rate that was too high from the beginning
        found = [diagnosis for diagnosis in found if diagnosis.kind is not DiagnosisKind.TOO_HIGH]
    found = harmful + (found or ([] if harmful else [_find_no_problem(run, losses, late)]))
    return (*found, *(one for one in changes if one.suggestion is None), *_find_drops(run, losses))


def _find_stuck(run: Run, losses: Losses, guessing: float, growth: float | None) -> Diagnosis | None:
    """Find a loss that is near that of guessing and does not even fall slowly.

    A network that had learned before and lost it again had too high a rate, wherever its weights ended.
    """
    last = float(losses.train[-1])
    is_early = losses.steps[-1] < STUCK_FROM * run.recipe.train_iter
    has_random_labels = run.recipe.label_noise > RANDOM_LABELS
    if is_early or last < LITTLE * guessing or has_random_labels or trends.falls_steadily(losses):
        return None
    numbers = {"loss": last, "chance": guessing, "little": LITTLE, "begin": STUCK_FROM, "steady": trends.STEADY}
    if (least := float(losses.train.min())) < LITTLE * guessing:
        numbers |= {"least": least}
        return Diagnosis(DiagnosisKind.TOO_HIGH, Symptom.LOST, numbers, suggestion=with_rate(run.recipe, 0.1))
    if run.recipe.activation == "sigmoid":
        return Diagnosis(DiagnosisKind.VANISHING, Symptom.STUCK_SIGMOID, numbers, suggestion=with_relu(run.recipe))
    if growth is not None and growth < UNMOVED:
        numbers |= {"growth": growth, "most": UNMOVED}
        return Diagnosis(DiagnosisKind.TOO_LOW, Symptom.UNMOVED, numbers, suggestion=with_far_higher_rate(run.recipe))
    return Diagnosis(DiagnosisKind.TOO_HIGH, Symptom.STUCK, numbers, suggestion=with_rate(run.recipe, 0.1))


def _find_stuck_units(run: Run) -> Diagnosis | None:
    """Find a layer most of whose units hardly pass any gradient."""
    units = trends.find_stuck_units(run.evaluations)
    if units is None:
        return None
    numbers = {"layer": units.layer, "share": units.share, "step": units.since, "half": trends.HALF_STUCK}
    suggestion = with_rate(run.recipe, 0.1)
    if run.recipe.activation == "relu":
        return Diagnosis(DiagnosisKind.DEAD, Symptom.DEAD_UNITS, numbers, units.since, suggestion)
    numbers |= {"flat": FLAT_SLOPE, "mostly": MOSTLY}
    return Diagnosis(DiagnosisKind.SATURATED, Symptom.SATURATED_UNITS, numbers, units.since, suggestion)


def _find_jumps(run: Run, losses: Losses, guessing: float) -> Diagnosis | None:
    jumps = trends.find_jumps(losses)
    if jumps is None or losses.train[-1] < NEAR_ZERO * guessing:
        return None
    numbers = {"size": jumps.size, "rises": jumps.rises, "least": trends.JUMPS, "share": trends.OFTEN}
    return Diagnosis(DiagnosisKind.TOO_HIGH, Symptom.JUMPS, numbers, suggestion=with_rate(run.recipe, 0.1))


def _find_slow(run: Run, losses: Losses, late: LateFall, guessing: float, growth: float | None) -> Diagnosis | None:
    """Find a run that ends too early: its loss has hardly begun to fall or still falls, or its weights hardly moved."""
    if run.step < run.recipe.train_iter or run.recipe.label_noise > RANDOM_LABELS:
        return None
    end, is_unlearned = int(losses.steps[-1]), late.last > LITTLE * guessing
    if not is_unlearned and growth is not None and DECAYED <= growth < SMALL_STEPS:
        numbers = {"growth": growth, "least": DECAYED, "most": SMALL_STEPS}
        return Diagnosis(DiagnosisKind.TOO_LOW, Symptom.SMALL_STEPS, numbers, end, with_rate(run.recipe, 3.0))
    if not trends.falls_steadily(losses):
        return None
    numbers = {"before": late.before, "last": late.last, "loss": late.last, "share": late.share, "chance": guessing}
    numbers |= {"steep": STEEP, "little": LITTLE, "steady": trends.STEADY}
    if is_unlearned and run.recipe.activation == "sigmoid":  # relu helped 18 of 26 runs, a higher rate 4
        return Diagnosis(DiagnosisKind.VANISHING, Symptom.SLOW_SIGMOID, numbers, end, with_relu(run.recipe))
    if is_unlearned:
        higher = with_far_higher_rate(run.recipe) if late.last > UNCHANGED * guessing else with_rate(run.recipe, 10.0)
        return Diagnosis(DiagnosisKind.TOO_LOW, Symptom.BARELY_LEARNING, numbers, end, higher)
    if late.share < STEEP or not late.has_same_rate or not late.test_falls:
        return None
    return Diagnosis(DiagnosisKind.TOO_LOW, Symptom.STILL_FALLING, numbers, end, with_rate(run.recipe, 3.0))


def _find_overfitting(run: Run, losses: Losses, test_images: int) -> Diagnosis | None:
    """Find a test loss that rises while the train loss falls."""
    turn = trends.find_turn(losses)
    if turn is None:
        return None
    gap, step = measure_gap(run.evaluations), int(losses.steps[turn])
    numbers = {"step": step, "risen": trends.RISEN, "fell": trends.FELL}
    numbers |= {"low": float(losses.test[turn]), "high": float(losses.test[-1])}
    numbers |= {"train": float(losses.train[turn]), "train_end": float(losses.train[-1])}
    numbers |= {"gain": gap.early_stop_gain, "best": gap.best_step, "images": test_images}
    has_lost = gap.early_stop_gain >= 100 * detectable_difference(test_images)
    symptom = Symptom.TEST_ACC_FELL if has_lost else Symptom.TEST_LOSS_ROSE
    return Diagnosis(DiagnosisKind.OVERFITTING, symptom, numbers, step)


def _find_plateau(run: Run, losses: Losses) -> Diagnosis | None:
    """Find where the loss stopped falling: the lecture lowers the rate there."""
    begin = trends.find_plateau(losses)
    is_lowered = losses.rates[-1] < LOWERED * losses.rates.max()  # lowering it further gained nothing in short runs
    if begin is None or (is_lowered and run.recipe.scheduler.name == "ReduceLROnPlateau"):  # which does it by itself
        return None
    step = int(losses.steps[begin])
    numbers = {"step": step, "loss": float(losses.train[begin:].mean()), "lr": float(losses.rates[-1])}
    numbers |= {"flat": trends.FLAT, "long": trends.LONG}
    suggestion = None if is_lowered else with_milestone(run.recipe, step)
    return Diagnosis(DiagnosisKind.PLATEAU, Symptom.FLAT_LOSS, numbers, step, suggestion)


def _find_drops(run: Run, losses: Losses) -> list[Diagnosis]:
    """Report what each of the first drops of the rate gained."""
    if run.recipe.optimizer.reads_lr_once:
        return []
    found = []
    for drop in trends.find_rate_drops(losses)[:MAX_DROPS]:
        if any(drop.step <= change.step < drop.until for change in run.recipe.changes):  # reported as a change
            continue
        planned = find_planned_drops(run.recipe, drop.step, drop.until)
        step = planned[0] if len(planned) == 1 else drop.step
        numbers = {"step": step, "until": drop.until, "lr": drop.rate, "around": drop.around}
        numbers |= {"before": drop.loss_before, "after": drop.loss_after}
        numbers |= {"gain": 100 * (drop.accuracy_after - drop.accuracy_before)}
        symptom = Symptom.DROP_AT if len(planned) == 1 else Symptom.DROP_BETWEEN
        found.append(Diagnosis(DiagnosisKind.DROP, symptom, numbers, step))
    return found


def _find_changes(run: Run, test_images: int) -> list[Diagnosis]:
    """Report what the newest changes did; one that lost accuracy is suggested to be left out."""
    found, harm = [], max(HARM, detectable_difference(test_images))
    for effect in trends.find_change_effects(run.recipe, run.evaluations)[:MAX_CHANGES]:
        gain = effect.accuracy_after - effect.accuracy_before
        numbers: dict[str, float | str] = {"setting": effect.setting, "step": effect.steps[-1], "around": trends.AROUND}
        numbers |= {"gain": 100 * gain, "before": effect.loss_before, "after": effect.loss_after}
        suggestion = without_changes(run.recipe, effect.steps) if gain <= -harm else None
        found.append(Diagnosis(DiagnosisKind.CHANGE, Symptom.CHANGED, numbers, effect.steps[-1], suggestion))
    return found


def _find_no_problem(run: Run, losses: Losses, late: LateFall) -> Diagnosis:
    """Report that no rule applies, and which symptom says what to try next."""
    if run.step < run.recipe.train_iter:
        symptom = Symptom.NO_PROBLEM_YET if losses.train[-1] < losses.train[-ENOUGH] else Symptom.NOT_FALLING
        return Diagnosis(DiagnosisKind.SO_FAR, symptom, {"count": ENOUGH})
    gap = measure_gap(run.evaluations)
    numbers = {"accuracy": gap.test_acc, "gap": abs(gap.train_over_test), "share": late.share}
    if gap.test_acc >= SOLVED:
        symptom = Symptom.SOLVED
    elif gap.train_over_test > LARGE_GAP:
        symptom = Symptom.WIDE_GAP
    else:
        symptom = Symptom.UNSETTLED if late.share > SETTLED else Symptom.CONVERGED
    return Diagnosis(DiagnosisKind.HEALTHY, symptom, numbers)
