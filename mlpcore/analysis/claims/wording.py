"""Sentences of the claims: what each says, how it is tried, by which rule it is decided, and what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import NamedTuple

from mlpcore.analysis.claims.experiments import Claim
from mlpcore.analysis.claims.rules import ClaimResult, Finding, Margins
from mlpcore.data.download.sources import dataset_title
from mlpcore.messages import N_, Sentence
from mlpcore.numbers import exact_number


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
            "The claim holds if SGD ends at least {lead:.3g} pp ahead on one data set, with p < 0.05 in a paired "
            "t-test over the seeds (with Holm's correction for two data sets). It does not hold if Adam does so on "
            "both."
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

_SENTENCES: Mapping[Finding, str] = {
    Finding.INCOMPLETE: N_("{missing} of the {count} runs did not finish, so nothing is decided."),
    Finding.NEEDS_SECOND_SET: N_(
        "One data set cannot show that Adam is always ahead. Get a second one on the Images page."
    ),
}


class Layout(NamedTuple):
    """How a finding is laid out as a table: its columns, its rows as templates, and a sentence about them."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


_TABLES: Mapping[Finding, Layout] = {
    Finding.BATCH_NOISE: Layout(
        (N_("images per batch"), N_("deviation of the loss")),
        (("{images:,}", "{full:.4%}"), ("{batch:,}", "{mini:.1%}")),
        N_("Of the loss of a batch from that of all images at the same weights, root mean square over {steps} steps."),
    ),
    Finding.WEIGHT_NORMS: Layout(
        (N_("weight decay"), N_("norm of the weights"), N_("test accuracy")),
        (("{decays}", "{norms:.1f}", "{accuracies:.1%}"),),
        N_("At the end of each run."),
    ),
    Finding.GOOD_RATES: Layout(
        (N_("optimizer"), N_("best test accuracy"), N_("good rates")),
        (
            ("SGD", "{sgd_best:.1%}", N_("{sgd} of {count}: {sgd_rates}")),
            ("Adam", "{adam_best:.1%}", N_("{adam} of {count}: {adam_rates}")),
        ),
        N_("A rate is good within {near:.3g} percentage points of its optimizer's best."),
    ),
    Finding.SGD_OVER_ADAM: Layout(
        (N_("data set"), "SGD", "Adam", N_("SGD − Adam, pp"), "p"),
        (("{dataset}", "{sgd:.1%}", "{adam:.1%}", "{mean:+.1f} ± {deviation:.1f}", "{p}"),),
        N_("Test accuracy at the end, means of {seeds} seeds."),
    ),
    Finding.LOSS_AT_KEPT_RATE: Layout(
        (N_("steps at the same rate"), N_("mean mini-batch loss")),
        (("{start:,}–{at:,}", "{before:.3f}"), ("{at:,}–{end:,}", "{after:.3f}")),
        N_("Before step {at:,}, where the other runs lower their rate, and after it."),
    ),
    Finding.LOSS_AT_LOWERED_RATE: Layout(
        (N_("learning rate"), N_("train loss"), N_("test accuracy")),
        (
            (N_("kept"), "{kept:.3f}", "{kept_acc:.1%}"),
            (N_("lowered"), "{lowered:.3f}", "{lowered_acc:.1%}"),
        ),
        N_("At the end, means of {seeds} seeds; for the losses p = {p}."),
    ),
    Finding.FEW_AND_ALL_IMAGES: Layout(
        (N_("training images"), N_("train loss"), N_("test accuracy")),
        (("{few:,}", "{few_loss:.3f}", "{few_acc:.1%}"), ("{whole:,}", "{whole_loss:.3f}", "{whole_acc:.1%}")),
        N_("At the end of each run."),
    ),
}


_PER_RUN = ("decays", "norms", "accuracies")  # numbers of which a finding lists one for each run


class ResultTable(NamedTuple):
    """What was measured, as a table with a sentence about it."""

    columns: tuple[Sentence, ...]
    rows: tuple[tuple[Sentence, ...], ...]
    note: Sentence


def describe_claim(claim: Claim, *, test_images: int) -> ClaimTexts:
    """Say what a claim states, how it is tried and by which rule it is decided on so many test images."""
    margins = {name: 100 * margin for name, margin in asdict(Margins.of(test_images)).items()}
    statement, experiment, rule = _CLAIMS[claim.key]
    return ClaimTexts(Sentence(statement), Sentence(experiment), Sentence(rule, margins | {"images": test_images}))


def describe_results(result: ClaimResult) -> list[Sentence | ResultTable]:
    """Say what was measured: as tables, one for all measurements of a kind, and as sentences where there is none."""
    said: list[Sentence | ResultTable] = []
    for finding, group in groupby(result.measurements, key=lambda measurement: measurement.finding):
        every = [measurement.numbers for measurement in group]
        if finding in _SENTENCES:
            said += [Sentence(_SENTENCES[finding], numbers) for numbers in every]
        else:
            columns, templates, note = _TABLES[finding]
            rows = [row for numbers in every for row in _fill(templates, numbers)]
            said.append(ResultTable(tuple(map(Sentence, columns)), tuple(rows), Sentence(note, _write(every[0]))))
    return said


def _fill(templates: Sequence[tuple[str, ...]], numbers: Mapping[str, object]) -> list[tuple[Sentence, ...]]:
    """Fill rows with numbers; a finding that lists a number of each run has a row for each."""
    counts = {len(value) for name, value in numbers.items() if name in _PER_RUN and isinstance(value, list)}
    each = [
        {name: value[run] if name in _PER_RUN and isinstance(value, list) else value for name, value in numbers.items()}
        for run in range(max(counts, default=1))
    ]
    return [tuple(Sentence(cell, _write(own)) for cell in row) for own in each for row in templates]


def _write(numbers: Mapping[str, object]) -> dict[str, object]:
    """Write p, lists and single rates as texts; leave the rest to the templates."""
    written: dict[str, object] = {}
    for name, value in numbers.items():
        if name == "p":
            written[name] = Sentence(N_("none: each seed shows the same")) if value is None else f"{value:.2g}"
        elif name in ("sgd_rates", "adam_rates") and isinstance(value, list):
            written[name] = ", ".join(map(exact_number, value))
        else:
            written[name] = exact_number(value) if name == "decays" and isinstance(value, float) else value
    if "dataset" in written:
        written["dataset"] = dataset_title(str(written["dataset"]))
    return written
