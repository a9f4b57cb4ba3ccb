"""Sentences of the diagnoses: what is seen, why, by which rule, and what to try."""

from collections.abc import Mapping

from mlpcore.analysis.diagnoses.diagnosis import Diagnosis, DiagnosisKind, Symptom
from mlpcore.messages import N_, Sentence
from mlpcore.numbers import short_number

_SIGMOID = N_(
    "The network learns almost nothing: the train loss is {loss:.2f}, and guessing costs {chance:.2f}. The "
    "derivative of a sigmoid is at most 1/4, so the gradient shrinks at every layer until it vanishes. Try relu."
)

ONE_SO_FAR = N_("{count} evaluation so far; advice starts at {enough}.")

# What is seen, why, and what to try.
FINDINGS: Mapping[Symptom, str] = {
    Symptom.FEW_EVALUATIONS: N_(
        "Evaluations: {count}. That is too few to show a trend. Set a smaller eval_every to get more."
    ),
    Symptom.FEW_SO_FAR: N_("{count} evaluations so far; advice starts at {enough}."),
    Symptom.NOT_FINITE: N_(
        "At step {step:,} a loss became infinite or not a number: each update overshot the minimum further than the "
        "one before. Try a lower learning rate."
    ),
    Symptom.STUCK: N_(
        "The network learns almost nothing: the train loss is {loss:.2f}, and guessing costs {chance:.2f}. The "
        "learning rate is probably too high: its first updates pushed the weights to where gradients vanish. Try a "
        "lower rate."
    ),
    Symptom.LOST: N_(
        "The network has lost what it had learned: the train loss was {least:.2f} and is {loss:.2f}, and guessing "
        "costs {chance:.2f}. The learning rate is probably too high. Try a lower rate."
    ),
    Symptom.UNMOVED: N_(
        "The learning rate is too low: the train loss is {loss:.2f}, and guessing costs {chance:.2f}. The weights are "
        "still close to their initial values: their norm is {growth:.2f} times the initial one. Try a higher rate."
    ),
    Symptom.SMALL_STEPS: N_(
        "The learning rate is low for so short a run: the weights are still close to their initial values, with a norm "
        "of {growth:.2f} times the initial one. Try a higher rate, or more iterations."
    ),
    Symptom.STUCK_SIGMOID: _SIGMOID,
    Symptom.SLOW_SIGMOID: _SIGMOID,
    Symptom.DEAD_UNITS: N_(
        "{share:.0%} of the units in layer {layer} have been dead since step {step:,}: they answer 0 to everything, so "
        "no gradient reaches their weights. Too large a step usually kills them. Try a lower rate."
    ),
    Symptom.SATURATED_UNITS: N_(
        "{share:.0%} of the units in layer {layer} have been saturated since step {step:,}: to nearly everything they "
        "answer with one of their two extremes, where the slope is almost 0, so they hardly learn. Too large a step "
        "usually drives them there. Try a lower rate."
    ),
    Symptom.ZERO_START: N_(
        "The train loss is {loss:.2f}, and guessing costs {chance:.2f}: all weights began at 0, so nothing tells the "
        "units of a layer apart. They stay alike, and where they answer 0, no gradient passes. Begin with random "
        "weights."
    ),
    Symptom.JUMPS: N_(
        "The learning rate is too high: between two evaluations the train loss changes by {size:.0%}, and {rises:.0%} "
        "of these changes go up. The updates step over the minimum instead of into it. Try a lower rate."
    ),
    Symptom.STEPS_STUCK: N_(
        "The train loss is {loss:.2f}, and guessing costs {chance:.2f}. The step sizes adapt by themselves, but that "
        "was not enough: try other limits for them (step_sizes), or another first step size (lr)."
    ),
    Symptom.STEPS_JUMP: N_(
        "Between two evaluations the train loss changes by {size:.0%}, and {rises:.0%} of these changes go up: some of "
        "the step sizes have grown too large. Lower their upper limit, the second number of step_sizes."
    ),
    Symptom.BARELY_LEARNING: N_(
        "The learning rate is too low: the train loss falls steadily, but only to {last:.2f}, and guessing costs "
        "{chance:.2f}. Such small updates need many more iterations. Try a higher rate."
    ),
    Symptom.STILL_FALLING: N_(
        "The learning rate is low for so short a run: in the last quarter the train loss still fell from {before:.2f} "
        "to {last:.2f}, which is {share:.0%} of its whole fall. Try a higher rate, or more iterations."
    ),
    Symptom.ENDED_EARLY: N_(
        "The schedule lowered the learning rate too early: after step {step:,} it was below {share:.0%} of its highest "
        "value, too low to learn much. Try a schedule that lowers it over the whole run, such as a cosine."
    ),
    Symptom.TEST_ACC_FELL: N_(
        "From step {step:,} on, the test loss rose from {low} to {high} while the train loss fell "
        "from {train} to {train_end}. The network memorises the training examples. Stopping at the best step, "
        "{best:,}, would have kept {gain:.1f} percentage points of test accuracy. This figure is optimistic because "
        "the test examples chose the step. Try more examples, dropout or weight decay."
    ),
    Symptom.TEST_LOSS_ROSE: N_(
        "From step {step:,} on, the test loss rose from {low} to {high} while the train loss fell "
        "from {train} to {train_end}. The test accuracy did not fall measurably on {images:,} test examples: "
        "the network makes as many mistakes as before, but with more confidence. Try more examples, dropout or weight "
        "decay."
    ),
    Symptom.FLAT_LOSS: N_(
        "From step {step:,} on, at lr {lr}, the train loss stopped falling and stays near {loss}. Updates of this "
        "size no longer bring it down. Try lowering the rate there."
    ),
    Symptom.DROP_AT: N_(
        "The rate drops to {lr} at step {step:,}: the train loss goes from {before} to {after}, and test accuracy "
        "changes by {gain:+.1f} percentage points."
    ),
    Symptom.DROP_BETWEEN: N_(
        "The rate drops to {lr} between steps {step:,} and {until:,}: the train loss goes from {before} to {after}, "
        "and test accuracy changes by {gain:+.1f} percentage points."
    ),
    Symptom.CHANGED: N_(
        "{setting} at step {step:,}: test accuracy changed by {gain:+.1f} pp, and the train loss from {before} to "
        "{after}."
    ),
    Symptom.OWN_BETTER: N_(
        "Your run with {theirs} instead of {mine} did better: it ended at {other:.1%}, this one at {own:.1%} "
        "({gain:+.1f} pp)."
    ),
    Symptom.OWN_WORSE: N_("This run did better than your run with {theirs}: {own:.1%} against {other:.1%}."),
    Symptom.OWN_EQUAL: N_(
        "Your run with {theirs} instead of {mine} ended at {other:.1%}, this one at {own:.1%}: too close to call."
    ),
    Symptom.OWN_LEARNED: N_("Your run with {theirs} instead of {mine} learned: it ended at {other:.1%}."),
    Symptom.NO_PROBLEM_YET: N_("The train loss is falling, and the test loss is not rising."),
    Symptom.NOT_FALLING: N_("No warning applies, but the train loss did not fall over the last {count} evaluations."),
    Symptom.WIDE_GAP: N_(
        "The test accuracy of {accuracy:.1%} is {gap:.1f} percentage points below the train accuracy, but the "
        "test loss is not rising. More examples, dropout or weight decay may narrow the gap."
    ),
    Symptom.UNSETTLED: N_(
        "Still improving: test accuracy is {accuracy:.1%}, and the last quarter of the run brought "
        "{share:.0%} of the fall of the train loss. Try more iterations."
    ),
    Symptom.CONVERGED: N_(
        "The train loss has settled, and the test accuracy of {accuracy:.1%} is within {gap:.1f} percentage "
        "points of the train accuracy. A larger network may reach more."
    ),
    Symptom.SOLVED: N_("A test accuracy of {accuracy:.1%} leaves nothing to gain. Try harder data."),
}

