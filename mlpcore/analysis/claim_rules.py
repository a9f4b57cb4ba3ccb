"""What finished runs say about the lecture notes' claims: one rule a claim, fixed before anything is measured."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from mlpcore.analysis.comparison import SIGNIFICANCE, compare_pairs, size_of_weights
from mlpcore.analysis.statistics import telling_difference
from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import SGD, Adam
from mlpcore.runs.records import Evaluation, Run, RunStatus

NEAR = 0.05  # of test accuracy: a rate that comes as close to its optimizer's best counts as a good one
ALIKE = 0.1  # of test accuracy: optimizers whose bests differ by more did not both learn the task
APART = telling_difference(5_000)  # of test accuracy, 2 points: no noise of as many test images, or of more
LEAD = 1.0  # points of test accuracy; a smaller lead is of no account, however sure it is
SMALLER = 0.99  # of the weights' size: less of a difference is none
EXACT = 1e-4  # of a loss; being off by less is rounding: float32 is off by some 1e-6
NOISY = 0.01  # of a loss: a batch whose loss is off by as much is noisy
AT_ZERO = 0.01  # nats; shares of a smaller loss mean nothing
FLAT = 0.05  # the share of its train loss that a run on a plateau may still lose in a third of its iterations,
# and the least by which a lower rate has helped


class Verdict(StrEnum):
    """What the runs say about a claim."""

    HELD = "held"
    REFUTED = "refuted"
    UNTOLD = "untold"


@dataclass(frozen=True)
class Outcome:
    """A verdict and the numbers it rests on."""

    verdict: Verdict
    sentences: tuple[Sentence, ...]


def judge_full_batch(runs: Sequence[Run]) -> Outcome:
    """Compare, at the same weights, the loss of a batch with that of all images: whether it falls plays no part."""
    full, mini = runs
    noises = [_measure_noise(run.evaluations) for run in runs]
    values = {"full": noises[0], "mini": noises[1], "steps": full.recipe.train_iter - 1}
    values |= {"images": full.recipe.batch_size, "batch": mini.recipe.batch_size}
    sentence = Sentence(
        "With all {images} images in each batch, its loss is {full:.4%} off that of all of them at the same weights; "
        "with {batch} drawn at random, {mini:.1%}. Root mean squares over {steps} steps.",
        values,
    )
    if noises[0] > EXACT:
        return Outcome(Verdict.REFUTED, (sentence,))
    return Outcome(Verdict.HELD if noises[1] >= NOISY else Verdict.UNTOLD, (sentence,))


def judge_weight_decay(runs: Sequence[Run]) -> Outcome:
    """Compare the weights' size at the end, from no decay to the largest."""
    sizes = [size_of_weights(run.latest) or 0.0 for run in runs]
    values = {
        "decays": ", ".join(f"{run.recipe.optimizer.weight_decay:g}" for run in runs),
        "sizes": ", ".join(f"{size:.1f}" for size in sizes),
        "accuracies": ", ".join(f"{run.latest.test_acc:.1%}" for run in runs),
    }
    sentence = Sentence(
        "With weight decay {decays} the weights end with size {sizes}; test accuracy with {accuracies}.", values
    )
    if all(later <= SMALLER * earlier for earlier, later in pairwise(sizes)):
        return Outcome(Verdict.HELD, (sentence,))
    grew = any(later > earlier / SMALLER for earlier, later in pairwise(sizes))
    return Outcome(Verdict.REFUTED if grew else Verdict.UNTOLD, (sentence,))


def judge_rates(runs: Sequence[Run]) -> Outcome:
    """Count each optimizer's good rates; those of the one with fewer must not go on beyond the grid."""
    sgd, adam = ([run for run in runs if isinstance(run.recipe.optimizer, kind)] for kind in (SGD, Adam))
    good = {"sgd": _find_good(sgd), "adam": _find_good(adam)}
    values: dict[str, object] = {"near": 100 * NEAR, "count": len(sgd)}
    for name, of_kind in (("sgd", sgd), ("adam", adam)):
        rates = [of_kind[place].recipe.optimizer.lr for place in good[name]]
        values |= {name: len(rates), f"{name}_rates": ", ".join(f"{rate:g}" for rate in rates)}
        values[f"{name}_best"] = max(map(_final, of_kind))
    sentence = Sentence(
        "Within {near:.0f} points of its own best test accuracy, SGD ({sgd_best:.1%}) had {sgd} of {count} rates: "
        "{sgd_rates}. Adam ({adam_best:.1%}) had {adam}: {adam_rates}.",
        values,
    )
    fewer = min(good.values(), key=len)
    is_cut_off = bool({0, len(sgd) - 1} & set(fewer))
    is_alike = abs(values["sgd_best"] - values["adam_best"]) <= ALIKE
    if len(good["sgd"]) == len(good["adam"]) or is_cut_off or not is_alike:
        return Outcome(Verdict.UNTOLD, (sentence,))
    return Outcome(Verdict.HELD if len(good["adam"]) > len(good["sgd"]) else Verdict.REFUTED, (sentence,))


