"""Sentences of the claims: what each says, how it is tried, by which rule it is decided, and what was measured."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import NamedTuple

from mlpcore.analysis.claim_rules import Finding, Margins, Measurement
from mlpcore.analysis.claims import Claim
from mlpcore.messages import N_, Sentence


class ClaimTexts(NamedTuple):
    """A claim in sentences."""

    statement: Sentence
    experiment: Sentence
    rule: Sentence


_CLAIMS: Mapping[str, tuple[str, str, str]] = {
    "full_batch": (
        N_("With every image in the batch, gradient descent has no noise."),
        N_("Plain SGD on 500 images: with all of them in each batch, and with 50 drawn at random."),
        N_(
            "Noise is how far the loss of a batch is from the loss of all images at the same weights. The claim holds "
            "if this is at most 0.01% with all images and at least 1% with 50."
        ),
    ),
    "weight_decay": (
        N_("Weight decay keeps W small."),
        N_("The notes' SGD with weight decay 0, 5e-4, 5e-3 and 0.05."),
        N_("The claim holds if each larger decay ends with a norm of the weights that is at least 1% smaller."),
    ),
    "rates": (
        N_("Adam is less sensitive to the learning rate than SGD."),
        N_("Plain SGD and Adam, each with nine rates from 1e-4 to 1."),
        N_(
            "The claim holds if Adam has more rates than SGD that end within {good_rate:.3g} percentage points of the "
            "optimizer's best test accuracy, and the two best are at most {similar_best:.3g} apart."
        ),
    ),
    "adam_not_always": (
        N_("Adam is not always the better one: it depends on the data set."),
        N_("The notes' SGD and Adam with six seeds each, on two data sets if this machine has them."),
        N_(
            "The claim holds if SGD ends {lead:.3g} percentage points or more ahead on one data set, with p < 0.05 in "
            "a paired t-test over the seeds (with Holm's correction for two data sets). It does not hold if Adam does "
            "so on both."
        ),
    ),
    "plateau": (
        N_("When the loss stops falling, lowering the learning rate helps."),
        N_("Plain SGD with a high rate and small batches, and the same with a tenth of the rate at the end."),
        N_(
            "The claim holds if the loss had stopped falling and the train loss ends at least 5% lower, with p < 0.05 "
            "in a paired t-test over six seeds."
        ),
    ),
    "memorising": (
        N_("A small training loss does not yet mean a good test accuracy."),
        N_("The same network trained on a fiftieth of the images, and on all of them."),
        N_(
            "The claim holds if the run with the lower train loss ends with a test accuracy that is at least "
            "{lower:.3g} percentage points lower. The sampling error of {images:,} test images is smaller than that."
        ),
    ),
}

_MEASUREMENTS: Mapping[Finding, str] = {
    Finding.INCOMPLETE: N_("{missing} of the {count} runs did not finish, so nothing is decided."),
    Finding.BATCH_NOISE: N_(
        "At the same weights, the loss of a batch deviates from the loss of all images by {full:.4%} with all {images} "
        "images in each batch, and by {mini:.1%} with {batch} drawn at random (root mean square over {steps} steps)."
    ),
    Finding.WEIGHT_NORMS: N_(
        "With weight decay {decays} the weights end with norm {norms} and test accuracy {accuracies}."
    ),
    Finding.GOOD_RATES: N_(
        "Within {near:.3g} percentage points of its own best test accuracy, SGD ({sgd_best:.1%}) has {sgd} of {count} "
        "rates: {sgd_rates}. Adam ({adam_best:.1%}) has {adam}: {adam_rates}."
    ),
    Finding.SGD_OVER_ADAM: N_(
        "{dataset}: SGD ends at {sgd:.1%} and Adam at {adam:.1%}, the means of {seeds} seeds. SGD minus Adam: "
        "{mean:+.1f} ± {deviation:.1f} percentage points ({p})."
    ),
    Finding.NEEDS_SECOND_SET: N_(
        "One data set cannot show that Adam is always ahead. Get a second one on the Images page."
    ),
    Finding.LOSS_AT_KEPT_RATE: N_(
        "At the same rate, the mean mini-batch loss was {before:.3f} in the {length:,} steps before step {at:,} and "
        "{after:.3f} in the steps after it."
    ),
    Finding.LOSS_AT_LOWERED_RATE: N_(
        "At the end the train loss is {kept:.3f} at the same rate and {lowered:.3f} at the lowered rate; test accuracy "
        "is {kept_acc:.1%} and {lowered_acc:.1%}. Means of {seeds} seeds; for the losses {p}."
    ),
    Finding.FEW_AND_ALL_IMAGES: N_(
        "Trained on {few:,} images, the network ends with train loss {few_loss:.3f} and test accuracy {few_acc:.1%}; "
        "trained on {whole:,} images, with {whole_loss:.3f} and {whole_acc:.1%}."
    ),
}
_LISTS = {"decays": "g", "norms": ".1f", "accuracies": ".1%", "sgd_rates": "g", "adam_rates": "g"}


def describe_claim(claim: Claim, *, test_images: int) -> ClaimTexts:
    """Say what a claim states, how it is tried and by which rule it is decided on so many test images."""
    margins = {name: 100 * margin for name, margin in asdict(Margins.of(test_images)).items()}
    statement, experiment, rule = _CLAIMS[claim.key]
    return ClaimTexts(Sentence(statement), Sentence(experiment), Sentence(rule, margins | {"images": test_images}))


def describe_measurement(measurement: Measurement) -> Sentence:
    """Say what was measured."""
    values = {
        name: ", ".join(f"{one:{_LISTS[name]}}" for one in value) if isinstance(value, list) else value
        for name, value in measurement.numbers.items()
    }
    if "p" in values:
        template = "no p: each seed shows the same difference" if values["p"] is None else "p = {p:.2g}"
        values["p"] = Sentence(template, {"p": values["p"]})
    return Sentence(_MEASUREMENTS[measurement.finding], values)