_EVALUATIONS = N_("A trend needs at least {enough} evaluations.")
_OVERFITTING = N_(
    "The test loss is at least {risen:.0%} above its lowest value, and the train loss has fallen by at least "
    "{fell:.0%} since then."
)
_STUCK = N_(
    "At least {begin:.0%} of the run is done, the train loss is above {little:.0%} of ln(classes) = {chance:.2f}, and "
    "more than {steady:.0%} of its changes between evaluations go up."
)
_JUMPS = N_(
    "In the second half of the run, the median change of the train loss between two evaluations is {least:.0%} or "
    "more, and more than {share:.0%} of the changes go up."
)
_BARELY = N_(
    "At the end the train loss is above {little:.0%} of ln(classes) = {chance:.2f}, and at most {steady:.0%} of its "
    "changes between evaluations go up."
)
_DROP = N_(
    "Means of up to {around} evaluations before and after the drop. Part of the gain would have come without the drop."
)
_OWN = N_(
    "Your finished runs on the same examples, of the same length, that differ in one hyperparameter. A difference "
    "counts from {margin:.1f} pp on, what {images:,} test examples can tell; another seed may give another result."
)
_HEALTHY = N_(
    "No warning applies: diverged, rate too low, rate too high, dead or saturated units, overfitting, plateau."
)

