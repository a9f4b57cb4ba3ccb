"""The lecture notes' claims: the runs that test each, and the rule by which finished runs decide it.

A rule is fixed before anything is measured, and the result is what was measured, whatever the notes say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mlpcore.analysis.claims.rules import (
    ClaimResult,
    Finding,
    Margins,
    Measurement,
    Verdict,
    judge_adam_not_always,
    judge_full_batch,
    judge_memorising,
    judge_plateau,
    judge_rates,
    judge_weight_decay,
)
from mlpcore.recipes.recipe import SGD, Adam, MultiStepLR, NoScheduler, Recipe
from mlpcore.runs.records import Run, RunStatus

LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
DECAYS = (0.0, 5e-4, 5e-3, 0.05)
SEEDS = 6  # with three, a t-test finds only a lead of four standard deviations


@dataclass(frozen=True)
class Claim:
    """A claim, the experiment that tests it, and how its runs decide it.

    plan: recipes, from the data sets (the chosen one first) and the number of training images of the first.
    judge: a result from the runs of these recipes, in their order; finished ones, and diverged ones if `may_diverge`.
    """

    key: str
    seconds: int  # of computing, roughly, on one idle core with Shapes
    plan: Callable[[Sequence[str], int], list[Recipe]]
    judge: Callable[[Sequence[Run], Margins], ClaimResult]
    measures: tuple[str, ...]  # what its chart draws
    may_diverge: bool = False
    by_rate: bool = False  # whether the chart draws final accuracies over learning rates


def decide(claim: Claim, runs: Sequence[Run], *, test_images: int) -> ClaimResult:
    """Judge runs that are over; undecided if one of them did not finish.

    test_images: of the data set that has the fewest.
    """
    complete = (RunStatus.FINISHED, RunStatus.DIVERGED) if claim.may_diverge else (RunStatus.FINISHED,)
    if missing := sum(run.status not in complete for run in runs):
        numbers = {"missing": missing, "count": len(runs)}
        return ClaimResult(Verdict.UNDECIDED, (Measurement(Finding.INCOMPLETE, numbers),))
    return claim.judge(runs, Margins.of(test_images))


def plan_full_batch(datasets: Sequence[str], images: int) -> list[Recipe]:
    """Plan batches of all of a few images, and of a tenth of them; without dropout, which has noise of its own."""
    size = min(500, images)
    common: dict[str, Any] = {
        "train_size": size,
        "dropout": 0.0,
        "optimizer": _plain_sgd(0.05),
        "train_iter": 60,
        "eval_every": 1,
    }
    return [_recipe(datasets[0], batch_size=batch_size, **common) for batch_size in (size, max(size // 10, 1))]


def plan_weight_decay(datasets: Sequence[str], _images: int) -> list[Recipe]:
    """Plan the notes' SGD with four weight decays."""
    common: dict[str, Any] = {"dropout": 0.0, "train_iter": 600, "eval_every": 100}
    return [_recipe(datasets[0], optimizer=SGD(weight_decay=decay), **common) for decay in DECAYS]


def plan_rates(datasets: Sequence[str], _images: int) -> list[Recipe]:
    """Plan plain SGD and Adam, each with nine learning rates over four decades."""
    optimizers = [*(_plain_sgd(lr) for lr in LEARNING_RATES), *(Adam(lr=lr) for lr in LEARNING_RATES)]
    return [_recipe(datasets[0], optimizer=one, train_iter=500, eval_every=250) for one in optimizers]


def plan_adam_not_always(datasets: Sequence[str], _images: int) -> list[Recipe]:
    """Plan the notes' SGD and the notes' Adam with the same seeds, on two data sets if there are two."""
    return [
        _recipe(dataset, optimizer=optimizer, train_iter=600, eval_every=200, seed=seed)
        for dataset in datasets[:2]
        for optimizer in (SGD(), Adam())
        for seed in range(SEEDS)
    ]


def plan_plateau(datasets: Sequence[str], images: int) -> list[Recipe]:
    """Plan a rate too high for so small batches, kept and lowered; runs of one seed are equal until then."""
    common: dict[str, Any] = {
        "dropout": 0.0,
        "optimizer": _plain_sgd(0.1),
        "batch_size": min(8, images),
        "train_iter": 1200,
    }
    return [
        _recipe(datasets[0], eval_every=100, seed=seed, scheduler=scheduler, **common)
        for scheduler in (NoScheduler(), MultiStepLR(milestones=(800,), gamma=0.1))
        for seed in range(SEEDS)
    ]


def plan_memorising(datasets: Sequence[str], images: int) -> list[Recipe]:
    """Plan a run on a fiftieth of the images and one on all of them."""
    few = max(images // 50, 1)
    common: dict[str, Any] = {
        "dropout": 0.0,
        "optimizer": Adam(),
        "batch_size": min(64, few),
        "train_iter": 400,
        "eval_every": 50,
    }
    return [_recipe(datasets[0], train_size=size, **common) for size in (few, images)]


CLAIMS = (
    Claim("full_batch", 25, plan_full_batch, judge_full_batch, ("train_loss",)),
    Claim("weight_decay", 20, plan_weight_decay, judge_weight_decay, ("weights", "test_acc")),
    Claim("rates", 50, plan_rates, judge_rates, ("test_acc",), may_diverge=True, by_rate=True),
    Claim("adam_not_always", 45, plan_adam_not_always, judge_adam_not_always, ("test_acc",)),
    Claim("plateau", 40, plan_plateau, judge_plateau, ("train_loss", "test_acc")),
    Claim("memorising", 15, plan_memorising, judge_memorising, ("train_eval_loss", "test_acc")),
)


def _recipe(dataset: str, **fields: Any) -> Recipe:
    return Recipe(dataset=dataset, **{"scheduler": NoScheduler()} | fields)


def _plain_sgd(lr: float) -> SGD:
    return SGD(lr=lr, momentum=0.0, weight_decay=0.0, nesterov=False)
