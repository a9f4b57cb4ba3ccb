"""What a run's history says: readings, each with its rule and its numbers."""

import math
from dataclasses import dataclass
from enum import StrEnum

from mlpcore.analysis import trends
from mlpcore.analysis.statistics import telling_difference
from mlpcore.analysis.suggestions import find_planned_drops, with_milestone, with_rate
from mlpcore.analysis.trends import LateFall, Losses, measure_gap
from mlpcore.data.catalog import BUILT_IN_CLASSES, TEST_IMAGES
from mlpcore.messages import Sentence
from mlpcore.numbers import short_number
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run, RunStatus

ENOUGH = 5  # evaluations; fewer show no trend
LITTLE = 0.9  # of the loss of guessing; above it hardly anything was learned
RANDOM_LABELS = 0.8  # with a larger share of them the lowest loss there is comes close to that of guessing
STUCK_FROM = 0.25  # of the run; before, a network of sigmoids may just not have left the start
STEEP = 0.15  # of the whole fall, in the last quarter: a straight line has 0.25
SETTLED = 0.08  # of the whole fall, at most, in the last quarter of a run that has little left to gain from time
MAX_DROPS = 5  # told of; each gains less than the one before
LARGE_GAP = 10.0  # points between train and test accuracy; above it a larger network is no advice


class DiagnosisKind(StrEnum):
    """What a reading is about."""

    TOO_FEW = "too few evaluations"
    DIVERGED = "diverged"
    TOO_HIGH = "learning rate too high"
    TOO_LOW = "learning rate too low"
    VANISHING = "vanishing gradients"
    OVERFITTING = "overfitting"
    PLATEAU = "plateau"
    DROP = "drop of the rate"
    HEALTHY = "healthy"
    SO_FAR = "nothing so far"


@dataclass(frozen=True)
class Diagnosis:
    """What a history says, by which rule; and where the rule knows one, the recipe to try next."""

    kind: DiagnosisKind
    what: Sentence
    rule: Sentence
    step: int | None = None  # where in the history
    mend: Sentence | None = None  # what taking up `suggested` does, as a button says it
    suggested: Recipe | None = None


def diagnose(run: Run, *, classes: int = BUILT_IN_CLASSES, test_images: int = TEST_IMAGES) -> tuple[Diagnosis, ...]:
    """Read what the history of a run says so far: one reading at least.

    classes: how many the images have, which no recipe says; guessing among them costs a loss of ln(classes).
    test_images: how many accuracy was measured on; with few of them small differences say nothing.
    """
    if run.status is RunStatus.DIVERGED:
        return (_read_divergence(run),)
    if len(run.evaluations) < ENOUGH:
        return (_count_evaluations(run),)
    losses, chance = Losses(run.evaluations), math.log(max(classes, 2))
    late = trends.measure_late_fall(losses, start=chance)
    overfitting = _read_turn(run, losses, test_images)
    rate = _read_stuck(run, losses, chance) or _read_jumps(run, losses)
    rate = rate or (None if overfitting else _read_slowness(run, losses, late, chance))
    plateau = None if rate else _read_plateau(run, losses)
    found = [reading for reading in (rate, overfitting, plateau) if reading]
    return (*(found or [_praise(run, late)]), *_read_drops(run, losses))


def _read_divergence(run: Run) -> Diagnosis:
    what = Sentence(
        "The run diverged at step {step:,}: its updates overshot until a loss was no number any more. A lower learning "
        "rate takes smaller steps.",
        {"step": run.step},
    )
    rule = Sentence("A run has diverged when a loss is infinite or not a number.")
    return Diagnosis(DiagnosisKind.DIVERGED, what, rule, run.step, *_change_rate(run.recipe, 0.1))


def _count_evaluations(run: Run) -> Diagnosis:
    values = {"count": len(run.evaluations), "enough": ENOUGH}
    if run.status.is_over:
        template = "Evaluations: {count}. Too few to read anything from: a smaller eval_every gives more."
    else:
        template = "Evaluations so far: {count}. From {enough} on, what they say is told here."
    rule = Sentence("Fewer than {enough} evaluations show no trend.", values)
    return Diagnosis(DiagnosisKind.TOO_FEW, Sentence(template, values), rule)