RULES: Mapping[Symptom, str] = {
    Symptom.FEW_EVALUATIONS: _EVALUATIONS,
    Symptom.FEW_SO_FAR: _EVALUATIONS,
    Symptom.NOT_FINITE: N_(
        "A run has diverged when a loss is infinite or not a number. The suggested rate is a tenth of its rate, or a "
        "lower one at which this optimizer learned when it was tested on Shapes and CIFAR-10."
    ),
    Symptom.STUCK: _STUCK,
    Symptom.LOST: _STUCK,
    Symptom.UNMOVED: N_(
        "At least {begin:.0%} of the run is done, the train loss is above {little:.0%} of ln(classes) = {chance:.2f}, "
        "and the norm of all weights is less than {most:.2f} times its expected initial value."
    ),
    Symptom.SMALL_STEPS: N_(
        "At the end the norm of all weights is {least:.2f} to {most:.2f} times its expected initial value."
    ),
    Symptom.STUCK_SIGMOID: _STUCK,
    Symptom.DEAD_UNITS: N_(
        "Since that evaluation, more than {half:.0%} of this hidden layer's units have answered 0 to all of the (at "
        "most 2,000) training examples that an evaluation looks at."
    ),
    Symptom.SATURATED_UNITS: N_(
        "Since that evaluation, more than {half:.0%} of this hidden layer's units have had a slope below {flat:.0%} of "
        "the steepest on at least {mostly:.0%} of the (at most 2,000) training examples that an evaluation looks at."
    ),
    Symptom.ZERO_START: N_(
        "init is zeros, and either most units of a layer are dead or the train loss is above {little:.0%} of "
        "ln(classes) = {chance:.2f}."
    ),
    Symptom.JUMPS: _JUMPS,
    Symptom.STEPS_STUCK: _STUCK,
    Symptom.STEPS_JUMP: _JUMPS,
    Symptom.BARELY_LEARNING: _BARELY,
    Symptom.SLOW_SIGMOID: _BARELY,
    Symptom.STILL_FALLING: N_(
        "The last quarter, at an unchanged rate, brought at least {steep:.0%} of the fall of the train loss from "
        "ln(classes) = {chance:.2f} (a straight line would bring 25%), and at most {steady:.0%} of the changes of the "
        "loss between evaluations go up."
    ),
    Symptom.ENDED_EARLY: N_(
        "A sign of too low a rate, and a rate below {share:.0%} of its highest for the last {late:.0%} of the steps or "
        "longer."
    ),
    Symptom.TEST_ACC_FELL: _OVERFITTING,
    Symptom.TEST_LOSS_ROSE: _OVERFITTING,
    Symptom.FLAT_LOSS: N_(
        "For the last {long:.0%} of the steps or longer, at an unchanged rate, the mean train loss of the second half "
        "is less than {flat:.0%} below that of the first half."
    ),
    Symptom.DROP_AT: _DROP,
    Symptom.DROP_BETWEEN: _DROP,
    Symptom.CHANGED: N_("Means of up to {around} evaluations before and after the change."),
    Symptom.OWN_BETTER: _OWN,
    Symptom.OWN_WORSE: _OWN,
    Symptom.OWN_EQUAL: _OWN,
    Symptom.OWN_LEARNED: _OWN,
    Symptom.NO_PROBLEM_YET: _HEALTHY,
    Symptom.NOT_FALLING: _HEALTHY,
    Symptom.WIDE_GAP: _HEALTHY,
    Symptom.UNSETTLED: _HEALTHY,
    Symptom.CONVERGED: _HEALTHY,
    Symptom.SOLVED: _HEALTHY,
}


def describe_finding(diagnosis: Diagnosis) -> Sentence:
    """Say what was seen in a run, why, and what to try."""
    if diagnosis.symptom is Symptom.FEW_SO_FAR and diagnosis.numbers["count"] == 1:
        return _fill(ONE_SO_FAR, diagnosis.numbers)
    return _fill(FINDINGS[diagnosis.symptom], diagnosis.numbers)


def describe_rule(diagnosis: Diagnosis) -> Sentence:
    """Say by which rule a diagnosis was made, with its thresholds."""
    return _fill(RULES[diagnosis.symptom], diagnosis.numbers)


def describe_suggestion(diagnosis: Diagnosis) -> Sentence | None:
    """Say on a button what the suggested recipe changes; None without a suggestion."""
    if diagnosis.suggestion is None:
        return None
    if diagnosis.kind is DiagnosisKind.VANISHING:
        return Sentence("Use relu")
    if diagnosis.symptom is Symptom.ENDED_EARLY:
        return Sentence("Use {setting}", {"setting": diagnosis.suggestion.scheduler.name})
    if diagnosis.kind is DiagnosisKind.ALIKE:
        return Sentence("Set init to {init}", {"init": diagnosis.suggestion.init})
    if diagnosis.kind is DiagnosisKind.PLATEAU:
        return Sentence("Lower the rate at step {step:,}", {"step": diagnosis.numbers["step"]})
    if diagnosis.kind is DiagnosisKind.CHANGE:
        return Sentence("Leave this change out")
    if diagnosis.kind is DiagnosisKind.OWN_RUN:
        return Sentence("Use {setting}", {"setting": diagnosis.numbers["theirs"]})
    return Sentence("Set lr to {lr}", {"lr": short_number(diagnosis.suggestion.optimizer.lr)})


def _fill(template: str, numbers: Mapping[str, float | str]) -> Sentence:
    """Put the numbers into a template; a fraction that has no format there is rounded to three significant digits."""
    values = {
        name: short_number(value) if isinstance(value, float) and f"{{{name}}}" in template else value
        for name, value in numbers.items()
    }
    return Sentence(template, values)
