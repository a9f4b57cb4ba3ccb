"""Rules that decide the lecture notes' claims from finished runs: one per claim, fixed before anything is measured."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Self

from mlpcore.analysis.comparison import SIGNIFICANCE, weight_norm
from mlpcore.analysis.statistics import (
    STANDARD_ERRORS,
    adjust_holm,
    detectable_difference,
    paired_t_test,
    standard_error,
)
from mlpcore.recipes.recipe import SGD, Adam, MultiStepLR
from mlpcore.runs.records import Evaluation, Run, RunStatus

SMALLER = 0.99  # of the norm of the weights: larger shares count as no difference
EXACT = 1e-4  # of a loss; a smaller deviation is rounding: float32 deviates by some 1e-6
NOISY = 0.01  # of a loss: a batch whose loss deviates by as much is noisy
AT_ZERO = 0.01  # nats; shares of a smaller loss mean nothing
FLAT = 0.05  # the share of its train loss that a run on a plateau may still lose in a third of its iterations,
# and the least by which a lower rate has helped


@dataclass(frozen=True)
class Margins:
    """Differences of test accuracy (0 to 1) that matter; larger if the sampling error of few test images is.

    good_rate: a rate that ends as close to its optimizer's best is a good one.
    similar_best: optimizers whose best differ by more did not both learn the task.
    lead: smaller means over seeds do not matter, however significant. Seeds share the test images, so this is two
    standard errors of one accuracy.
    lower: what the accuracy of one run must be below that of another.
    """

    good_rate: float
    similar_best: float
    lead: float
    lower: float

    @classmethod
    def of(cls, test_images: int) -> Self:
        """Derive the margins from the number of test images."""
        detectable = detectable_difference(test_images)
        lead = max(0.01, STANDARD_ERRORS * standard_error(test_images))
        return cls(max(0.05, detectable), max(0.1, detectable), lead, max(0.02, detectable))


class Verdict(StrEnum):
    """What the runs say about a claim."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


class Finding(StrEnum):
    """What was measured: the key of its sentence or table in `wording`."""

    INCOMPLETE = "runs did not finish"
    BATCH_NOISE = "deviation of a batch's loss from that of all images"
    WEIGHT_NORMS = "norm of the weights by weight decay"
    GOOD_RATES = "good learning rates by optimizer"
    SGD_OVER_ADAM = "SGD minus Adam over seeds"
    NEEDS_SECOND_SET = "one data set cannot refute"
    LOSS_AT_KEPT_RATE = "train loss before and after the drop, with the rate kept"
    LOSS_AT_LOWERED_RATE = "train loss at the end, with the rate kept and lowered"
    FEW_AND_ALL_IMAGES = "loss and accuracy on few and on all images"


@dataclass(frozen=True)
class Measurement:
    """A finding with its numbers."""

    finding: Finding
    numbers: Mapping[str, object]


@dataclass(frozen=True)
class ClaimResult:
    """A verdict and the measurements it rests on."""

    verdict: Verdict
    measurements: tuple[Measurement, ...]


def judge_full_batch(runs: Sequence[Run], _margins: Margins) -> ClaimResult:
    """Compare the loss of a batch with that of all images at the same weights; whether it falls does not matter."""
    full, mini = runs
    full_noise, mini_noise = (_measure_noise(run.evaluations) for run in runs)
    numbers = {"full": full_noise, "mini": mini_noise, "steps": full.recipe.train_iter - 1}
    numbers |= {"images": full.recipe.batch_size, "batch": mini.recipe.batch_size}
    verdict = Verdict.SUPPORTED if mini_noise >= NOISY else Verdict.UNDECIDED
    if full_noise > EXACT:
        verdict = Verdict.REFUTED
    return ClaimResult(verdict, (Measurement(Finding.BATCH_NOISE, numbers),))