def _read_stuck(run: Run, losses: Losses, chance: float) -> Diagnosis | None:
    """Find a loss that stays near that of guessing without so much as creeping down."""
    last = float(losses.train[-1])
    early = losses.steps[-1] < STUCK_FROM * run.recipe.train_iter
    if early or last < LITTLE * chance or run.recipe.label_noise > RANDOM_LABELS or trends.falls_steadily(losses):
        return None
    values = {"loss": last, "chance": chance}
    values |= {"little": LITTLE, "begin": STUCK_FROM, "steady": trends.STEADY}
    rule = Sentence(
        "After {begin:.0%} of the run or more the train loss is above {little:.0%} of ln(classes) = {chance:.2f}, and "
        "more than {steady:.0%} of the evaluations have a higher one than the evaluation before.",
        values,
    )
    if run.recipe.activation == "sigmoid":
        what = Sentence(
            "Hardly anything is learned: the train loss is {loss:.2f}, and guessing costs {chance:.2f}. Sigmoids "
            "shrink the gradient to a quarter or less at every layer; relu lets it through.",
            values,
        )
        mended = run.recipe.model_copy(update={"activation": "relu"})
        return Diagnosis(DiagnosisKind.VANISHING, what, rule, None, Sentence("Use relu"), mended)
    what = Sentence(
        "Hardly anything is learned: the train loss is {loss:.2f}, and guessing costs {chance:.2f}. Most likely the "
        "learning rate is too high, and its first updates threw the weights where gradients vanish.",
        values,
    )
    return Diagnosis(DiagnosisKind.TOO_HIGH, what, rule, None, *_change_rate(run.recipe, 0.1))


def _read_jumps(run: Run, losses: Losses) -> Diagnosis | None:
    """Find a loss that goes up and down."""
    jumps = trends.find_jumps(losses)
    if jumps is None:
        return None
    values = {"size": jumps.size, "rises": jumps.rises, "least": trends.JUMPS, "share": trends.OFTEN}
    what = Sentence(
        "The learning rate is too high: from one evaluation to the next the train loss moves by {size:.0%}, and "
        "{rises:.0%} of these moves go up.",
        values,
    )
    rule = Sentence(
        "In the latter half of the history the train loss moves by {least:.0%} or more (median) between evaluations, "
        "and more than {share:.0%} of the moves go up.",
        values,
    )
    return Diagnosis(DiagnosisKind.TOO_HIGH, what, rule, None, *_change_rate(run.recipe, 0.1))


def _read_slowness(run: Run, losses: Losses, late: LateFall, chance: float) -> Diagnosis | None:
    """Find a loss that had hardly begun to fall at the end, or still fell much as it had all along."""
    if run.step < run.recipe.train_iter or run.recipe.label_noise > RANDOM_LABELS or not trends.falls_steadily(losses):
        return None
    values = {"before": late.before, "last": late.last, "share": late.share, "chance": chance}
    values |= {"steep": STEEP, "little": LITTLE, "steady": trends.STEADY}
    end = int(losses.steps[-1])
    if late.last > LITTLE * chance:
        what = Sentence(
            "The learning rate is too low: the train loss fell steadily, but only to {last:.2f}, and guessing costs "
            "{chance:.2f}.",
            values,
        )
        rule = Sentence(
            "At the end the train loss is above {little:.0%} of ln(classes) = {chance:.2f}, and at most {steady:.0%} "
            "of the evaluations have a higher one than the evaluation before.",
            values,
        )
        return Diagnosis(DiagnosisKind.TOO_LOW, what, rule, end, *_change_rate(run.recipe, 10.0))
    if late.share < STEEP or not late.rate_was_kept:
        return None
    what = Sentence(
        "The learning rate is low for so short a run: in its last quarter the train loss still fell from {before:.2f} "
        "to {last:.2f}, {share:.0%} of its whole fall. Raise the rate, or train for longer.",
        values,
    )
    rule = Sentence(
        "The last quarter, at an unchanged rate, holds {steep:.0%} or more of the fall of the train loss from "
        "ln(classes) = {chance:.2f} (a straight line: 25%), and at most {steady:.0%} of the evaluations have a higher "
        "loss than the one before.",
        values,
    )
    return Diagnosis(DiagnosisKind.TOO_LOW, what, rule, end, *_change_rate(run.recipe, 3.0))


def _read_turn(run: Run, losses: Losses, test_images: int) -> Diagnosis | None:
    """Find overfitting: a test loss that rises while the train loss falls."""
    turn = trends.find_turn(losses)
    if turn is None:
        return None
    gap = measure_gap(run.evaluations)
    values = {"step": int(losses.steps[turn]), "risen": trends.RISEN, "fell": trends.FELL}
    values |= {"low": short_number(float(losses.test[turn])), "high": short_number(float(losses.test[-1]))}
    values |= {"train": short_number(float(losses.train[turn])), "train_end": short_number(float(losses.train[-1]))}
    values |= {"kept": gap.kept, "best": gap.best_step, "images": test_images}
    if gap.kept >= 100 * telling_difference(test_images):
        template = (
            "Overfitting from step {step:,}: since then the test loss rose from {low} to {high} while the train loss "
            "fell from {train} to {train_end}. Stopping at the best step, {best:,}, would have kept {kept:.1f} points "
            "of test accuracy; that is optimistic, for the step is read off the test images. More images, dropout or "
            "weight decay help too."
        )
    else:
        template = (
            "Overfitting from step {step:,}: since then the test loss rose from {low} to {high} while the train loss "
            "fell from {train} to {train_end}. The test accuracy has held, as far as {images:,} test images tell: the "
            "network errs as often as before, but surer of itself. More images, dropout or weight decay help."
        )
    rule = Sentence(
        "The test loss is {risen:.0%} or more above its lowest value, and since then the train loss has fallen by "
        "{fell:.0%} or more.",
        values,
    )
    return Diagnosis(DiagnosisKind.OVERFITTING, Sentence(template, values), rule, values["step"])