def judge_adam_not_always(runs: Sequence[Run]) -> Outcome:
    """On each data set, test whether one of them ends with the higher test accuracy, by more than its seeds vary.

    SIGNIFICANCE is shared by the data sets: each is one more chance of an accident.
    """
    sentences, sgd_led, adam_led = [], [], []
    datasets = dict.fromkeys(run.recipe.dataset for run in runs)
    for dataset in datasets:
        here = [run for run in runs if run.recipe.dataset == dataset]
        sgd, adam = (
            {run.recipe.seed: _final(run) for run in here if isinstance(run.recipe.optimizer, kind)}
            for kind in (SGD, Adam)
        )
        lead = compare_pairs([100 * (sgd[seed] - adam[seed]) for seed in sgd])
        is_sure = lead.p < SIGNIFICANCE / len(datasets)
        sgd_led.append(is_sure and lead.mean >= LEAD)
        adam_led.append(is_sure and lead.mean <= -LEAD)
        values = {"dataset": dataset, "sgd": _mean(sgd.values()), "adam": _mean(adam.values()), "seeds": len(sgd)}
        sentences.append(
            Sentence(
                "{dataset}: SGD ends at {sgd:.1%} and Adam at {adam:.1%}, the mean of {seeds} seeds. SGD over Adam: "
                "{mean:+.1f} ± {deviation:.1f} points (p = {p:.2g}).",
                values | {"mean": lead.mean, "deviation": lead.deviation, "p": lead.p},
            )
        )
    if any(sgd_led):
        return Outcome(Verdict.HELD, tuple(sentences))
    if len(sgd_led) < 2:
        sentences.append(
            Sentence("One data set cannot show that Adam always leads: the Images page brings a second one.")
        )
        return Outcome(Verdict.UNTOLD, tuple(sentences))
    return Outcome(Verdict.REFUTED if all(adam_led) else Verdict.UNTOLD, tuple(sentences))


def judge_plateau(runs: Sequence[Run]) -> Outcome:
    """See whether the loss had stopped falling, and test what the lower rate made of it, in pairs of one seed."""
    kept, lowered = runs[: len(runs) // 2], runs[len(runs) // 2 :]
    at, end = lowered[0].recipe.scheduler.milestones[0], lowered[0].recipe.train_iter
    before = _mean(_mean_loss(run, 2 * at - end, at) for run in kept)
    after = _mean(_mean_loss(run, at, end) for run in kept)
    ends = [
        (one.latest.train_eval_loss, other.latest.train_eval_loss) for one, other in zip(kept, lowered, strict=True)
    ]
    lead = compare_pairs([kept_loss - lower for kept_loss, lower in ends])
    values = {"at": at, "length": end - at, "before": before, "after": after, "seeds": len(kept), "p": lead.p}
    values |= {"kept": _mean(end[0] for end in ends), "lowered": _mean(end[1] for end in ends)}
    values |= {"kept_acc": _mean(map(_final, kept)), "lowered_acc": _mean(map(_final, lowered))}
    sentences = (
        Sentence(
            "With the rate kept, train loss was {before:.3f} in the {length:,} steps before step {at:,} and "
            "{after:.3f} in those after it.",
            values,
        ),
        Sentence(
            "At the end it is {kept:.3f} with the rate kept and {lowered:.3f} with the rate lowered; test accuracy is "
            "{kept_acc:.1%} and {lowered_acc:.1%}. Means of {seeds} seeds; of the losses p = {p:.2g}.",
            values,
        ),
    )
    is_telling = lead.p < SIGNIFICANCE and abs(lead.mean) >= FLAT * values["kept"]
    if after < (1 - FLAT) * before or not is_telling:
        return Outcome(Verdict.UNTOLD, sentences)
    return Outcome(Verdict.HELD if lead.mean > 0 else Verdict.REFUTED, sentences)


def judge_memorising(runs: Sequence[Run]) -> Outcome:
    """Compare both losses and accuracies at the end."""
    few, whole = runs
    values = {"few": few.recipe.train_size, "whole": whole.recipe.train_size}
    for name, run in (("few", few), ("whole", whole)):
        values |= {f"{name}_loss": run.latest.train_eval_loss, f"{name}_acc": run.latest.test_acc}
    sentence = Sentence(
        "Trained on {few:,} images, train loss ends at {few_loss:.3f} and test accuracy at {few_acc:.1%}; on {whole:,} "
        "images, at {whole_loss:.3f} and {whole_acc:.1%}.",
        values,
    )
    lead = whole.latest.test_acc - few.latest.test_acc
    if few.latest.train_eval_loss < whole.latest.train_eval_loss and abs(lead) >= APART:
        return Outcome(Verdict.HELD if lead > 0 else Verdict.REFUTED, (sentence,))
    return Outcome(Verdict.UNTOLD, (sentence,))


def _measure_noise(evaluations: Sequence[Evaluation]) -> float:
    """How far the loss of a batch is off that of all images at the same weights: root mean square, as a share.

    Evaluated at every step: the next batch is the first to see the weights that this evaluation measured.
    """
    shares = [
        (batch.train_loss - whole.train_eval_loss) / max(whole.train_eval_loss, AT_ZERO)
        for whole, batch in pairwise(evaluations)
    ]
    return math.hypot(*shares) / math.sqrt(max(len(shares), 1))


def _final(run: Run) -> float:
    """The test accuracy a run ended with; 0 where it diverged, whatever it had before."""
    return run.latest.test_acc if run.status is RunStatus.FINISHED else 0.0


def _find_good(runs: Sequence[Run]) -> list[int]:
    """The places of the runs that end near the best of them."""
    best = max(map(_final, runs))
    return [place for place, run in enumerate(runs) if _final(run) >= best - NEAR]


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return math.fsum(values) / len(values)


def _mean_loss(run: Run, after: int, until: int) -> float:
    return _mean(evaluation.train_loss for evaluation in run.evaluations if after < evaluation.step <= until)