def judge_weight_decay(runs: Sequence[Run], _margins: Margins) -> ClaimResult:
    """Compare the norm of the weights at the end, from no decay to the largest."""
    ends = [_last(run) for run in runs]
    norms = [weight_norm(end) or 0.0 for end in ends]
    numbers = {
        "decays": [run.recipe.optimizer.weight_decay for run in runs],
        "norms": norms,
        "accuracies": [end.test_acc for end in ends],
    }
    verdict = Verdict.UNDECIDED
    if all(later <= SMALLER * earlier for earlier, later in pairwise(norms)):
        verdict = Verdict.SUPPORTED
    elif any(later > earlier / SMALLER for earlier, later in pairwise(norms)):
        verdict = Verdict.REFUTED
    return ClaimResult(verdict, (Measurement(Finding.WEIGHT_NORMS, numbers),))


def judge_rates(runs: Sequence[Run], margins: Margins) -> ClaimResult:
    """Count each optimizer's good rates; those of the one with fewer must not reach the end of the grid."""
    of_kind = {"sgd": _select(runs, SGD), "adam": _select(runs, Adam)}
    best = {name: max(map(_final_accuracy, group)) for name, group in of_kind.items()}
    good = {
        name: [place for place, run in enumerate(group) if _final_accuracy(run) >= best[name] - margins.good_rate]
        for name, group in of_kind.items()
    }
    count = len(of_kind["sgd"])
    numbers: dict[str, object] = {"near": 100 * margins.good_rate, "count": count}
    for name, places in good.items():
        rates = [of_kind[name][place].recipe.optimizer.lr for place in places]
        numbers |= {name: len(rates), f"{name}_rates": rates, f"{name}_best": best[name]}
    fewer = min(good.values(), key=len)
    is_cut_off = bool({0, count - 1} & set(fewer))
    are_similar = abs(best["sgd"] - best["adam"]) <= margins.similar_best
    verdict = Verdict.SUPPORTED if len(good["adam"]) > len(good["sgd"]) else Verdict.REFUTED
    if len(good["sgd"]) == len(good["adam"]) or is_cut_off or not are_similar:
        verdict = Verdict.UNDECIDED
    return ClaimResult(verdict, (Measurement(Finding.GOOD_RATES, numbers),))


def judge_adam_not_always(runs: Sequence[Run], margins: Margins) -> ClaimResult:
    """Test on each data set whether one optimizer ends with the higher test accuracy, in pairs of one seed.

    The p are adjusted by Holm's method for the number of data sets.
    """
    measurements, sgd_leads, adam_leads = [], [], []
    accuracies: dict[str, list[dict[int, float]]] = {}
    for dataset in dict.fromkeys(run.recipe.dataset for run in runs):
        here = [run for run in runs if run.recipe.dataset == dataset]
        accuracies[dataset] = [
            {run.recipe.seed: _final_accuracy(run) for run in _select(here, optimizer)} for optimizer in (SGD, Adam)
        ]
    tests = [paired_t_test([100 * (sgd[seed] - adam[seed]) for seed in sgd]) for sgd, adam in accuracies.values()]
    adjusted = adjust_holm(tests)
    for (dataset, (sgd, adam)), lead, p in zip(accuracies.items(), tests, adjusted, strict=True):
        is_significant = p is not None and p < SIGNIFICANCE
        sgd_leads.append(is_significant and lead.mean >= 100 * margins.lead)
        adam_leads.append(is_significant and lead.mean <= -100 * margins.lead)
        means = {"sgd": statistics.fmean(sgd.values()), "adam": statistics.fmean(adam.values())}
        numbers = {"dataset": dataset, "seeds": len(sgd), "mean": lead.mean, "deviation": lead.deviation, "p": p}
        measurements.append(Measurement(Finding.SGD_OVER_ADAM, numbers | means))
    if any(sgd_leads):
        return ClaimResult(Verdict.SUPPORTED, tuple(measurements))
    if len(accuracies) < 2:
        measurements.append(Measurement(Finding.NEEDS_SECOND_SET, {}))
        return ClaimResult(Verdict.UNDECIDED, tuple(measurements))
    return ClaimResult(Verdict.REFUTED if all(adam_leads) else Verdict.UNDECIDED, tuple(measurements))