def _read_plateau(run: Run, losses: Losses) -> Diagnosis | None:
    """Find where the loss stopped falling: the lecture's place to lower the rate."""
    begin = trends.find_plateau(losses)
    if begin is None:
        return None
    step = int(losses.steps[begin])
    values = {"step": step, "loss": short_number(float(losses.train[begin:].mean()))}
    values |= {"lr": short_number(float(losses.rates[-1])), "flat": trends.FLAT, "long": trends.LONG}
    what = Sentence(
        "Plateau from step {step:,}: at lr {lr} the train loss stopped falling and stays about {loss}. That is where "
        "one lowers the rate.",
        values,
    )
    rule = Sentence(
        "For the last {long:.0%} of the steps or longer, at an unchanged rate, the train loss of the second half is "
        "less than {flat:.0%} below that of the first.",
        values,
    )
    suggested = with_milestone(run.recipe, step)
    mend = Sentence("Lower the rate at step {step:,}", values) if suggested else None
    return Diagnosis(DiagnosisKind.PLATEAU, what, rule, step, mend, suggested)


def _read_drops(run: Run, losses: Losses) -> list[Diagnosis]:
    """Say what each of the first drops of the rate gained."""
    readings = []
    for drop in trends.find_drops(losses)[:MAX_DROPS]:
        planned = find_planned_drops(run.recipe, drop.step, drop.until)
        step = planned[0] if len(planned) == 1 else drop.step
        values = {"step": step, "until": drop.until, "lr": short_number(drop.rate), "around": drop.around}
        values |= {"before": short_number(drop.loss_before), "after": short_number(drop.loss_after)}
        values |= {"gain": 100 * (drop.accuracy_after - drop.accuracy_before)}
        template = (
            "Drop of the rate to {lr} at step {step:,}: train loss from {before} to {after}, test accuracy {gain:+.1f} "
            "points."
        )
        if len(planned) != 1:
            template = (
                "Drop of the rate to {lr} between steps {step:,} and {until:,}: train loss from {before} to {after}, "
                "test accuracy {gain:+.1f} points."
            )
        rule = Sentence(
            "Means of up to {around} evaluations before the drop and after it; part of the gain would have come "
            "without it.",
            values,
        )
        readings.append(Diagnosis(DiagnosisKind.DROP, Sentence(template, values), rule, step))
    return readings


def _praise(run: Run, late: LateFall) -> Diagnosis:
    """Say that no rule has anything to object to, and what one would try next."""
    rule = Sentence("None of these fires: diverged, rate too low, rate too high, overfitting, plateau.")
    if run.step < run.recipe.train_iter:
        what = Sentence("Nothing to point out so far: the train loss falls, and the test loss does not turn away.")
        return Diagnosis(DiagnosisKind.SO_FAR, what, rule)
    gap = measure_gap(run.evaluations)
    values = {"accuracy": gap.final_test_acc, "gap": abs(gap.acc_gap), "share": late.share}
    if gap.acc_gap > LARGE_GAP:
        template = (
            "Healthy: the test accuracy of {accuracy:.1%} is {gap:.1f} points below that in training, yet the test "
            "loss has not turned. Next, more images, dropout or weight decay might narrow this gap."
        )
    elif late.share > SETTLED:
        template = (
            "Healthy, and not done: a test accuracy of {accuracy:.1%}, and the last quarter of the run still brought "
            "{share:.0%} of the fall of the train loss. Next, more iterations."
        )
    else:
        template = (
            "Healthy: the train loss has settled, and the test accuracy of {accuracy:.1%} is within {gap:.1f} points "
            "of that in training. Next, a larger network might carry it further."
        )
    return Diagnosis(DiagnosisKind.HEALTHY, Sentence(template, values), rule)


def _change_rate(recipe: Recipe, factor: float) -> tuple[Sentence, Recipe] | tuple[None, None]:
    """The button and the recipe that multiply the learning rate, where that can be."""
    changed = with_rate(recipe, factor)
    if changed is None:
        return None, None
    return Sentence("Set lr to {lr}", {"lr": short_number(changed.optimizer.lr)}), changed