def judge_plateau(runs: Sequence[Run], _margins: Margins) -> ClaimResult:
    """Check that the loss had stopped falling, and test what the lower rate changed, in pairs of one seed."""
    kept, lowered = runs[: len(runs) // 2], runs[len(runs) // 2 :]
    scheduler, end = lowered[0].recipe.scheduler, lowered[0].recipe.train_iter
    assert isinstance(scheduler, MultiStepLR)
    at = scheduler.milestones[0]
    before = statistics.fmean(_mean_loss(run, 2 * at - end, at) for run in kept)
    after = statistics.fmean(_mean_loss(run, at, end) for run in kept)
    kept_losses, lowered_losses = ([_last(run).train_eval_loss for run in group] for group in (kept, lowered))
    gain = paired_t_test([one - other for one, other in zip(kept_losses, lowered_losses, strict=True)])
    kept_loss = statistics.fmean(kept_losses)
    at_kept = {"start": 2 * at - end, "at": at, "end": end, "before": before, "after": after}
    at_lowered: dict[str, object] = {
        "kept": kept_loss,
        "lowered": statistics.fmean(lowered_losses),
        "seeds": len(kept),
        "p": gain.p,
    }
    at_lowered |= {"kept_acc": statistics.fmean(map(_final_accuracy, kept))}
    at_lowered |= {"lowered_acc": statistics.fmean(map(_final_accuracy, lowered))}
    verdict = Verdict.SUPPORTED if gain.mean > 0 else Verdict.REFUTED
    is_clear = gain.p is not None and gain.p < SIGNIFICANCE and abs(gain.mean) >= FLAT * kept_loss
    if after < (1 - FLAT) * before or not is_clear:
        verdict = Verdict.UNDECIDED
    return ClaimResult(
        verdict,
        (Measurement(Finding.LOSS_AT_KEPT_RATE, at_kept), Measurement(Finding.LOSS_AT_LOWERED_RATE, at_lowered)),
    )


def judge_memorising(runs: Sequence[Run], margins: Margins) -> ClaimResult:
    """Compare train loss and test accuracy at the end."""
    few, whole = runs
    few_end, whole_end = _last(few), _last(whole)
    numbers: dict[str, object] = {"few": few.recipe.train_size, "whole": whole.recipe.train_size}
    for name, end in (("few", few_end), ("whole", whole_end)):
        numbers |= {f"{name}_loss": end.train_eval_loss, f"{name}_acc": end.test_acc}
    lead = whole_end.test_acc - few_end.test_acc
    verdict = Verdict.SUPPORTED if lead > 0 else Verdict.REFUTED
    if few_end.train_eval_loss >= whole_end.train_eval_loss or abs(lead) < margins.lower:
        verdict = Verdict.UNDECIDED
    return ClaimResult(verdict, (Measurement(Finding.FEW_AND_ALL_IMAGES, numbers),))


def _select(runs: Iterable[Run], optimizer: type[SGD | Adam]) -> list[Run]:
    return [run for run in runs if isinstance(run.recipe.optimizer, optimizer)]


def _measure_noise(evaluations: Sequence[Evaluation]) -> float:
    """Return the root mean square deviation of a batch's loss from that of all images at the same weights, as a share.

    For runs that are evaluated at every step: the next batch is the first that sees the weights of an evaluation.
    """
    shares = [
        (batch.train_loss - whole.train_eval_loss) / max(whole.train_eval_loss, AT_ZERO)
        for whole, batch in pairwise(evaluations)
    ]
    return math.hypot(*shares) / math.sqrt(max(len(shares), 1))


def _last(run: Run) -> Evaluation:
    return run.evaluations[-1]


def _final_accuracy(run: Run) -> float:
    """Return the test accuracy a run ended with; 0 if it diverged, whatever it had before."""
    return _last(run).test_acc if run.status is RunStatus.FINISHED else 0.0


def _mean_loss(run: Run, after: int, until: int) -> float:
    return statistics.fmean(evaluation.train_loss for evaluation in run.evaluations if after < evaluation.step <= until)
